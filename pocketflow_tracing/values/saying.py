"""What an exception says: `str(exception)` as far as it is kept, without running the program's code for it.

An exception that takes its `__str__` from a builtin one says what it was made with. Python would ask each
of those arguments for its `repr`: code of the program's, and the whole of a store that somebody put there.
Here they are read as captured values are, and no further than there is room.
"""

from __future__ import annotations

import builtins
import enum
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import is_the_programs
from . import classes
from .nodes import BOOL, FIELDS, HEAD, ITEMS, LOOKAHEAD, PAIRS, TEXT, Mark
from .shapes import shape

if TYPE_CHECKING:
    from .redaction import Policy

MAX_MESSAGE = 4_096
"""Characters of a message that are shown."""
_KEPT = MAX_MESSAGE + LOOKAHEAD
_DEEPEST = 20
_LONGEST_INT = 28_000
"""Bits; an integer of more is longer than what is kept of a message."""


class Said(NamedTuple):
    """The head of a text, with some of it beyond what is shown, to recognise secrets by."""

    head: str
    length: int | None
    """Characters in all; None where there are more of them than anybody counted."""

    @classmethod
    def of(cls, text: str) -> Said:
        """What is kept of `text`."""
        return cls(text[:_KEPT], len(text))

    def masked(self, policy: Policy, before: str = "") -> str:
        """What is shown of it, with `before` in front: masked first and cut then."""
        shown, _ = policy.masked(before + self.head, len(before) + MAX_MESSAGE)
        if self.length is None:
            return f"{shown}…"
        left = self.length - MAX_MESSAGE
        return f"{shown}… +{left:,} more" if left > 0 else shown


def message_of(exception: BaseException, serialized: Collection[type] = ()) -> Said:
    """`str(exception)`; `<unprintable X>` where that fails.

    Of objects of the types that are `serialized` it tells no more than their class: what may be
    shown of them, their serializer says.

    The one place where a method of a program's type runs: an exception with a `__str__` of its own
    has no other text, and the program's own traceback would call it just so.
    """
    text = _Text(serialized)
    try:
        _tell(exception, text, 0)
    except _Full:
        pass
    except Exception as failure:  # too little stack or memory left, or something in motion
        if is_the_programs(failure):
            raise
        return Said.of(_unprintable(exception))
    return Said("".join(text.pieces), text.length)


def _unprintable(exception: BaseException) -> str:
    return f"<unprintable {_name(type(exception))}>"


class _Full(Exception):
    """There is no room for more."""


class _Text:
    """Takes a text piece by piece, and raises `_Full` where it would be too long."""

    def __init__(self, serialized: Collection[type]) -> None:
        self.serialized = serialized
        self.pieces: list[str] = []
        self.room = _KEPT
        self.length: int | None = 0

    def add(self, piece: str) -> None:
        """Go on with `piece`, or with the head of it."""
        self.pieces.append(piece[: self.room])
        self.room -= len(piece)
        if self.room < 0:
            self.length = None
            raise _Full
        self.length = _KEPT - self.room

    def end(self, piece: str) -> None:
        """Go on with `piece`, after which nothing comes."""
        length = _KEPT - self.room + len(piece)
        self.pieces.append(piece[: self.room])
        self.room = max(0, self.room - len(piece))
        self.length = length


def _tell(exception: BaseException, text: _Text, depth: int) -> None:
    method = _method_of(type(exception))
    for known, tell in _TELLERS:
        if known is method:
            return tell(exception, text, depth)
    text.end(_own_words(exception))


def _method_of(kind: type) -> Any:
    for base in classes.mro(kind):
        found = classes.members(base).get("__str__")
        if found is not None:
            return found
    return None


def _own_words(exception: BaseException) -> str:
    try:
        text = str(exception)
    except BaseException as failure:
        if is_the_programs(failure):
            raise
        return _unprintable(exception)
    return text if type(text) is str else str.__str__(text)


_args_of = BaseException.__dict__["args"].__get__


def _tell_arguments(exception: BaseException, text: _Text, depth: int) -> None:
    given = _args_of(exception)
    if len(given) == 1 and type(given[0]) is str:
        text.end(given[0])
    elif len(given) == 1:
        _say(given[0], text, depth)
    elif given:
        _write(given, text, ())


def _tell_key_error(exception: BaseException, text: _Text, depth: int) -> None:
    given = _args_of(exception)
    if len(given) == 1:
        _write(given[0], text, ())
    else:
        _tell_arguments(exception, text, depth)


def _tell_os_error(exception: BaseException, text: _Text, depth: int) -> None:
    number, reason = _field(OSError, "errno", exception), _field(OSError, "strerror", exception)
    path, other = _field(OSError, "filename", exception), _field(OSError, "filename2", exception)
    if path is None and (number is None or reason is None):
        # Those that were never set read as None, too: Python knows, and plain ones it may be asked for.
        given = _args_of(exception)
        if all(map(_is_brief, (*given, number, reason))):
            return text.end(OSError.__str__(exception))
        if not (2 <= len(given) <= 5 and given[0] is number and given[1] is reason):
            return _tell_arguments(exception, text, depth)
    text.add("[Errno ")
    _say(number, text, depth)
    text.add("] ")
    _say(reason, text, depth)
    if path is not None:
        text.add(": ")
        _write(path, text, ())
        if other is not None:
            text.add(" -> ")
            _write(other, text, ())


def _tell_import_error(exception: BaseException, text: _Text, depth: int) -> None:
    message = _field(ImportError, "msg", exception)
    if type(message) is str:
        text.end(message)
    else:
        _tell_arguments(exception, text, depth)


def _tell_syntax_error(exception: BaseException, text: _Text, depth: int) -> None:
    file, line = _field(SyntaxError, "filename", exception), _field(SyntaxError, "lineno", exception)
    where = [file.rpartition("/")[2]] if type(file) is str else []
    where += [f"line {line}"] if type(line) is int else []
    _say(_field(SyntaxError, "msg", exception), text, depth)
    if where:
        text.add(f" ({', '.join(where)})")


def _tell_unicode_error(exception: BaseException, text: _Text, depth: int) -> None:
    said = [_read(exception, name) for name in ("encoding", "reason")]
    method = _method_of(type(exception))
    if all(type(part) is str or _is_brief(part) for part in said):
        text.end(method(exception))
    else:
        _tell_arguments(exception, text, depth)


def _tell_group(exception: BaseException, text: _Text, depth: int) -> None:
    count = len(_field(_GROUP, "exceptions", exception))
    _say(_field(_GROUP, "message", exception), text, depth)
    text.add(f" ({count} sub-exception{'s' if count > 1 else ''})")


def _is_brief(value: Any) -> bool:
    """Whether Python may write `value`: that runs no code of the program's, and takes no time."""
    kind = type(value)
    if kind is str:
        return len(value) <= _KEPT
    if kind is int:
        return bool(value.bit_length() <= 64)
    return value is None or kind is bool or kind is float


def _field(base: Any, name: str, exception: BaseException) -> Any:
    return classes.members(base)[name].__get__(exception)


def _read(exception: BaseException, name: str) -> Any:
    getter = classes.native_getter(type(exception), name)
    return None if getter is None else getter(exception)


_GROUP: Any = getattr(builtins, "BaseExceptionGroup", None)  # from 3.11 on
_Teller = Callable[[BaseException, _Text, int], None]
_KNOWN: tuple[tuple[Any, _Teller], ...] = (
    (KeyError, _tell_key_error),
    (OSError, _tell_os_error),
    (ImportError, _tell_import_error),
    (SyntaxError, _tell_syntax_error),
    (UnicodeEncodeError, _tell_unicode_error),
    (UnicodeDecodeError, _tell_unicode_error),
    (UnicodeTranslateError, _tell_unicode_error),
    (_GROUP, _tell_group),
    (BaseException, _tell_arguments),
)


def _tellers() -> Iterator[tuple[Any, _Teller]]:
    for kind in vars(builtins).values():
        if isinstance(kind, type) and issubclass(kind, BaseException) and "__str__" in vars(kind):
            yield vars(kind)["__str__"], next(tell for base, tell in _KNOWN if base in kind.__mro__)


_TELLERS = list(_tellers())
"""Each `__str__` of builtin exceptions, and what gives the same text."""


def _say(value: Any, text: _Text, depth: int) -> None:
    """What `str(value)` gives for plain values."""
    kind = type(value)
    if kind is str:
        text.add(value)
    elif _is_serialized(kind, text):
        text.add(f"{_name(kind)}(…)")
    elif classes.inherits(kind, enum.Enum) and (method := _method_of(kind)) is not str.__str__:
        # From 3.11 on, members of an IntEnum are told as integers.
        is_number = method is int.__repr__ and classes.inherits(kind, int)
        text.add(_number(int.__index__(value)) if is_number else _member(value, kind))
    elif classes.inherits(kind, str):
        text.add(str.__getitem__(value, slice(0, text.room + 1)))
    elif classes.inherits(kind, BaseException):
        if depth > _DEEPEST:
            text.add("…")
        else:
            _tell(value, text, depth + 1)
    else:
        node = shape(value, 0)
        if type(node) is Mark and node[0] is TEXT:
            text.add(node[1])
        else:
            _write(value, text, ())


def _write(value: Any, text: _Text, above: tuple[int, ...]) -> None:
    """What `repr(value)` gives for plain values; for objects their class and fields."""
    kind = type(value)
    if _is_serialized(kind, text):
        return text.add(f"{_name(kind)}(…)")
    if classes.inherits(kind, enum.Enum):
        return text.add(_member(value, kind))
    if classes.inherits(kind, str):
        return text.add(repr(str.__getitem__(value, slice(0, text.room + 1))))
    if classes.inherits(kind, bytes):
        return text.add(repr(bytes.__getitem__(value, slice(0, text.room + 1))))
    if classes.inherits(kind, bytearray):
        return text.add(repr(bytearray.__getitem__(value, slice(0, text.room + 1))))
    if id(value) in above or len(above) > _DEEPEST:
        return text.add("{...}" if classes.inherits(kind, dict) else "[...]")
    above = (*above, id(value))
    if classes.inherits(kind, BaseException):
        given = _args_of(value)
        return _write_all(f"{_name(kind)}(", given, ")", text, above)
    node = shape(value, text.room // 2 + 1)
    left_out = 0
    if type(node) is Mark and node[0] is HEAD:
        left_out, node = node[1], node[2]
    _write_node(node, kind, text, above)
    if left_out:
        text.add("…")


def _is_serialized(kind: type, text: _Text) -> bool:
    return any(classes.inherits(kind, known) for known in text.serialized)


def _write_node(node: Any, kind: type, text: _Text, above: tuple[int, ...]) -> None:
    if type(node) is dict:
        return _write_pairs("{", node.items(), "}", text, above)
    if type(node) is list:
        return _write_all("[", node, "]", text, above)
    if type(node) is not Mark:
        return text.add(_number(node) if type(node) is int else repr(node))
    if node[0] is BOOL:
        return text.add(repr(node[1]))
    if node[0] is ITEMS:
        return _write_all(*_around(node, kind), text, above)
    if node[0] is PAIRS:
        return _write_pairs("{", zip(node[2][::2], node[2][1::2]), "}", text, above)  # noqa: B905
    if node[0] is FIELDS:
        return _write_fields(node[2], kind, text)
    is_path = any(name.endswith(".PurePath") for name, _ in classes.bases_named(kind))
    text.add(f"{_name(kind)}({node[1]!r})" if is_path else node[1])


def _write_fields(fields: dict[str, Any], kind: type, text: _Text) -> None:
    """Those that are plain: what is nested under a secret name could not be told from what is not."""
    text.add(f"{_name(kind)}(")
    for index, (name, value) in enumerate(fields.items()):
        text.add(f"{', ' if index else ''}{name}=")
        if value is None or type(value) in _PLAIN:
            _write(value, text, ())
        else:
            text.add("…")
    text.add(")")


_PLAIN = (str, int, float, bool)


def _around(node: Mark, kind: type) -> tuple[str, list[Any], str]:
    items = node[2]
    if node[1] == "tuple":
        return "(", items, ",)" if len(items) == 1 else ")"
    if kind is set:
        return ("{", items, "}") if items else ("set(", items, ")")
    if kind is frozenset and not items:
        return "frozenset(", items, ")"
    opening, closing = ("{", "}") if node[1] == "set" else ("[", "]")
    return f"{_name(kind)}({opening}", items, f"{closing})"


def _write_all(opening: str, items: Iterable[Any], closing: str, text: _Text, above: tuple[int, ...]) -> None:
    text.add(opening)
    for index, item in enumerate(items):
        if index:
            text.add(", ")
        _write(item, text, above)
    text.add(closing)


def _write_pairs(
    opening: str, pairs: Iterable[tuple[Any, Any]], closing: str, text: _Text, above: tuple[int, ...]
) -> None:
    text.add(opening)
    for index, (key, value) in enumerate(pairs):
        if index:
            text.add(", ")
        _write(key, text, above)
        text.add(": ")
        _write(value, text, above)
    text.add(closing)


def _number(value: int) -> str:
    size = value.bit_length()
    try:
        return repr(value) if size <= _LONGEST_INT else f"<int of {size:,} bits>"
    except ValueError:  # Python refuses to write so many digits
        return f"<int of {size:,} bits>"


def _member(value: Any, kind: type) -> str:
    own = classes.dict_getter(kind)
    name = None if own is None else own(value).get("_name_")
    return f"{_name(kind)}.{name}" if type(name) is str else f"<{_name(kind)}>"


def _name(kind: type) -> str:
    return str(type.__dict__["__name__"].__get__(kind))

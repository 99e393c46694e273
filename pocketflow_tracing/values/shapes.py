"""One object → one node whose entries are still raw: the types this package knows, and how to read them.

Nothing here calls a method of the object's own class. Builtins and what inherits from them are read
by the base type's methods, other objects through the C descriptors of their slots and `__dict__`.
"""

from __future__ import annotations

import collections
import enum
import weakref
from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Any

from ..errors import is_the_programs
from . import classes, descriptors
from .nodes import (
    BYTES,
    CUT,
    ENTRY_COST,
    FALSE,
    FIELDS,
    FLOAT_COST,
    HEAD,
    ITEMS,
    PAIRS,
    STUB,
    TEXT,
    TRUE,
    Limits,
    Mark,
    Node,
    Reader,
    inner,
)  # fmt: skip
from .scalars import SCALARS, named_reader

_PATIENCE = 3


def shape(value: Any, most: int) -> Node:
    """The node for `value`, with at most `most` raw entries; the rest is counted in a HEAD mark."""
    kind = type(value)
    found = _readers.get(id(kind))
    reader = found[1] if found is not None and found[0]() is kind else _learn(kind)
    try:
        return reader(value, most)
    except (RuntimeError, MemoryError):
        raise
    except Exception as failure:  # an object half built or taken apart: its type can be told
        if is_the_programs(failure):
            raise
        return Mark((TEXT, f"<{classes.name_of(kind)}>"))


def steady(entries: Callable[[], list[Any]]) -> list[Any]:
    """What `entries` lists, tried again where something changed the container meanwhile."""
    for _ in range(_PATIENCE):
        try:
            return entries()
        except RuntimeError as failure:  # "changed size during iteration"
            if is_the_programs(failure):
                raise
    return []


def _headed(node: Node, left_out: int) -> Node:
    return Mark((HEAD, left_out, node)) if left_out > 0 else node


def _read_dict(value: Any, most: int, length: Callable[[Any], int] = dict.__len__) -> Node:
    count = length(value)
    pairs = steady(lambda: list(islice(dict.items(value), most)))
    return _headed(entries(pairs, "dict"), count - len(pairs))


def entries(pairs: Iterable[tuple[Any, Any]], name: str) -> Node:
    """A dict of the pairs where every key is an exact str, a PAIRS mark where not."""
    pairs = list(pairs)
    if all(type(key) is str for key, _ in pairs):
        return dict(pairs)
    return Mark((PAIRS, name, list(chain.from_iterable(pairs))))


def _read_list(value: Any, most: int) -> Node:
    return _headed(list.__getitem__(value, slice(0, most)), list.__len__(value) - most)


def _read_tuple(value: Any, most: int) -> Node:
    head = list(tuple.__getitem__(value, slice(0, most)))
    return _headed(Mark((ITEMS, "tuple", head)), tuple.__len__(value) - most)


def _read_set(value: Any, most: int) -> Node:
    length, walk = (set.__len__, set.__iter__) if classes.inherits(type(value), set) else _FROZEN
    head = steady(lambda: list(islice(walk(value), most)))
    return _headed(Mark((ITEMS, "set", head)), length(value) - len(head))


_FROZEN: Any = (frozenset.__len__, frozenset.__iter__)


def _read_deque(value: Any, most: int) -> Node:
    walk = collections.deque.__iter__
    head = steady(lambda: list(islice(walk(value), most)))
    return _headed(Mark((ITEMS, "deque", head)), collections.deque.__len__(value) - len(head))


def _read_view(value: Any, most: int) -> Node:
    head = steady(lambda: list(islice(value, most)))
    return _headed(Mark((ITEMS, "view", head)), len(value) - len(head))


def _read_named_tuple(names: tuple[str, ...], name: str) -> Reader:
    def read(value: Any, most: int) -> Node:
        count = tuple.__len__(value)
        found = dict(zip(names[:most], tuple.__iter__(value)))  # noqa: B905
        return _headed(Mark((FIELDS, name, found)), count - len(found))

    return read


def _read_enum(kind: type) -> Reader:
    own_dict = classes.dict_getter(kind)
    name = classes.name_of(kind)

    def read(value: Any, most: int) -> Node:
        fields = {} if own_dict is None else own_dict(value)
        inside = fields.get("_value_")
        if inside is None or classes.inherits(type(inside), enum.Enum):
            return Mark((TEXT, f"<{name}>"))
        return shape(inside, most)

    return read


def _read_exception(kind: type) -> Reader:
    name = classes.name_of(kind)
    own_dict = classes.dict_getter(kind)
    arguments = BaseException.__dict__["args"].__get__

    def read(value: Any, most: int) -> Node:
        given = list(tuple.__getitem__(arguments(value), slice(0, most)))
        found: dict[str, Any] = {"type": name}
        if len(given) == 1:
            found["message"] = given[0]
        elif given:
            found["args"] = given
        extra = {} if own_dict is None else own_dict(value)
        for key, item in steady(lambda: list(islice(dict.items(extra), most))):
            if type(key) is str:
                found.setdefault(key, item)
        return Mark((FIELDS, name, found))

    return read


class _FieldsOfDict:
    """Reads instances that have no fields but those in their `__dict__`."""

    __slots__ = ("_otherwise", "fields_of", "name")

    def __init__(self, name: str, fields_of: classes.Getter, otherwise: Reader) -> None:
        self.name = name
        self.fields_of = fields_of
        self._otherwise = otherwise

    def __call__(self, value: Any, most: int) -> Node:
        fields = self.fields_of(value)
        if type(fields) is not dict or not 0 < len(fields) <= most:
            return self._otherwise(value, most)
        copied = fields.copy()
        for key in copied:
            if type(key) is not str:
                return self._otherwise(value, most)
        return Mark((FIELDS, self.name, copied))


def plain_fields(value: Any, name: str) -> dict[Any, Any] | None:
    """The `__dict__` of an object that has no other fields, if the name of its class is `name`."""
    known = _readers.get(id(type(value)))
    if known is None or known[0]() is not type(value) or type(known[1]) is not _FieldsOfDict:
        return None
    fields = known[1].fields_of(value) if known[1].name == name else None
    return fields if type(fields) is dict else None


def _read_fields(kind: type) -> Reader:
    """Reads instances of a class field by field: slots first, then `__dict__`."""
    name = classes.name_of(kind)
    own_dict = classes.dict_getter(kind)
    slots = [(slot, get) for slot, get in classes.slot_getters(kind) if not slot.startswith("__")]
    extra = dict(classes.slot_getters(kind)).get("__pydantic_extra__")

    def read(value: Any, most: int) -> Node:
        pairs: list[tuple[Any, Any]] = []
        for slot, get in slots:
            try:
                pairs.append((slot, get(value)))
            except AttributeError:  # declared, never set
                continue
        count = len(pairs)
        sources = [own_dict(value)] if own_dict is not None else []
        if extra is not None:
            sources.append(_set_slot(extra, value))
        for source in sources:
            if source is not None and classes.inherits(type(source), dict):
                count += dict.__len__(source)
                room = max(0, most - len(pairs))
                pairs += steady(lambda source=source, room=room: list(islice(dict.items(source), room)))  # type: ignore[misc]
        if not count:
            return Mark((TEXT, f"<{name}>"))
        found = entries(pairs[:most], name)
        node = Mark((FIELDS, name, found)) if type(found) is dict else found
        return _headed(node, count - len(pairs[:most]))

    def read_slots(value: Any, most: int) -> Node:
        if len(slots) > most:
            return read(value, most)
        found: dict[str, Any] = {}
        for slot, get in slots:
            try:
                found[slot] = get(value)
            except AttributeError:  # declared, never set
                continue
        return Mark((FIELDS, name, found)) if found else Mark((TEXT, f"<{name}>"))

    if own_dict is None and extra is None:
        return read_slots
    if own_dict is None or slots or extra is not None:
        return read
    return _FieldsOfDict(name, own_dict, read)


def _set_slot(get: classes.Getter, value: Any) -> Any:
    try:
        return get(value)
    except AttributeError:
        return None


def _described(describe: descriptors.Describer) -> Reader:
    def read(value: Any, most: int) -> Node:
        found = describe(value)
        if type(found) is bool:
            return TRUE if found else FALSE
        return found if type(found) is int or type(found) is float else Mark((TEXT, found))

    return read


_BASES: tuple[tuple[type, Reader], ...] = (
    (dict, _read_dict),
    (list, _read_list),
    (set, _read_set),
    (frozenset, _read_set),
    (collections.deque, _read_deque),
    *SCALARS,
)
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


def _reader(kind: type) -> Reader:
    """How to read instances of `kind`, found once per class."""
    describe = descriptors.describer(kind)
    if describe is not None:
        return _described(describe)
    if classes.inherits(kind, enum.Enum):
        return _read_enum(kind)
    if classes.inherits(kind, BaseException):
        return _read_exception(kind)
    if classes.inherits(kind, tuple):
        return _tuple_reader(kind)
    for base, reader in _BASES:
        if classes.inherits(kind, base):
            return reader
    found = named_reader(kind)
    if found is not None:
        return found
    if any(kind is view for view in _VIEWS):
        return _read_view
    if not _has_fields(kind) or classes.is_live(kind):
        return _described(descriptors.plain(kind))
    return _read_fields(kind)


def _has_fields(kind: type) -> bool:
    return classes.dict_getter(kind) is not None or bool(classes.slot_getters(kind))


def _tuple_reader(kind: type) -> Reader:
    for parent in classes.mro(kind):
        names = classes.members(parent).get("_fields")
        if type(names) is tuple and names and all(type(name) is str for name in names):
            return _read_named_tuple(names, classes.name_of(kind))
    return _read_tuple


# Keyed by id(): hashing a class would run its metaclass's __hash__. The weak reference lets the class
# go, and tells it from another one that has its address later. It has no callback: in that, the exception
# of a signal handler would be lost.
_readers: dict[int, tuple[Callable[[], Any], Reader]] = {}
_sweep_at = [1024]


def _learn(kind: type) -> Reader:
    if len(_readers) >= _sweep_at[0]:
        for key, known in list(_readers.items()):
            if known[0]() is None:
                _readers.pop(key, None)
        _sweep_at[0] = max(1024, 2 * len(_readers))
    reader = _reader(kind)
    _readers[id(kind)] = (weakref.ref(kind), reader)
    return reader


def is_plain(value: Any) -> bool:
    """Whether `value` stands for itself as a node."""
    kind = type(value)
    return kind is str or kind is int or kind is float or value is None


def leaf_cost(node: Node) -> int:
    """What a node without entries is charged beyond its place in its container."""
    if type(node) is str:
        return len(node)
    if type(node) is not Mark:
        return FLOAT_COST - ENTRY_COST
    if node[0] in (TEXT, STUB, CUT):
        return len(node[1])
    return len(node[2]) if node[0] is BYTES else 0


def stub(value: Any) -> Mark:
    """What is shown of a value that there is no room, or no depth left, to open."""
    kind = type(value)
    if kind is dict and value:
        return Mark((STUB, f"{{… +{len(value):,} more}}"))
    if kind is list and value:
        return Mark((STUB, f"[… +{len(value):,} more]"))
    node = shape(value, 0)
    if type(node) is not Mark:
        node = Mark((TEXT, "{}" if type(node) is dict else "[]"))
    if node[0] is HEAD:
        return Mark((STUB, _SKETCH.get(_outer(node[2]), "[… {}]").format(f"+{node[1]:,} more")))
    return node if inner(node) is None else Mark((TEXT, "[]"))


_SKETCH = {"dict": "{{… {}}}", PAIRS: "{{… {}}}", FIELDS: "{{… {}}}"}


def _outer(node: Node) -> str:
    return node[0] if type(node) is Mark else type(node).__name__


def serialized(value: Any, limits: Limits) -> Any:
    """What the user's serializer makes of `value`, or `value` itself where none is registered for it."""
    kind = type(value)
    for parent in classes.mro(kind):
        for registered, serializer in limits.serializers.items():
            if registered is parent:
                try:
                    return serializer(value)
                except BaseException as failure:  # sys.exit() in a serializer must not end the program
                    if is_the_programs(failure):
                        raise
                    return Mark((TEXT, f"<{classes.name_of(kind)}: serializer failed>"))
    return value


def _read_mark(mark: Any, most: int) -> Node:
    """A captured node again, with fewer entries."""
    tag = mark[0]
    if tag is HEAD:
        node = shape(mark[2], most)
        if type(node) is Mark and node[0] is HEAD:
            return Mark((HEAD, mark[1] + node[1], node[2]))
        return Mark((HEAD, mark[1], node))
    nested = inner(mark)
    if nested is None:
        return mark
    even = most - most % 2 if tag is PAIRS else most
    node = shape(nested, even)
    if type(node) is Mark and node[0] is HEAD:
        left_out = node[1] // 2 if tag is PAIRS else node[1]
        return Mark((HEAD, left_out, Mark((*mark[:-1], node[2]))))
    return Mark((*mark[:-1], node))


_readers[id(Mark)] = (weakref.ref(Mark), _read_mark)

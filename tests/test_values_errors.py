"""What an exception says: as Python has it where that is plain, bounded, masked before it is cut."""

from __future__ import annotations

import builtins
import enum
import json
import sys
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from values_corpus import SECRETS
from values_support import Liar, called, hostile, hostile_object, lines_run

from pocketflow_tracing.failures import Failure
from pocketflow_tracing.values import Policy
from pocketflow_tracing.values.saying import MAX_MESSAGE, message_of

HAS_NOTES = sys.version_info >= (3, 11)
OPEN = Policy(redact=False)

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=4)
        | st.frozensets(st.integers(), max_size=4)
        | st.sets(st.text(max_size=4), max_size=4)
    ),
    max_leaves=6,
)


def told(exception: BaseException) -> str:
    """The message as a span has it, secrets and all."""
    return message_of(exception).masked(OPEN)


def masked(exception: BaseException) -> dict[str, Any]:
    """All that a span keeps of an exception that was raised in it."""
    info = Failure(exception, None).info(Policy())
    return {"message": info.message, "stack": info.stacktrace, "notes": info.notes, "causes": info.causes}


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([ValueError, KeyError, RuntimeError, OSError, ImportError]), st.lists(plain, max_size=4)
)
def test_what_is_plain_is_told_as_python_tells_it(kind: Any, arguments: list[Any]) -> None:
    """Whatever builtins an exception was made with, its message is `str(exception)`."""
    exception = kind(*arguments)

    assert told(exception) == str(exception)


def _unicode_error(act: Callable[[], object]) -> UnicodeError:
    try:
        act()
    except UnicodeError as error:
        return error
    raise AssertionError


def _syntax_error() -> SyntaxError:
    try:
        compile("x = = 1", "/some/where/script.py", "exec")
    except SyntaxError as error:
        return error
    raise AssertionError


class Point(namedtuple("Point", "x y")):
    """A tuple with names."""


@pytest.mark.parametrize(
    "exception",
    [
        Exception(), ValueError("one"), ValueError(""), ValueError("one", 2), KeyError("it's"), KeyError(),
        KeyError("a", "b"), FileNotFoundError(2, "No such file or directory", "x"),
        OSError(2, "No such file", "from", None, "to"), OSError(5, "broken"), OSError("alone"), OSError(),
        OSError(None, None), PermissionError(13, "no", PurePosixPath("a/b")), BlockingIOError(11, "again", 7),
        ImportError("no module", name="x", path="y"), ModuleNotFoundError("No module named 'x'"),
        ImportError(), ImportError(7), SyntaxError(), SyntaxError("bad"), _syntax_error(),
        SyntaxError("bad", ("f.py", 3, 1, "text")), SystemExit(3), StopIteration([1]), ValueError(10**700),
        ValueError(KeyError("inner")), ValueError(1, KeyError("inner", ValueError())),
        AttributeError("x", name="y"), _unicode_error(lambda: b"\xff".decode()),
        _unicode_error(lambda: "é".encode("ascii")), UnicodeTranslateError("é", 0, 1, "why not"),
        ValueError(deque([1, 2])), ValueError(bytearray(b"x")),
        ValueError(set(), frozenset()), ValueError((1,)), ValueError(1, Point(1, "two")), ValueError(...),
        json.JSONDecodeError("no", "text", 2),
    ],
    ids=repr,
)  # fmt: skip
def test_what_python_itself_raises_is_told_as_python_tells_it(exception: BaseException) -> None:
    """Also where a builtin exception puts its text together from fields."""
    assert told(exception) == str(exception)


class Quota(OSError):
    """Has arguments without what an OSError makes of them."""

    def __init__(self, *given: Any) -> None:
        self.args = given


class Code(enum.IntEnum):
    GONE = 410


class Word(str, enum.Enum):
    GO = "go on"


class Plainly(str, enum.Enum):
    GO = "go on"
    __str__ = str.__str__


def changed(exception: BaseException, **fields: Any) -> BaseException:
    for name, value in fields.items():
        setattr(exception, name, value)
    return exception


@pytest.mark.parametrize(
    "exception",
    [
        Quota(503, "quota"), Quota(None, None), Quota(None, "quota"), Quota(503, [1]), Quota(),
        changed(Quota(503, "quota"), errno=5), changed(Quota(503, "quota"), errno=5, strerror="broken"),
        changed(OSError(5, "broken"), args=("other",)), changed(OSError(None, "broken"), args=("other",)),
        ValueError(HTTPStatus.NOT_FOUND), ValueError(Code.GONE), ValueError(Word.GO), ValueError(Plainly.GO),
        OSError(Code.GONE, Plainly.GO),
        changed(_unicode_error(lambda: b"\xff".decode()), reason=5),
        changed(_unicode_error(lambda: b"\xff".decode()), reason=None),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_set_later_and_members_of_enums_are_told_as_python_tells_them(
    exception: BaseException,
) -> None:
    """Fields that a constructor left out, and members whose text is that of a number or of a text."""
    assert told(exception) == str(exception)


def test_a_member_of_an_enum_with_a_text_of_its_own_is_told_by_its_name() -> None:
    """Its `__str__` is code of the program's, and is not run."""

    class Own(enum.IntEnum):
        ONE = 1

        def __str__(self) -> str:
            raise AssertionError

    assert told(ValueError(Own.ONE)) == "Own.ONE"
    assert told(changed(_unicode_error(lambda: b"\xff".decode()), reason=Own.ONE)).startswith("('utf-8', ")


@pytest.mark.skipif(not HAS_NOTES, reason="there are no exception groups before")
def test_a_group_is_told_as_python_tells_it() -> None:
    """With the number of what is in it."""
    group: Any = getattr(builtins, "ExceptionGroup")  # noqa: B009

    for exception in (group("both", [ValueError(), KeyError()]), group("one", [ValueError()])):
        assert told(exception) == str(exception)


class Colour(enum.Enum):
    RED = 1


class Order:
    def __init__(self) -> None:
        self.number, self.lines = 7, [1, 2]


def test_objects_are_told_by_their_class_and_plain_fields() -> None:
    """What is nested in them stays out: there it could not be told what is secret."""
    assert told(ValueError("no", Order())) == "('no', Order(number=7, lines=…))"
    assert told(ValueError(Colour.RED)) == "Colour.RED"
    assert told(KeyError(Order)).endswith("Order>")
    assert told(ValueError(OrderedDict(a=1))) == "{'a': 1}"


def test_a_list_that_holds_itself_ends() -> None:
    """As in Python's own text."""
    items: list[Any] = [1]
    items.append(items)
    inside: dict[str, Any] = {}
    inside["self"] = inside

    assert told(ValueError("x", items, inside)) == "('x', [1, [...]], {'self': {...}})"


@pytest.mark.parametrize("kind", [ValueError, KeyError, OSError, ImportError, SyntaxError, AttributeError])
def test_no_method_of_an_argument_is_called(kind: Any) -> None:
    """Alone or among others, at the top or nested."""
    odd = [
        hostile(str, "text"), hostile(int, 3), hostile(dict, {"a": 1}), hostile(list, [1]), Liar(),
        hostile(tuple, (1,)), hostile_object({"a": 1}), hostile_object({"a": 1}, meta=True),
        hostile(bytes, b"x"), hostile(float, 1.5), hostile(set, {1}), hostile(bytearray, b"x"),
    ]  # fmt: skip
    called.clear()
    for value in odd:
        for arguments in ((value,), ([value],), ("sent", value), (2, value, value)):
            # A syntax error takes its second argument apart when it is made.
            exception = kind(*arguments[: 1 if kind is SyntaxError else 3])
            assert told(exception)
            assert called == []


def test_a_text_of_its_own_is_asked_for() -> None:
    """An exception with a `__str__` of its own has no other text; where that fails, its name is told."""

    class Refused(ValueError):
        def __str__(self) -> str:
            return f"refused with {self.args[0]}"

    class Silent(Refused):
        __str__ = ValueError.__str__

    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert told(Refused(7)) == "refused with 7"
    assert told(Silent(7)) == "7"
    assert told(ValueError(Refused(8))) == "refused with 8"
    assert told(Broken()) == "<unprintable Broken>"


def test_a_message_costs_no_more_than_what_is_kept_of_it() -> None:
    """A store put into an exception is not written out, however big it is."""
    small, big = ({n: {"text": "x" * 50} for n in range(count)} for count in (10_000, 100_000))

    def lines(value: Any) -> int:
        return lines_run(lambda: message_of(ValueError("bad", value)))

    lines(small)  # what it is made of is known by then
    assert lines(big) == lines(small)
    assert told(ValueError("bad", big)) == str(ValueError("bad", small))[:MAX_MESSAGE] + "…"


def test_a_long_message_says_how_much_was_left_out() -> None:
    """Of one text it is known; a text that was not written to its end only says that it goes on."""
    assert told(ValueError("x" * (MAX_MESSAGE + 1_234))) == "x" * MAX_MESSAGE + "… +1,234 more"
    assert told(ValueError("x" * MAX_MESSAGE)) == "x" * MAX_MESSAGE
    assert told(KeyError("x" * 100_000)) == "'" + "x" * (MAX_MESSAGE - 1) + "…"
    assert told(ValueError(10**9_000)) == "<int of 29,898 bits>"


def _failed(text: str) -> Exception:
    """An exception with `text` as its message, in a note, in its cause and in a member."""
    exception: Any = RuntimeError(text)
    if HAS_NOTES:
        exception = getattr(builtins, "ExceptionGroup")(text, [KeyError(text)])  # noqa: B009
        exception.add_note(text)
    exception.__cause__ = KeyError(text)
    return exception  # type: ignore[no-any-return]


def test_a_cut_through_a_secret_shows_none_of_it() -> None:
    """Messages, notes, causes and members of groups are masked first and cut then."""
    leaked = []
    for text, secret in SECRETS:
        within = text.index(secret)
        for shown in (len(secret) // 2, len(secret) - 1):
            before = MAX_MESSAGE - within - shown
            said = masked(_failed("x " * (before // 2) + " " * (before % 2) + text + " y" * 3_000))
            if secret[:4] in json.dumps(said, ensure_ascii=False):
                leaked.append((text, shown))
            assert len(said["message"]) > 3_900

    assert leaked == []


def test_all_that_is_kept_is_shown_where_it_is_short() -> None:
    """Message, notes, cause and members, each in its place."""
    said = masked(_failed("went wrong"))

    assert said["message"].startswith("went wrong")
    assert said["causes"] == ["KeyError: 'went wrong'"]
    assert (
        said["stack"].splitlines()[-1].endswith("went wrong" if not HAS_NOTES else "KeyError: 'went wrong'")
    )
    assert said["notes"] == (["went wrong"] if HAS_NOTES else [])

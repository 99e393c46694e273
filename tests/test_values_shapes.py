"""Every type a store is likely to hold, shown as its natural JSON or a short descriptor."""

from __future__ import annotations

import array
import asyncio
import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import fractions
import io
import json
import pathlib
import queue
import re
import socket
import tempfile
import threading
import types
import typing
import uuid
import weakref
from typing import Any

import pytest
from values_support import rendered, shown

from pocketflow_tracing.values import Limits


class Color(enum.Enum):
    RED = "red"
    PAIR = (1, "two")


class Level(enum.IntEnum):
    HIGH = 3


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: int
    y: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frozen:
    name: str


class Plain:
    kind = "a class attribute is not a field"

    def __init__(self) -> None:
        self.a = 1
        self._b = [2]

    @property
    def boom(self) -> int:
        raise RuntimeError


class Slotted:
    __slots__ = ("__weakref__", "a", "never_set")

    def __init__(self) -> None:
        self.a = 1


class SlottedWithMore(Slotted):
    def __init__(self) -> None:
        super().__init__()
        self.b = 2


class Named(typing.NamedTuple):
    a: int
    b: str


class Local(datetime.tzinfo):
    def utcoffset(self, when: datetime.datetime | None) -> datetime.timedelta:
        raise RuntimeError("asked")


class Failed(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code

    def __str__(self) -> str:
        raise RuntimeError("asked")


class Timestamped(datetime.datetime):
    def isoformat(self, *args: Any) -> str:
        raise RuntimeError("asked")


def a_generator() -> Any:
    yield 1


UTC = datetime.timezone.utc
NATURAL = [
    ({"a": 1, "b": [True, None, 0.5]}, {"a": 1, "b": [True, None, 0.5]}),
    ((1, ("a",)), [1, ["a"]]),
    ({3, 1, 2}, [1, 2, 3]),
    (frozenset(), []),
    (collections.deque([1, 2]), [1, 2]),
    (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (collections.defaultdict(list, a=[1]), {"a": [1]}),
    (collections.Counter("aab"), {"a": 2, "b": 1}),
    (types.SimpleNamespace(a=1), {"a": 1}),
    (types.MappingProxyType({"a": 1}), "<mappingproxy>"),
    ({"a": 1}.keys(), ["a"]),
    ({"a": 1}.values(), [1]),
    ({"a": 1}.items(), [["a", 1]]),
    (
        {1: "a", None: "b", (1, 2): "c", 0.5: "d", Color.RED: "e"},
        {"1": "a", "None": "b", "(1, 2)": "c", "0.5": "d", "red": "e"},
    ),
    ({1: "int", "1": "str"}, {"1": "int", "1 (2)": "str"}),
    ({b"a": 1}, {"a": 1}),
    (Color.RED, "red"),
    (Color.PAIR, [1, "two"]),
    (Level.HIGH, 3),
    (Access.READ, 1),
    (Point(1, [2]), {"x": 1, "y": [2]}),
    (Frozen("n"), {"name": "n"}),
    (Plain(), {"a": 1, "_b": [2]}),
    (Slotted(), {"a": 1}),
    (SlottedWithMore(), {"a": 1, "b": 2}),
    (Named(1, "b"), {"a": 1, "b": "b"}),
    (datetime.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),
    (datetime.datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "2026-01-02T03:04:05.000006+00:00"),
    (
        datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=-5))),
        "2026-01-02T00:00:00-05:00",
    ),
    (Timestamped(2026, 1, 2), "2026-01-02T00:00:00"),
    (datetime.date(2026, 1, 2), "2026-01-02"),
    (datetime.time(3, 4), "03:04:00"),
    (datetime.timedelta(days=1, seconds=2), "1 day, 0:00:02"),
    (decimal.Decimal("1.10"), "1.10"),
    (decimal.Decimal("NaN"), "NaN"),
    (fractions.Fraction(1, 3), "1/3"),
    (2 + 3j, "(2+3j)"),
    (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (pathlib.PurePosixPath("/a", "b", "c.txt"), "/a/b/c.txt"),
    (pathlib.PurePosixPath("a/b"), "a/b"),
    (pathlib.PurePosixPath(), "."),
    (pathlib.PureWindowsPath("C:\\a", "b"), "C:\\a\\b"),
    (pathlib.PurePosixPath("/a") / "b" / "../c", "/a/b/../c"),
    (ValueError("boom"), {"type": "ValueError", "message": "boom"}),
    (KeyError(), {"type": "KeyError"}),
    (OSError(2, "missing"), {"type": "FileNotFoundError", "args": [2, "missing"]}),
    (b"plain text", "<bytes of 10 bytes: plain text>"),
    (b"\xff\x00", "<bytes of 2 bytes>"),
    (b"", "<bytes of 0 bytes>"),
    (bytearray(b"ab"), "<bytearray of 2 bytes: ab>"),
    (range(3), "range(0, 3)"),
    (range(9, 0, -2), "range(9, 0, -2)"),
    (..., "Ellipsis"),
    (NotImplemented, "NotImplemented"),
]


@pytest.mark.parametrize(("value", "expected"), NATURAL, ids=[type(value).__name__ for value, _ in NATURAL])
def test_data_becomes_its_natural_json(value: Any, expected: Any) -> None:
    """Alone, and inside a list, where other code reads it."""
    assert shown(value) == expected
    assert shown([value]) == [expected]
    assert shown({"a": value}) == {"a": expected}


def test_a_time_zone_of_the_users_is_named_and_not_asked() -> None:
    """Its `utcoffset` is the user's code."""
    name = f"{__name__}.Local"
    assert shown(datetime.datetime(2026, 1, 2, tzinfo=Local())) == f"2026-01-02T00:00:00 {name}"


def test_an_exception_is_read_and_not_asked() -> None:
    """Its arguments and its own attributes, without its `__str__`."""
    assert shown(Failed(7)) == {"type": f"{__name__}.Failed", "message": "code 7", "code": 7}


def test_machinery_is_described_in_a_few_words() -> None:
    """What is no data is its type, with what matters about it."""
    waiting: queue.Queue[int] = queue.Queue()
    waiting.put(1)
    event = threading.Event()
    event.set()
    coroutine = asyncio.sleep(0)
    with socket.socket() as connection, tempfile.NamedTemporaryFile() as file, contextlib.closing(coroutine):
        found = {
            name: shown(value)
            for name, value in {
                "lock": threading.Lock(), "rlock": threading.RLock(), "queue": waiting, "event": event,
                "generator": a_generator(), "coroutine": coroutine, "iterator": iter([1]),
                "map": map(str, []),
                "function": a_generator, "method": Plain().__init__, "builtin": len, "lambda": lambda: 1,
                "class": Plain, "module": json, "pattern": re.compile("a+"), "socket": connection,
                "file": file.file, "memory": io.StringIO("x"), "array": array.array("d", [1, 2]),
                "view": memoryview(b"abcd"), "thread": threading.current_thread(), "object": object(),
                "reference": weakref.ref(Plain), "empty": type("Empty", (), {"__slots__": ()})(),
            }.items()
        }  # fmt: skip

    found["socket"] = found["socket"].partition(" ")[0]
    assert found == {
        "lock": "<_thread.lock>",
        "rlock": "<_thread.RLock>",
        "queue": "<queue.Queue 1 items>",
        "event": "<threading.Event set>",
        "generator": "<generator a_generator>",
        "coroutine": "<coroutine sleep>",
        "iterator": "<list_iterator>",
        "map": "<map>",
        "function": "<function a_generator>",
        "method": "<method Plain.__init__>",
        "builtin": "<function len>",
        "lambda": "<function test_machinery_is_described_in_a_few_words.<locals>.<lambda>>",
        "class": f"<class {__name__}.Plain>",
        "module": "<module json>",
        "pattern": "re.compile('a+')",
        "socket": "<socket.socket>",
        "file": f"<_io.BufferedRandom {file.name!r}>",
        "memory": "<_io.StringIO>",
        "array": "<array.array typecode=d 2 items>",
        "view": "<memoryview shape=(4,) 4 bytes>",
        "thread": "<threading._MainThread>",
        "object": "<object>",
        "reference": "<weakref.ReferenceType>",
        "empty": f"<{__name__}.Empty>",
    }


def test_machinery_of_event_loops_is_described_as_well() -> None:
    """Queues by how much is in them, streams and tasks by their type, and nothing of them is read."""

    async def numbers() -> Any:
        yield 1

    async def described() -> tuple[dict[str, Any], list[Any]]:
        waiting: asyncio.Queue[int] = asyncio.LifoQueue()
        waiting.put_nowait(1)
        event, reader, generator = asyncio.Event(), asyncio.StreamReader(), numbers()
        reader.feed_data(b"secret")
        task = asyncio.ensure_future(asyncio.sleep(0))
        found = shown(
            {
                "queue": waiting, "event": event, "reader": reader, "generator": generator, "task": task,
                "future": asyncio.get_running_loop().create_future(), "lock": asyncio.Lock(),
                "loop": asyncio.get_running_loop(),
            }
        )  # fmt: skip
        await task
        return found, [waiting.get_nowait(), await reader.read(6), [number async for number in generator]]

    found, held = asyncio.run(described())

    assert found.pop("loop").endswith("EventLoop>")
    assert found == {
        "queue": "<asyncio.queues.LifoQueue 1 items>",
        "event": "<asyncio.locks.Event not set>",
        "reader": "<asyncio.streams.StreamReader>",
        "generator": "<async generator test_machinery_of_event_loops_is_described_as_well.<locals>.numbers>",
        "task": "<_asyncio.Task>",
        "future": "<_asyncio.Future>",
        "lock": "<asyncio.locks.Lock>",
    }
    assert held == [1, b"secret", [1]]


def test_a_serializer_speaks_for_its_type_and_what_inherits_from_it() -> None:
    """The nearest registered class decides; what it returns is captured like any value."""

    class Base:
        pass

    class Child(Base):
        pass

    limits = Limits(
        serializers={Base: lambda value: {"base": type(value).__name__}, int: lambda value: f"#{value}"}
    )

    assert shown(Child(), limits) == {"base": "Child"}
    assert shown({"a": [Child(), 1, {"b": 2}]}, limits) == {"a": [{"base": "Child"}, "#1", {"b": "#2"}]}
    nearer = Limits(serializers={Base: lambda value: "base", Child: lambda value: "child"})
    assert shown([Base(), Child()], nearer) == ["base", "child"]


@pytest.mark.parametrize("raised", [ValueError, SystemExit, RecursionError, asyncio.CancelledError])
def test_a_serializer_that_raises_says_so(raised: type[BaseException]) -> None:
    """The value is named and its failure told; nothing reaches the program, and nothing else shows."""

    def fail(value: Any) -> Any:
        raise raised("hidden")

    limits = Limits(serializers={Plain: fail})

    assert shown({"a": Plain(), "b": 1}, limits) == {"a": f"<{__name__}.Plain: serializer failed>", "b": 1}


def test_a_serializer_may_return_its_own_kind() -> None:
    """One that gives back what it was given is a cycle; one that makes more of it ends in the depth."""
    again = Limits(max_depth=4, serializers={Plain: lambda value: [value]})
    more = Limits(max_depth=3, serializers={Plain: lambda value: [Plain()]})

    assert shown(Plain(), again) == ["<cycle>"]
    assert shown(Plain(), more) == [[["[… +1 more]"]]] or shown(Plain(), more) == [[["{… +2 more}"]]]


def test_what_takes_32_kilobytes_as_json_is_kept_whole() -> None:
    """Whatever its form: numbers, short texts, empty lists, deep entries, one prompt of 50 KB."""
    wholes: list[Any] = [
        list(range(10)) * 1600,
        [""] * 10_000,
        [[]] * 10_000,
        [0.5] * 7000,
        {f"{number:x}": number % 10 for number in range(3000)},
        [{"id": number, "name": f"name {number}", "tags": ["a"]} for number in range(600)],
        "x" * 50_000,
        "今天" * 8000,
        {"prompt": "y" * 50_000},
        [[[[[number]]]] for number in range(2400)],
    ]
    for value in wholes:
        assert len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()) <= 50_100
        result = rendered(value)
        assert result.truncated == [], str(value)[:60]
        assert result.value == value


def test_a_small_entry_is_never_starved_by_a_big_one() -> None:
    """Whatever stands beside it, a small entry is shown in full."""
    store = {
        "long": "x" * 5_000_000,
        "numbers": list(range(200_000)),
        "records": [{"id": number, "name": f"name {number}"} for number in range(50_000)],
        "small": {"a": [1, {"b": "c"}]},
        "deep": {"a": {"b": {"c": [1] * 10_000}}},
        "last": "word",
    }

    result = rendered(store)

    assert result.value["small"] == {"a": [1, {"b": "c"}]}
    assert result.value["last"] == "word"
    assert result.value["records"][:2] == [{"id": 0, "name": "name 0"}, {"id": 1, "name": "name 1"}]
    assert result.value["numbers"][:50] == list(range(50))
    assert len(result.value["long"]) > 5000
    assert result.truncated == ["input.long", "input.numbers", "input.records", "input.deep.a.b.c"]


def test_what_was_left_out_is_counted() -> None:
    """Texts, lists, dicts, sets and objects say how much is missing."""
    limits = Limits(max_bytes=600)
    text = shown("x" * 5000, limits)
    numbers = shown(list(range(5000)), limits)
    entries = shown({f"key {number}": number for number in range(5000)}, limits)

    assert text == "x" * text.count("x") + f"… +{5000 - text.count('x'):,} more"
    assert numbers[-1] == f"… +{5000 - (len(numbers) - 1):,} more"
    assert entries["…"] == f"+{5000 - (len(entries) - 1):,} more"

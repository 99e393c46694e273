"""The values and exceptions of random programs, ordinary and awkward, and their comparable digests."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from types import GeneratorType
from typing import Any, NoReturn

touched: Counter[str] = Counter()
"""How often a method of an awkward object was called since the run began: a tracer calls none."""


_lock = threading.Lock()


def touch(name: str) -> None:
    """Counts a call, from whatever thread."""
    with _lock:
        touched[name] += 1


class Touched(Exception):
    """Raised by every method of an awkward object."""


def _touch(name: str) -> Any:
    def method(self: Any, *args: Any) -> NoReturn:
        touch(name)
        raise Touched(name)

    return method


class Awkward:
    """An object that may be passed on and kept, and nothing else."""

    def __init__(self, index: int) -> None:
        object.__setattr__(self, "index", index)

    __eq__ = _touch("__eq__")
    __hash__ = _touch("__hash__")
    __bool__ = _touch("__bool__")
    __len__ = _touch("__len__")
    __repr__ = _touch("__repr__")
    __str__ = _touch("__str__")
    __iter__ = _touch("__iter__")
    __getattr__ = _touch("__getattr__")
    __reduce_ex__ = _touch("__reduce_ex__")
    __deepcopy__ = _touch("__deepcopy__")
    __sizeof__ = _touch("__sizeof__")
    __format__ = _touch("__format__")


class CountingDict(dict[str, Any]):
    """A store that counts how often it is read."""

    def __getitem__(self, key: str) -> Any:
        touch("getitem")
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        touch("iter")
        return super().__iter__()

    def __len__(self) -> int:
        touch("len")
        return super().__len__()

    def keys(self) -> Any:
        touch("keys")
        return super().keys()

    def items(self) -> Any:
        touch("items")
        return super().items()

    def get(self, key: str, default: Any = None) -> Any:
        touch("get")
        return super().get(key, default)

    __repr__ = _touch("dict repr")
    __eq__ = _touch("dict eq")
    __hash__ = None


class ObjectStore:
    """A store that is not a dict at all; it has what the program needs and no more."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        return self.kept[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.kept[key] = value

    __bool__ = _touch("store bool")
    __repr__ = _touch("store repr")
    __eq__ = _touch("store eq")
    __hash__ = None  # type: ignore[assignment]


def new_store(kind: str) -> Any:
    """An empty store of a kind, with its trail."""
    store: Any = {"dict": dict, "counting": CountingDict, "object": ObjectStore}[kind]()
    store["trail"] = []
    return store


def _counting(length: int, items: bool = True) -> Iterator[int]:
    yield from range(length)


def make(name: str) -> Any:
    """The value that `name` stands for: "str:again", "items:3", "awkward", "cycle", …"""
    kind, _, rest = name.partition(":")
    if kind == "str":
        return rest
    if kind == "items":
        return list(range(int(rest)))
    if kind in _made:
        return _made[kind](int(rest or 0))
    raise ValueError(f"no value is called {name!r}")


def _cycle(number: int) -> list[Any]:
    value: list[Any] = [number]
    value.append({"self": value})
    return value


_made: dict[str, Any] = {
    "none": lambda n: None,
    "int": lambda n: n,
    "zero": lambda n: 0,
    "dict": lambda n: {"n": n, "list": [1, 2, {"deep": n}]},
    "tuple_items": lambda n: tuple(range(n)),
    "iterator": lambda n: _counting(n),
    "awkward_items": lambda n: [Awkward(index) for index in range(n)],
    "params": lambda n: [{"p": index} for index in range(n)],
    "params_iterator": lambda n: ({"p": index} for index in range(n)),
    "awkward": Awkward,
    "cycle": _cycle,
    "huge": lambda n: "huge text " * 12_000,
    "nan": lambda n: float("nan"),
    "bytes": lambda n: b"\xff" * (n + 3),
    "lambda": lambda n: lambda: n,
    "exception": lambda n: ValueError("a value, not raised"),
    "surrogate": lambda n: "\ud800",
    "unhashable": lambda n: ["list"],
    "type": lambda n: Awkward,
}


class Plain(Exception):
    """An ordinary exception of the user's."""


class Base(BaseException):
    """Not an `Exception`: no retry catches it."""


class StrRaises(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __repr__(self) -> str:
        touch("repr(exc)")
        raise RuntimeError("no text")


class Falsy(Exception):
    """An exception that is equal to all, false, and without a hash."""

    def __bool__(self) -> bool:
        touch("bool(exc)")
        return False

    def __eq__(self, other: object) -> bool:
        touch("eq(exc)")
        return True

    __hash__ = None  # type: ignore[assignment]


class NeedsArguments(Exception):
    """Cannot be copied or pickled."""

    def __init__(self, one: int, *, two: int) -> None:
        super().__init__(one)
        self.two = two


_single = [Plain("the same object each time")]


def start_run() -> None:
    """Forgets what earlier runs left."""
    touched.clear()
    _single[0] = Plain("the same object each time")


def new_error(kind: str) -> BaseException:
    """A fresh exception of a kind (of "single" always the same one)."""
    if kind == "single":
        return _single[0]
    if kind == "NeedsArguments":
        return NeedsArguments(1, two=2)
    if kind == "chained":
        error = Plain("outer")
        error.__cause__ = KeyError("cause")
        return error
    if kind == "group":
        return _new_group()
    if kind == "ValueError":
        return ValueError("planned", 7)
    if kind == "SystemExit":
        return SystemExit(3)
    return _errors[kind]("planned")


def _new_group() -> BaseException:
    if sys.version_info >= (3, 11):
        return ExceptionGroup("two", [ValueError("a"), KeyError("b")])  # noqa: F821
    return Plain("two")


_errors: dict[str, type[BaseException]] = {
    "KeyError": KeyError,
    "TimeoutError": TimeoutError,
    "Plain": Plain,
    "Base": Base,
    "StrRaises": StrRaises,
    "Falsy": Falsy,
    "KeyboardInterrupt": KeyboardInterrupt,
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
    "RecursionError": RecursionError,
}
CATCHABLE = ("KeyError", "TimeoutError", "Plain", "StrRaises", "Falsy", "NeedsArguments", "chained", "group",
             "single", "StopIteration", "StopAsyncIteration", "RecursionError")  # fmt: skip
UNCATCHABLE = ("Base", "KeyboardInterrupt", "SystemExit", "GeneratorExit", "CancelledError")


def digest(value: Any, consume: bool = False, depth: int = 5) -> Any:
    """What can be compared of a value, without calling any of its methods.

    With `consume`, iterators are read to their end: what a tracer took from them would be missing.
    """
    kind = type(value)
    if value is None or kind in (int, bool, bytes):
        return value
    if kind is float:
        return f"float {value!r}"
    if kind is str:
        return value if len(value) < 100 else f"{value[:3]}… {len(value)}"
    if kind is Awkward:
        return ("Awkward", object.__getattribute__(value, "index"))
    if isinstance(value, BaseException):
        return ("raised", kind.__name__, [digest(entry, consume, depth - 1) for entry in value.args])
    if depth == 0:
        return kind.__name__
    if isinstance(value, dict):
        return {key: digest(entry, consume, depth - 1) for key, entry in dict.items(value)}
    if kind is ObjectStore:
        return digest(value.kept, consume, depth)
    if kind in (list, tuple):
        return [kind.__name__, *(digest(entry, consume, depth - 1) for entry in value)]
    if kind is GeneratorType and consume:
        try:
            return ["generator", *(digest(entry, consume, depth - 1) for entry in value)]
        except BaseException as error:
            return ["generator", digest(error)]
    return kind.__name__


FIELDS_OF_OTHERS = ({"type", "message"}, {"function"})
"""By what a trace shows of them: an exception, and an object that may be called."""


def seen(value: Any, around: tuple[int, ...] = ()) -> Any:
    """What a trace shows of a value: the same for the value and for what the trace kept of it.

    What is no plain value is "…", and so is what a trace has words of its own for.
    """
    kind = type(value)
    if value is None or kind in (int, bool):
        return value
    if kind is float:
        return "NaN"  # the only one that programs have
    if kind is str:
        return value if len(value) < 100 and value.isprintable() and value[:1] not in ("<", "\\") else "…"
    if id(value) in around:
        return "…"
    if kind is Awkward:
        return {"index": object.__getattribute__(value, "index")}
    if kind is ObjectStore:
        return {"kept": seen(value.kept)}
    inside = (*around, id(value))
    if issubclass(kind, dict):
        if dict.keys(value) in FIELDS_OF_OTHERS:
            return "…"
        return {key: seen(entry, inside) for key, entry in dict.items(value)}
    return [seen(entry, inside) for entry in value] if kind in (list, tuple) else "…"


def failure(error: BaseException) -> tuple[Any, list[str]]:
    """What can be compared of a raised exception: type, arguments, chain; and the frames it passed."""
    chain = [type(error).__name__]
    links = (error.__cause__, error.__context__, tuple(getattr(error, "__notes__", ())))
    for link in links:
        chain.append(type(link).__name__ if isinstance(link, BaseException) else repr(link))
    frames = [
        f"{frame.name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.endswith("_base.py")  # a future's result is there already, or waited for
    ]
    return (digest(error), chain), frames

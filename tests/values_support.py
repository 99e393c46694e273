"""Values that no program should meet, and what the tests of `values` share."""

from __future__ import annotations

import collections
import dataclasses
import json
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, MemberDescriptorType
from typing import Any

from hypothesis import strategies as st
from pocketflow import Flow, Node

from pocketflow_tracing.values import Limits, Policy, Rendered, render, snapshot

called: list[str] = []
"""Names of the methods of hostile objects that somebody called since the list was emptied."""


def shown(value: Any, limits: Limits | None = None, policy: Policy | None = None) -> Any:
    """What a trace shows of `value`."""
    return rendered(value, limits, policy).value


def rendered(value: Any, limits: Limits | None = None, policy: Policy | None = None) -> Rendered:
    """What a trace shows of `value`, with the paths of what was masked and left out."""
    return render(snapshot(value, limits or Limits()), policy or Policy(), "input")


def json_bytes(value: Any) -> int:
    """How long `value` is as JSON in UTF-8, as it is stored; raises where it is no valid JSON."""
    return len(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())


DEEDS: dict[str, Callable[..., Any]] = {
    "raises": lambda again: _raise(),
    "lies": lambda again: 2**70,
    "recurses": lambda again: again(),
    "sleeps": lambda again: threading.Event().wait(1),
    "runs a flow": lambda again: Flow(start=Node()).run({}),
}
"""What a hostile method may do when it is called."""


def _raise() -> None:
    raise RuntimeError("a trap was called")


def _trap(name: str, does: str = "raises") -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        called.append(name)
        return DEEDS[does](lambda: method(self))

    return method


_TRAPPED = (
    "__repr__", "__str__", "__eq__", "__hash__", "__len__", "__bool__", "__getattr__", "__getattribute__",
    "__iter__", "__next__", "__getitem__", "__contains__", "__format__", "__bytes__", "__int__", "__float__",
    "__index__", "__call__", "__copy__", "__deepcopy__", "__reduce__", "__reduce_ex__", "__getstate__",
    "__sizeof__", "__dir__", "__enter__", "__await__", "__buffer__", "__lt__", "__gt__", "__add__", "__mod__",
    "__fspath__", "__instancecheck__", "__reversed__", "__ne__", "__or__", "items", "keys", "values", "copy",
    "get", "isoformat", "utcoffset", "decode", "encode", "tolist", "item", "to_dict", "model_dump", "dict",
    "json", "_asdict", "shape", "read",
)  # fmt: skip


def _traps(does: str = "raises") -> dict[str, Any]:
    namespace: dict[str, Any] = {name: _trap(name, does) for name in _TRAPPED}
    namespace["__class__"] = property(_trap("__class__", does))
    namespace["secret_property"] = property(_trap("secret_property", does))
    return namespace


class HostileMeta(type):
    """A metaclass whose classes must not be hashed, compared or asked for anything either."""

    __hash__ = _trap("Meta.__hash__")
    __eq__ = _trap("Meta.__eq__")
    __repr__ = _trap("Meta.__repr__")
    __instancecheck__ = _trap("Meta.__instancecheck__")
    __subclasscheck__ = _trap("Meta.__subclasscheck__")


def hostile(base: Any, *args: Any, does: str = "raises") -> Any:
    """An instance of a subclass of `base` all of whose methods are traps; it holds `args`."""
    made: Any = type(f"Hostile{base.__name__.title()}", (base,), _traps(does))
    value = base.__new__(made, *args)
    base.__init__(value, *args) if base.__init__ is not object.__init__ else None
    called.clear()
    return value


def hostile_object(fields: dict[str, Any], meta: bool = False, does: str = "raises") -> Any:
    """A plain object with these fields and nothing but traps."""
    made: Any = type.__new__(HostileMeta if meta else type, "HostileObject", (), _traps(does))
    value = object.__new__(made)
    object.__getattribute__(value, "__dict__").update(fields)
    called.clear()
    return value


def hostile_record(fields: list[Any], slots: bool, does: str = "raises") -> Any:
    """A dataclass with these fields, a default each, and nothing but traps."""
    names = [f"field{number}" for number in range(len(fields))]
    base = dataclasses.make_dataclass("Record", [(name, Any) for name in names], slots=slots)
    namespace = {**_traps(does), **({"__slots__": ()} if slots else {})}
    value = object.__new__(type("HostileRecord", (base,), namespace))
    for name, field in zip(names, fields, strict=True):
        object.__setattr__(value, name, field)
    called.clear()
    return value


class Liar:
    """Says it is a str, and has a property where its `__dict__` should be."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept = 1

    @property
    def __class__(self) -> Any:
        called.append("Liar.__class__")
        return str

    @property
    def __dict__(self) -> Any:
        called.append("Liar.__dict__")
        raise RuntimeError


plain_values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**700), max_value=10**700)
    | st.floats()
    | st.text(st.characters(), max_size=40)
    | st.text(st.characters(categories=["Cs", "Cc", "Lo"]), max_size=10)
    | st.binary(max_size=40)
    | st.decimals()
    | st.datetimes()
    | st.dates()
    | st.timedeltas()
    | st.uuids()
    | st.complex_numbers()
)


def _hostile_of(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(children, max_size=4)
    dicts = st.dictionaries(st.text(max_size=5), children, max_size=4)
    plain = st.frozensets(st.integers() | st.text(max_size=4), max_size=4)
    does = st.sampled_from(list(DEEDS))

    def made(base: type, given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.builds(lambda held, does: hostile(base, held, does=does), given, does)

    return (
        made(list, lists)
        | made(tuple, lists)
        | made(dict, dicts)
        | made(set, plain)
        | made(frozenset, plain)
        | made(collections.deque, lists)
        | made(bytes, st.binary(max_size=9))
        | made(bytearray, st.binary(max_size=9))
        | made(str, st.text(max_size=9))
        | made(int, st.integers())
        | made(float, st.floats())
        | st.builds(lambda fields, does: hostile_object(fields, does=does), dicts, does)
        # In a list, since hypothesis compares the class of what it draws.
        | st.builds(lambda fields, does: [hostile_object(fields, meta=True, does=does)], dicts, does)
        | st.builds(
            lambda fields, slots, does: hostile_record(fields, slots, does), lists, st.booleans(), does
        )
        | st.builds(lambda args, does: hostile(ValueError, *args, does=does), lists, does)
        | st.builds(Liar)
    )


straight_values = st.recursive(
    plain_values,
    lambda children: (
        st.lists(children, max_size=6)
        | st.lists(children, max_size=6).map(tuple)
        | st.lists(children, max_size=6).map(collections.deque)
        | st.dictionaries(st.text(max_size=8), children, max_size=6)
        | st.dictionaries(st.integers() | st.booleans() | st.none() | st.dates(), children, max_size=4)
        | st.frozensets(st.integers() | st.text(max_size=4), max_size=5)
        | _hostile_of(children)
    ),
    max_leaves=40,
)
"""Values in which nothing holds itself."""


@st.composite
def _tied(draw: st.DrawFn) -> Any:
    """A value with ways back: some of what is in it holds what holds it."""
    value = [draw(straight_values)]
    holders = [held for held in reached(value) if _adding(held) is not None]
    for _ in range(draw(st.integers(1, 3))):
        held, holder = (holders[draw(st.integers(0, len(holders) - 1))] for _ in range(2))
        add = _adding(holder)
        assert add is not None
        add(held)
    called.clear()
    return value


any_values = straight_values | _tied()


class Held:
    """A value that is shown by what is captured of it, as Hypothesis does with a failing example."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Held({snapshot(self.value, Limits()).root!r})"


@st.composite
def held(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Held:
    """Values that run no trap when a test fails."""
    return Held(draw(values))


def _adding(holder: Any) -> Callable[[Any], None] | None:
    """What puts one more value into `holder`, None where there is no room in it."""
    base = _base(holder)
    if base in (list, collections.deque):
        return lambda held: base.append(holder, held)
    is_ours = type.__dict__["__name__"].__get__(type(holder)).startswith("Hostile")
    fields = holder if base is dict else _fields(holder) if is_ours else None
    return None if fields is None else lambda held: dict.__setitem__(fields, "back", held)


_BASES = (list, tuple, dict, set, frozenset, collections.deque, bytearray)


def _mro(value: Any) -> tuple[type, ...]:
    found: tuple[type, ...] = type.__dict__["__mro__"].__get__(type(value))
    return found


def _base(value: Any) -> Any:
    # By identity: the metaclass of some has traps, too.
    return next((base for base in _BASES for found in _mro(value) if found is base), None)


def _fields(value: Any) -> dict[str, Any] | None:
    """What a plain object keeps in its `__dict__`."""
    if _base(value) is not None or type.__dict__["__dictoffset__"].__get__(type(value)) == 0:
        return None
    try:
        found = object.__getattribute__(value, "__dict__")
    except (AttributeError, RuntimeError):
        return None
    return found if type(found) is dict else None


def _slots(value: Any) -> list[Any]:
    spaces = [type.__dict__["__dict__"].__get__(kind) for kind in _mro(value)]
    members = [member for space in spaces if "__slots__" in space for member in space.values()]
    return [member.__get__(value) for member in members if type(member) is MemberDescriptorType]


def _entries(value: Any) -> list[Any]:
    """What `value` holds, in order, read past every method of its class."""
    base = _base(value)
    if base is bytearray:
        return list(bytearray.__iter__(value))
    if base is dict:
        return [entry for pair in dict.items(value) for entry in pair]
    if base is not None:
        return list(base.__iter__(value))
    fields = [entry for pair in (_fields(value) or {}).items() for entry in pair]
    is_exception = any(kind is BaseException for kind in _mro(value))
    return fields + (list(BaseException.__dict__["args"].__get__(value)) if is_exception else _slots(value))


def reached(value: Any) -> Iterator[Any]:
    """`value` and all that it holds, each object once."""
    seen: dict[int, Any] = {}
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if id(found) not in seen:
            seen[id(found)] = found
            yield found
            waiting += _entries(found)


def fingerprint(value: Any) -> list[tuple[int, list[int]]]:
    """Which objects `value` is made of, and which of them each of these holds: any change shows."""
    return [(id(found), [id(entry) for entry in _entries(found)]) for found in reached(value)]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=60,
)


def lines_run(act: Callable[[], object]) -> int:
    """How many lines of Python `act` runs: the same on every machine, however busy."""
    count = 0

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return local

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: local)
    try:
        act()
    finally:
        sys.settrace(before)
    return count

"""Values that no program should meet, and what the tests of `values` share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from hypothesis import strategies as st

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


def _trap(name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        called.append(name)
        raise RuntimeError(f"{name} was called")

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


def _traps() -> dict[str, Any]:
    namespace: dict[str, Any] = {name: _trap(name) for name in _TRAPPED}
    namespace["__class__"] = property(_trap("__class__"))
    namespace["secret_property"] = property(_trap("secret_property"))
    return namespace


class HostileMeta(type):
    """A metaclass whose classes must not be hashed, compared or asked for anything either."""

    __hash__ = _trap("Meta.__hash__")
    __eq__ = _trap("Meta.__eq__")
    __repr__ = _trap("Meta.__repr__")
    __instancecheck__ = _trap("Meta.__instancecheck__")
    __subclasscheck__ = _trap("Meta.__subclasscheck__")


def hostile(base: Any, *args: Any) -> Any:
    """An instance of a subclass of `base` all of whose methods are traps; it holds `args`."""
    made: Any = type(f"Hostile{base.__name__.title()}", (base,), _traps())
    value = base.__new__(made, *args)
    base.__init__(value, *args) if base.__init__ is not object.__init__ else None
    called.clear()
    return value


def hostile_object(fields: dict[str, Any], meta: bool = False) -> Any:
    """A plain object with these fields and nothing but traps."""
    made: Any = type.__new__(HostileMeta if meta else type, "HostileObject", (), _traps())
    value = object.__new__(made)
    object.__getattribute__(value, "__dict__").update(fields)
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
    return (
        lists.map(lambda items: hostile(list, items))
        | lists.map(lambda items: hostile(tuple, items))
        | dicts.map(lambda items: hostile(dict, items))
        | dicts.map(hostile_object)
        # In a list, since hypothesis compares the class of what it draws.
        | dicts.map(lambda fields: [hostile_object(fields, meta=True)])
        | st.text(max_size=9).map(lambda text: hostile(str, text))
        | st.integers().map(lambda number: hostile(int, number))
        | st.floats().map(lambda number: hostile(float, number))
        | lists.map(lambda items: hostile(ValueError, *items))
        | st.builds(Liar)
    )


any_values = st.recursive(
    plain_values,
    lambda children: (
        st.lists(children, max_size=6)
        | st.lists(children, max_size=6).map(tuple)
        | st.dictionaries(st.text(max_size=8), children, max_size=6)
        | st.dictionaries(st.integers() | st.booleans() | st.none() | st.dates(), children, max_size=4)
        | st.frozensets(st.integers() | st.text(max_size=4), max_size=5)
        | _hostile_of(children)
    ),
    max_leaves=40,
)

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

"""Values, nodes and exceptions that defend themselves: the tracer calls none of their methods."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pocketflow import Flow, Node

from .harness import compare, outlines, shown, tree
from .hostile import Carry, calls, defended, refusing, running


@dataclass
class Record:
    """A dataclass with a field that must not be read as an attribute."""

    name: str = "n"

    def __getattribute__(self, name: str) -> Any:
        calls.append(f"Record.{name}")
        raise RuntimeError(name)


class Meta(type):
    """A metaclass that refuses to tell anything."""

    __repr__ = refusing("Meta.__repr__")
    __instancecheck__ = refusing("Meta.__instancecheck__")
    __subclasscheck__ = refusing("Meta.__subclasscheck__")
    __eq__ = refusing("Meta.__eq__")
    __hash__ = type.__hash__


class Strange(metaclass=Meta):
    """Its class is hostile, and lies about what it is."""

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        calls.append("Strange.__class__")
        raise RuntimeError("__class__")


def stream() -> Iterator[int]:
    """An iterator that must not be advanced."""
    calls.append("advanced")
    yield 1


HOSTILE: dict[str, Callable[[], Any]] = {
    "object": lambda: defended(object, refusing),
    "dict": lambda: defended(dict, refusing),
    "list": lambda: defended(list, refusing),
    "tuple": lambda: defended(tuple, refusing),
    "set": lambda: defended(set, refusing),
    "str": lambda: defended(str, refusing),
    "int": lambda: defended(int, refusing),
    "float": lambda: defended(float, refusing),
    "bytes": lambda: defended(bytes, refusing),
    "dataclass": lambda: object.__new__(Record),
    "metaclass": Strange,
    "class": lambda: Strange,
    "generator": stream,
    "map": lambda: map(calls.append, ["advanced"]),
    "runs a flow": lambda: defended(object, running),
    "dict that runs a flow": lambda: defended(dict, running),
    "lock": threading.Lock,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_value_is_never_called_and_the_tree_is_the_same(kind: str) -> None:
    """In the store, as result of each phase, and inside other values."""

    def program(shared: Any) -> Any:
        value = HOSTILE[kind]()
        store = {"value": value}
        Flow(start=Carry()).run(store)
        return store["out"] is value and store["nested"]["list"][0] is value

    calls.clear()
    (trace,) = compare(program)
    assert calls == []
    assert shown(trace) == tree("""
        flow Flow ok
          node Carry ok
            prep ok
            exec ok
            post ok
    """)


def test_hostile_keys_of_the_store_are_never_hashed_or_compared() -> None:
    """Not by us; the dict itself hashes them when it is built."""

    class Key:
        armed = False

        def __hash__(self) -> int:
            assert not Key.armed
            return 1

        def __eq__(self, other: object) -> bool:
            assert not Key.armed
            return self is other

        def __repr__(self) -> str:
            calls.append("Key.__repr__")
            raise RuntimeError

    def program(shared: Any) -> Any:
        Key.armed = False
        store = {Key(): 1, Key(): {Key(): 2}}
        Key.armed = True
        Flow(start=Node()).run(store)
        return len(store)

    calls.clear()
    assert outlines(compare(program)) == ["flow Flow ok\n  node Node ok"]
    assert calls == []


def test_a_store_that_is_no_dict_is_carried_as_it_is() -> None:
    """PocketFlow does not ask what the shared store is."""

    class Keep(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            return "kept"

    def program(shared: Any) -> Any:
        Keep().run(defended(object, refusing))
        Keep().run(None)
        Keep().run(7)

    calls.clear()
    assert outlines(compare(program)) == ["node Keep ok -> kept\n  post ok"] * 3
    assert calls == []

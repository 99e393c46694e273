"""Values that write down who touches them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pocketflow import Flow, Node

calls: list[str] = []
"""The methods of hostile values that somebody called."""

DEFENDED = (
    "__repr__ __str__ __format__ __bytes__ __eq__ __ne__ __lt__ __hash__ __bool__ __len__ __iter__ __next__ "
    "__length_hint__ __contains__ __getitem__ __getattr__ __getattribute__ __dir__ __reduce__ __reduce_ex__ "
    "__getstate__ __copy__ __deepcopy__ __sizeof__ __int__ __float__ __index__ __call__ __enter__ __fspath__ "
    "__array__ __json__ keys values items copy dict model_dump"
).split()


def refusing(name: str) -> Callable[..., Any]:
    """A method that writes down that it was called, and raises."""

    def method(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        raise RuntimeError(f"{name} was called")

    return method


class Tree(Flow):
    """A flow that hostile values run when they are touched."""


def running(name: str) -> Callable[..., Any]:
    """A method that writes down that it was called, and runs a flow."""

    def method(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        Tree(start=Node()).run({})

    return method


def defended(base: type, make: Callable[[str], Any]) -> Any:
    """An instance of a subclass of `base` all of whose methods are made by `make`."""
    body = {name: make(name) for name in DEFENDED}
    body["field"] = property(make("field"))
    kind: Any = type(f"Hostile{base.__name__.title()}", (base,), body)
    return base.__new__(kind)


class Carry(Node):
    """Hands the value on through all phases."""

    def prep(self, shared: Any) -> Any:
        return shared["value"]

    def exec(self, prep_res: Any) -> Any:
        return prep_res

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["out"] = exec_res
        shared["nested"] = {"list": [exec_res]}

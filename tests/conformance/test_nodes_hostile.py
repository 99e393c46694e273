"""Nodes and exceptions that defend themselves: the same tree as with ordinary ones."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from pocketflow import BaseNode, Flow, Node

from pocketflow_tracing import Trace
from pocketflow_tracing.testing import capture_traces

from .harness import assert_well_formed, both, compare, shown, spans_of, tree
from .hostile import Carry, Tree, calls, refusing


class Ordinary(Node):
    """What all nodes below do."""

    def prep(self, shared: Any) -> Any:
        return 1

    def exec(self, prep_res: Any) -> Any:
        if self.cur_retry == 0:
            raise ValueError("first")
        return prep_res

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["ran"] = shared.get("ran", 0) + 1
        return "on"


class Unhashable(Ordinary):
    """Cannot be a key."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")


class Equal(Ordinary):
    """Equal to every other."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


class Slotted(Ordinary):
    """Keeps fields in slots as well."""

    __slots__ = ("field",)


class CopiesToItself(Ordinary):
    """PocketFlow's copy is the original."""

    def __copy__(self) -> Any:
        return self


class AnswersEverything(Ordinary):
    """Has any attribute that is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        calls.append(name)
        return lambda *args, **kwargs: None


class Silent(Ordinary):
    """Refuses to be shown."""

    def __repr__(self) -> str:
        calls.append("Silent.__repr__")
        raise RuntimeError


NODES = [Ordinary, Unhashable, Equal, Slotted, CopiesToItself, AnswersEverything, Silent]


@pytest.mark.parametrize("kind", NODES)
def test_a_strange_node_has_the_tree_of_an_ordinary_one(kind: Any) -> None:
    """Two of them, the second after the first."""

    def make() -> Flow:
        first = kind(max_retries=2)
        first - "on" >> kind(max_retries=2)
        return Flow(start=first)

    def program(shared: Any) -> Any:
        calls.clear()
        make().run(shared)
        return list(calls)

    (trace,) = compare(program)
    lines = shown(trace).splitlines()[1:]
    phases = tree("""
        prep ok
        exec error ValueError attempt=1 recovered
        exec ok attempt=2
        post ok
    """).splitlines()
    name = kind.__name__
    assert lines == [
        f"  node {name} ok -> on",
        *(f"    {phase}" for phase in phases),
        f"  node {name}#2 ok -> on",
        *(f"    {phase}" for phase in phases),
    ]


def test_a_node_of_length_zero_runs_by_hand_as_any_other() -> None:
    """In a flow PocketFlow takes it for no node at all, traced or not."""

    class Empty(Node):
        def __len__(self) -> int:
            return 0

        def exec(self, prep_res: Any) -> Any:
            return 1

    assert both(Empty) == "node Empty ok\n  exec ok"
    assert both(lambda: Flow(start=Empty())) == "flow Flow ok"


def test_one_node_that_copies_to_itself_may_run_inside_itself() -> None:
    """The same object has two open spans."""

    class Twice(CopiesToItself):
        def exec(self, prep_res: Any) -> Any:
            if not self.params.get("inside"):
                inner = Tree(start=self)
                inner.set_params({"inside": True})
                inner.run({})
                self.set_params({})

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            return None

    assert both(lambda: Flow(start=Twice())) == tree("""
        flow Flow ok
          node Twice ok
            prep ok
            exec ok
              flow Tree ok
                node Twice ok
                  prep ok
                  exec ok
                  post ok
            post ok
    """)


class Duck:
    """No BaseNode, but all that a flow asks of one."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.successors: dict[str, Any] = {}

    def set_params(self, params: Any) -> None:
        self.params = params

    def prep(self, shared: Any) -> Any:
        return 1

    def exec(self, prep_res: Any) -> Any:
        return prep_res + 1

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["duck"] = exec_res
        return "on"

    def _exec(self, prep_res: Any) -> Any:
        return self.exec(prep_res)

    def _run(self, shared: Any) -> Any:
        prep_res = self.prep(shared)
        exec_res = self._exec(prep_res)
        return self.post(shared, prep_res, exec_res)


def test_a_duck_typed_node_has_the_tree_of_an_ordinary_one() -> None:
    """PocketFlow runs it, so it is a node."""

    def make() -> Flow:
        duck = Duck()
        duck.successors["on"] = Carry()
        return Flow(start=duck)

    assert both(make, {"value": 1}) == tree("""
        flow Flow ok
          node Duck ok -> on
            prep ok
            exec ok
            post ok
          node Carry ok
            prep ok
            exec ok
            post ok
    """)


class Unprintable(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Unpicklable(Exception):
    """Holds a lock, and needs two arguments."""

    def __init__(self, one: Any, two: Any) -> None:
        super().__init__("locked")
        self.lock = threading.Lock()


class Stop(BaseException):
    """Not an Exception."""


class Awkward(Exception):
    """Compares and hashes badly, has notes that are none."""

    __eq__ = refusing("Awkward.__eq__")  # type: ignore[assignment]
    __hash__ = refusing("Awkward.__hash__")  # type: ignore[assignment]
    __bool__ = refusing("Awkward.__bool__")
    __notes__ = 7  # type: ignore[assignment]


ERRORS: dict[str, tuple[Callable[[], BaseException], str]] = {
    "unprintable": (Unprintable, "<unprintable Unprintable>"),
    "unpicklable": (lambda: Unpicklable(1, 2), "locked"),
    "base exception": (lambda: Stop("now"), "now"),
    "awkward": (lambda: Awkward("text"), "text"),
}


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("step", ["prep", "exec", "post"])
def test_a_strange_exception_is_an_error_and_passes_on_unchanged(kind: str, step: str) -> None:
    """The caller is given the very object that was raised, with its own traceback."""
    error = ERRORS[kind][0]()

    def fail(self: Any, *args: Any) -> Any:
        raise error

    node = type("Raises", (BaseNode,), {step: fail})()
    with capture_traces() as traces:
        try:
            Flow(start=node).run({})
        except BaseException as raised:
            assert raised is error
    (trace,) = traces
    name = type(error).__name__
    assert_well_formed(trace)
    assert shown(trace) == tree(f"""
        flow Flow error {name}
          node Raises error {name}
            {step} error {name}
    """)
    assert messages(trace, step) == [ERRORS[kind][1]]


def messages(trace: Trace, kind: str) -> list[str]:
    """The messages of the errors of the spans of one kind."""
    return [span.error.message for span in spans_of(trace, kind)]


class Strict(type):
    """Has classes that cannot be hashed."""

    def __eq__(cls, other: object) -> bool:
        return cls is other


class Unhashable(metaclass=Strict):
    pass


class Slotted:
    """Runs as PocketFlow's nodes do, and has no dictionary and no weak references."""

    __slots__ = ("params", "successors")

    set_params = BaseNode.set_params
    _run = BaseNode._run
    _exec = BaseNode._exec

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.successors: dict[str, Any] = {}

    def prep(self, shared: Any) -> Any:
        return Unhashable()

    def exec(self, prep_res: Any) -> Any:
        return 2

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["ran"] = shared.get("ran", 0) + exec_res


def test_a_node_without_a_dictionary_that_passes_on_what_cannot_be_hashed() -> None:
    """Borrowed drivers are watched as they are where they belong; no class is ever hashed."""

    class Same(Node):
        prep, exec, post = Slotted.prep, Slotted.exec, Slotted.post

    for _ in range(2):  # the second time, the classes are known
        first = Same()
        _ = first >> Slotted()
        assert both(lambda first=first: Flow(start=first)) == tree("""
            flow Flow ok
              node Same ok
                prep ok
                exec ok
                post ok
              node Slotted ok
                prep ok
                exec ok
                post ok
        """)

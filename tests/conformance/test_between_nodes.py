"""What runs between two nodes and changes the store: the next node's input shows it, and is not blamed."""

from __future__ import annotations

import copyreg
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pocketflow import Flow, Node

from pocketflow_tracing import SpanKind
from pocketflow_tracing.testing import capture_traces
from pocketflow_tracing.visiting import SMALL_BYTES

from .harness import FLOWS_RETURN_ACTIONS, compare, start_of

pytestmark = pytest.mark.skipif(
    not FLOWS_RETURN_ACTIONS, reason="PocketFlow 0.0.1 keeps its wiring elsewhere"
)

stores: list[dict[str, Any]] = []
"""The store of the run under way, for what is not given it."""


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    """Finalisers run where references end, and nowhere else."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    stores.clear()


class First(Node):
    def prep(self, shared: Any) -> Any:
        return "given"

    def exec(self, prep_res: Any) -> Any:
        return "found"

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["first"] = exec_res
        return "default"


class Second(Node):
    def prep(self, shared: Any) -> Any:
        return None

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["second"] = 2


def meddle(*_: Any) -> None:
    """Change the store of the run under way."""
    if stores:
        stores[-1]["between"] = True


class Meddles:
    """Changes the store as it goes."""

    def __del__(self) -> None:
        meddle()


class Falsy:
    def __bool__(self) -> bool:
        meddle()
        return False


class Hashed(str):
    __slots__ = ()

    def __hash__(self) -> int:
        meddle()
        return str.__hash__(self)


class Wired(dict[Any, Any]):
    def get(self, *key: Any) -> Any:
        meddle()
        return dict.get(self, *key)


class GivenItsParams(Second):
    def set_params(self, params: Any) -> None:
        meddle()
        super().set_params(params)


class ParamsOfItsOwn(Second):
    @property
    def params(self) -> Any:
        return vars(self)["params"]

    @params.setter
    def params(self, value: Any) -> None:
        meddle()
        vars(self)["params"] = value


class Registered(Second):
    pass


def _reduced(node: Any) -> Any:
    meddle()
    return copyreg.__newobj__, (type(node),), vars(node)  # type: ignore[attr-defined]


copyreg.pickle(Registered, _reduced)  # type: ignore[arg-type]


def _copied(hook: str, answer: Callable[..., Any]) -> Callable[[], Flow]:
    def method(self: Any, *arguments: Any) -> Any:
        meddle()
        return answer(self, *arguments)

    kind = type("Copied", (Second,), {hook: method})
    return lambda: _flow(First(), kind())


def _copy(node: Any) -> Any:
    made = object.__new__(type(node))
    vars(made).update(vars(node))
    return made


def _flow(first: Any, second: Any) -> Flow:
    first >> second
    return Flow(start=first)


def _first(**phases: Any) -> Callable[[], Flow]:
    kind = type("First", (First,), phases)
    return lambda: _flow(kind(), Second())


def _with(change: Callable[[Any, Any, Any], None]) -> Callable[[], Flow]:
    def make() -> Flow:
        first, second = First(), Second()
        flow = _flow(first, second)
        change(flow, first, second)
        return flow

    return make


def _next_by_hand(flow: Any) -> Any:
    def get_next_node(node: Any, action: Any) -> Any:
        meddle()
        return node.successors.get(action or "default")

    flow.get_next_node = get_next_node


class Chooses(Flow):
    def get_next_node(self, curr: Any, action: Any) -> Any:
        found = super().get_next_node(curr, action)
        meddle()
        return found


class Watched(First):
    def prep(self, shared: Any) -> Any:
        weakref.finalize(self, meddle)


def _keep(node: Any, name: str, value: Any) -> None:
    vars(node)[name] = value


def _put(held: dict[str, Any]) -> None:
    held["late"] = Meddles()


HOOKS: dict[str, Callable[[], Flow]] = {
    "set_params of the class": lambda: _flow(First(), GivenItsParams()),
    "set_params of the instance": _with(lambda flow, first, second: setattr(second, "set_params", meddle)),
    "params a property": lambda: _flow(First(), ParamsOfItsOwn()),
    "get_next_node of the class": lambda: Chooses(start=start_of(_flow(First(), Second()))),
    "get_next_node of the instance": _with(lambda flow, first, second: _next_by_hand(flow)),
    "successors": _with(lambda flow, first, second: setattr(first, "successors", Wired(first.successors))),
    "the truth of the action": _first(post=lambda self, shared, prep_res, exec_res: Falsy()),
    "the hash of the action": _first(post=lambda self, shared, prep_res, exec_res: Hashed("default")),
    "__copy__": _copied("__copy__", _copy),
    "__reduce_ex__": _copied("__reduce_ex__", lambda node, version: object.__reduce_ex__(node, version)),
    "__getnewargs__": _copied("__getnewargs__", lambda node: ()),
    "__getnewargs_ex__": _copied("__getnewargs_ex__", lambda node: ((), {})),
    "__getstate__": _copied("__getstate__", lambda node: vars(node)),
    "__setstate__": _copied("__setstate__", lambda node, state: vars(node).update(state)),
    "copyreg": lambda: _flow(First(), Registered()),
    "a finaliser of what prep returned": _first(prep=lambda self, shared: Meddles()),
    "a finaliser in what exec returned": _first(
        exec=lambda self, prep_res: [Meddles()], post=lambda self, shared, prep_res, exec_res: None
    ),
    "a finaliser of a field": _first(prep=lambda self, shared: setattr(self, "field", Meddles())),
    "a finaliser that exec puts into what prep returned": _first(
        prep=lambda self, shared: {"given": 1}, exec=lambda self, prep_res: _put(prep_res)
    ),
    "a finaliser that post puts into what prep returned": _first(
        prep=lambda self, shared: {"given": 1},
        exec=lambda self, prep_res: None,
        post=lambda self, shared, prep_res, exec_res: _put(prep_res),
    ),
    "a finaliser that post puts into what exec returned": _first(
        exec=lambda self, prep_res: {"found": 1},
        post=lambda self, shared, prep_res, exec_res: _put(exec_res),
    ),
    "a finaliser in params of its own": _first(
        prep=lambda self, shared: _keep(self, "params", {"late": Meddles()})
    ),
    "a finaliser in successors of its own": _first(
        prep=lambda self, shared: _keep(self, "successors", {**self.successors, "late": Meddles()})
    ),
    "a finaliser in a field of PocketFlow's": _first(
        post=lambda self, shared, prep_res, exec_res: _keep(self, "wait", Meddles())
    ),
    "a finaliser of the node": lambda: _flow(Watched(), Second()),
}


@pytest.mark.parametrize("letters", [1, 2 * SMALL_BYTES], ids=["small", "big"])
@pytest.mark.parametrize("hook", HOOKS)
def test_what_runs_between_nodes_is_seen_by_the_next_and_is_not_its_change(hook: str, letters: int) -> None:
    """In the second run too, when every class is known; a small store is looked at in any case."""
    flow = HOOKS[hook]()
    first = type(start_of(flow)).__name__
    for _ in range(2):
        stores.append({"question": "?" * letters})
        with capture_traces() as traces:
            flow.run(stores[-1])

        [trace] = traces
        second = next(span for span in trace.spans if span.kind is SpanKind.NODE and span.name != first)
        assert stores[-1]["between"]
        assert second.input == {"shared": {key: stores[-1][key] for key in stores[-1] if key != "second"}}
        assert second.changes == {"added": {"second": 2}, "changed": {}, "removed": {}}


def test_a_node_lives_no_longer_than_untraced() -> None:
    """Its copy goes when the next one comes, with all it holds, and so do flows and originals."""

    class Held:
        pass

    class Holds(First):
        def prep(self, shared: Any) -> Any:
            self.held = Held()
            weakref.finalize(self, shared["log"].append, "copy ended")
            weakref.finalize(self.held, shared["log"].append, "field ended")

    class Logs(Node):
        def prep(self, shared: Any) -> Any:
            shared["log"].append("next prep")

        def exec(self, prep_res: Any) -> Any:
            raise ValueError("no")

    def program(shared: Any) -> Any:
        inner = Flow(start=Holds())
        flow = _flow(inner, Logs())
        for node, name in ((inner, "inner"), (start_of(inner), "original"), (flow, "flow")):
            weakref.finalize(node, shared["log"].append, f"{name} ended")
        del node, inner
        try:
            flow.run(shared)
        except ValueError:
            shared["log"].append("failed")
        del flow
        return list(shared["log"])

    for _ in range(2):
        compare(program, lambda: {"log": []})

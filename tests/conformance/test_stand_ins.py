"""Methods of PocketFlow's that stand in for one another, and contexts that are left on the way."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any

from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from .harness import both, compare, shown, spans_of, tree


class Work(Node):
    """Three phases that leave a mark."""

    def prep(self, shared: Any) -> Any:
        return shared.setdefault("log", [])

    def exec(self, prep_res: Any) -> Any:
        return 1

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["log"].append(exec_res)


class Failing(Node):
    """Never works."""

    def exec(self, prep_res: Any) -> Any:
        raise ValueError("never")


def test_another_nodes_exec_machinery_as_an_exec_is_one_span() -> None:
    """`node.exec = other._exec`: what the other node does is part of that one phase."""

    def make() -> Any:
        node = Work()
        node.exec = Work()._exec
        return Flow(start=node)

    assert both(make) == tree("""
        flow Flow ok
          node Work ok
            prep ok
            exec ok
            post ok
    """)


def test_another_nodes_exec_machinery_fails_as_the_attempts_it_stands_in_for() -> None:
    """The attempts of the other node are its own; each call of it is one attempt here."""

    def run(shared: Any) -> Any:
        node = Work(max_retries=2)
        node.exec = Failing(max_retries=3)._exec
        return Flow(start=node).run(shared)

    (trace,) = compare(run)
    assert shown(trace) == tree("""
        flow Flow error ValueError
          node Work error ValueError
            prep ok
            exec error ValueError attempt=1 recovered
            exec error ValueError attempt=2
    """)


def test_another_nodes_exec_machinery_as_a_prep_is_that_prep() -> None:
    """`node.prep = other._exec` is called where the node's own `_exec` is not meant."""

    def make() -> Any:
        node = Node()
        node.prep = Work()._exec
        node.exec = lambda prep_res: prep_res
        return Flow(start=node)

    assert both(make) == tree("""
        flow Flow ok
          node Node ok
            prep ok
            exec ok
    """)


def test_a_run_that_has_another_node_do_the_phases_shows_them_all() -> None:
    """They are the phases of this run, whichever object they are called on."""

    class Delegating(Node):
        def _run(self, shared: Any) -> Any:
            other = Work()
            prepared = other.prep(shared)
            worked = other._exec(prepared)
            return other.post(shared, prepared, worked)

    assert both(lambda: Flow(start=Delegating())) == tree("""
        flow Flow ok
          node Delegating ok
            prep ok
            exec ok
            post ok
    """)


def test_what_runs_after_a_second_round_inside_exec_is_still_beneath_that_exec() -> None:
    """An exec that calls its own `_exec`, and a flow after it: both happened during the first exec."""

    class Inner(Node):
        def exec(self, prep_res: Any) -> Any:
            return 2

    class Again(Node):
        def exec(self, prep_res: Any) -> Any:
            if prep_res is None:
                self._exec(1)
                Inner().run({})
            return prep_res

    assert both(lambda: Flow(start=Again())) == tree("""
        flow Flow ok
          node Again ok
            exec ok
              node Inner ok
                exec ok
            exec ok
    """)


def test_phases_run_in_an_empty_context_are_still_their_nodes() -> None:
    """The run above is traced, so the node itself says which step it is, as in a thread."""

    class Elsewhere(Work):
        def _exec(self, prep_res: Any) -> Any:
            return Context().run(super()._exec, prep_res)

    assert both(lambda: Flow(start=Elsewhere())) == tree("""
        flow Flow ok
          node Elsewhere ok
            prep ok
            exec ok
            post ok
    """)


def test_a_plain_def_that_hands_on_the_coroutine_of_super_is_no_run_of_its_own() -> None:
    """The node runs when that coroutine does, and is there once."""

    class HandsOn(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            return 1

        def _run_async(self, shared: Any) -> Any:
            return super()._run_async(shared)

    class Limited(HandsOn):
        def _run_async(self, shared: Any) -> Any:
            return asyncio.wait_for(super()._run_async(shared), 5)

    class HandsOnTheWalk(AsyncFlow):
        def _orch_async(self, shared: Any, params: Any = None) -> Any:
            return super()._orch_async(shared, params)

    def make() -> Any:
        first = HandsOn()
        first >> Limited()
        return HandsOnTheWalk(start=first)

    assert both(make) == tree("""
        flow HandsOnTheWalk ok
          node HandsOn ok
            exec ok
          node Limited ok
            exec ok
    """)


class Named(type):
    """A metaclass whose classes count who asks for their name, or compares them."""

    asked = 0

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        Named.asked += 1
        raise RuntimeError("asked for its name")

    def __eq__(cls, other: object) -> bool:
        Named.asked += 1
        return cls is other

    __hash__ = type.__hash__


class Odd(metaclass=Named):
    """No text, though an action may be anything."""


class OddNode(Node, metaclass=Named):
    """A node of such a class."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        return shared["action"]


def test_no_code_of_a_metaclass_runs_for_an_action_or_a_node() -> None:
    """Actions may be objects; their classes are named without asking them."""

    def run(shared: Any) -> None:
        Named.asked = 0
        first, last = OddNode(), Node()
        first.successors[shared["action"]] = last
        try:
            Flow(start=first).run(shared)
        finally:
            shared["asked"] = Named.asked

    action = Odd()
    (trace,) = compare(run, lambda: {"action": action})
    assert shown(trace) == tree("""
        flow Flow ok
          node OddNode ok -> Odd
            post ok
          node Node ok
    """)


def test_what_a_property_runs_before_prep_is_beneath_its_node() -> None:
    """The node runs from where PocketFlow begins it, whatever reading its prep does."""

    class Prepared(Node):
        @property
        def prep(self) -> Any:
            Work().run({})
            return lambda shared: 1

    assert both(lambda: Flow(start=Prepared())) == tree("""
        flow Flow ok
          node Prepared ok
            node Work ok
              prep ok
              exec ok
              post ok
            prep ok
    """)


def test_what_a_setter_changes_between_prep_and_exec_shows_in_what_exec_was_given() -> None:
    """PocketFlow sets `cur_retry` in between, and a node may make something of that."""

    class Changing(Node):
        def prep(self, shared: Any) -> Any:
            self.items = ["prepared"]
            return self.items

        def __setattr__(self, name: str, value: Any) -> None:
            if name == "cur_retry":
                self.items.append("changed")
            object.__setattr__(self, name, value)

        def exec(self, prep_res: Any) -> Any:
            return len(prep_res)

    (trace,) = compare(lambda shared: Flow(start=Changing()).run(shared))
    (exec_span,) = spans_of(trace, "exec")
    assert exec_span.input == {"prep_res": ["prepared", "changed"]}

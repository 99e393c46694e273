"""What a run leaves: flows in flows, visits, warnings, runs by hand, inputs and outputs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pocketflow import AsyncNode, BaseNode, BatchNode, Flow, Node

from pocketflow_tracing import Span

from .harness import arrow, both, compare, outlines, run_flow, shown, tree


class Base(Node):
    """A node whose exec is meant to be extended."""

    def exec(self, prep_res: Any) -> Any:
        return 1


class Extended(Base):
    """Calls the exec it overrides."""

    def exec(self, prep_res: Any) -> Any:
        return super().exec(prep_res) + 1

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["out"] = exec_res


class Countdown(Node):
    """Calls its own exec again."""

    def prep(self, shared: Any) -> Any:
        return 5

    def exec(self, prep_res: Any) -> Any:
        return prep_res and self.exec(prep_res - 1)


def test_inherited_phases_belong_to_the_class_that_runs() -> None:
    """The span is named by the node's class, wherever the method was written."""

    class Child(Extended):
        pass

    (trace,) = compare(lambda shared: Flow(start=Child()).run(shared))
    assert [span.name for span in trace.spans] == ["Flow", "Child", "Child.exec", "Child.post"]


def test_phases_that_the_class_does_not_define_leave_no_span() -> None:
    """PocketFlow's empty defaults are not steps of the user's."""

    class Nothing(Node):
        pass

    class Plain(BaseNode):
        pass

    def make() -> Flow:
        first = Nothing()
        first >> Plain()
        return Flow(start=first)

    assert both(make) == tree("""
        flow Flow ok
          node Nothing ok
          node Plain ok
    """)


def test_a_flows_own_prep_and_post_are_phases() -> None:
    """They stand beside its nodes."""

    class Whole(Flow):
        def prep(self, shared: Any) -> Any:
            return 1

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            return "end"

    assert both(lambda: Whole(start=Extended())) == tree("""
        flow Whole ok -> end
          prep ok
          node Extended ok
            exec ok
            post ok
          post ok
    """)


def test_a_nested_flow_is_a_node_of_its_parent() -> None:
    """Its kind is flow; what its last node returned is its action, since PocketFlow 0.0.2."""

    class Inner(Flow):
        pass

    class Choose(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            return "left"

    class Last(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["last"] = True

    def make() -> Flow:
        inner = Inner(start=Choose())
        last = Last()
        inner - "left" >> last
        inner >> last
        return Flow(start=inner)

    assert both(make) == tree(f"""
        flow Flow ok
          flow Inner ok{arrow("left")}
            node Choose ok -> left
              post ok
          node Last ok
            post ok
    """)


class Loop(Node):
    """Comes back twice, then goes on."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] = shared.get("n", 0) + 1
        return "again" if shared["n"] < 3 else None


def test_a_node_that_runs_again_counts_its_visits() -> None:
    """Each step runs a fresh copy; the visits go by the original."""

    def make() -> Flow:
        loop = Loop()
        loop - "again" >> loop
        return Flow(start=loop)

    with pytest.warns(UserWarning, match="Flow ends"):
        make().run({})
    (trace,) = compare(lambda shared: run_flow(make(), shared))
    assert shown(trace) == tree("""
        flow Flow ok
          node Loop ok -> again
            post ok
          node Loop ok -> again visit=2
            post ok
          node Loop ok visit=3
            post ok
    """)
    assert trace.spans[0].attributes["warnings"] == ["Flow ends: 'None' not found in ['again']"]


def test_two_instances_of_a_class_are_two_nodes() -> None:
    """The second has a key of its own, by first appearance."""

    def make() -> Flow:
        first, second, third = Extended(), Extended(), Extended()
        first >> second >> third
        return Flow(start=first)

    assert both(make) == tree("""
        flow Flow ok
          node Extended ok
            exec ok
            post ok
          node Extended#2 ok
            exec ok
            post ok
          node Extended#3 ok
            exec ok
            post ok
    """)


@pytest.mark.parametrize("entry", ["run", "_run"])
def test_a_node_run_by_hand_is_a_trace_of_kind_node(entry: str) -> None:
    """Each outermost call is one trace."""

    def program(shared: Any) -> Any:
        return [getattr(Extended(), entry)(shared), getattr(Countdown(), entry)(shared)]

    assert outlines(compare(program)) == [
        tree("""
            node Countdown ok
              prep ok
              exec ok
        """),
        tree("""
            node Extended ok
              exec ok
              post ok
        """),
    ]


@pytest.mark.parametrize("entry", ["run_async", "_run_async"])
def test_an_async_node_run_by_hand_is_a_trace_of_kind_node(entry: str) -> None:
    """The same for coroutines."""

    class Answer(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            await asyncio.sleep(0)
            return 42

        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            return "done"

    assert both(Answer, run=lambda node, shared: getattr(node, entry)(shared)) == tree("""
        node Answer ok -> done
          exec ok
          post ok
    """)


def test_a_batch_node_run_by_hand_keeps_its_items() -> None:
    """Items are numbered as in a flow."""

    class Squares(BatchNode):
        def prep(self, shared: Any) -> Any:
            return [1, 2]

        def exec(self, prep_res: Any) -> Any:
            return prep_res**2

    assert both(Squares) == tree("""
        node Squares ok
          prep ok
          exec ok item=0
          exec ok item=1
    """)


def test_a_phase_called_by_hand_is_no_run() -> None:
    """Without a run there is no trace to put a phase into."""
    assert compare(lambda shared: Extended().exec(None)) == []


def test_a_span_has_what_went_in_and_what_came_out() -> None:
    """exec is given prep's result, post both results and the store."""

    class Add(Node):
        def prep(self, shared: Any) -> Any:
            return shared["n"]

        def exec(self, prep_res: Any) -> Any:
            return prep_res + 1

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["n"] = exec_res
            return "next"

    (trace,) = compare(lambda shared: Flow(start=Add()).run(shared), {"n": 1})
    by_kind: dict[str, Span] = {span.kind.value: span for span in trace.spans}
    assert by_kind["prep"].input == {"shared": {"n": 1}}
    assert by_kind["prep"].output == 1
    assert by_kind["exec"].input == {"prep_res": 1}
    assert by_kind["exec"].output == 2
    assert by_kind["post"].input == {"shared": {"n": 1}, "prep_res": 1, "exec_res": 2}
    assert by_kind["post"].output == "next"
    assert by_kind["flow"].input == {"shared": {"n": 1}}
    result = "next" if arrow("next") else None
    assert by_kind["flow"].output == {"result": result, "shared": {"n": 2}}


def test_every_attempt_shows_what_it_was_given() -> None:
    """An attempt that changes its input before it fails leaves that change to the next one."""

    class Grow(Node):
        def prep(self, shared: Any) -> Any:
            return [1]

        def exec(self, prep_res: Any) -> Any:
            prep_res.append(2)
            if len(prep_res) < 3:
                raise ValueError("too short")
            return prep_res

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            pass

    (trace,) = compare(lambda shared: Grow(max_retries=2).run(shared))
    attempts = [span for span in trace.spans if span.kind.value == "exec"]
    assert [span.input for span in attempts] == [{"prep_res": [1]}, {"prep_res": [1, 2]}]
    assert attempts[-1].output == [1, 2, 2]
    assert trace.spans[-1].input == {"shared": {}, "prep_res": [1, 2, 2], "exec_res": [1, 2, 2]}


def test_what_an_override_changes_between_the_phases_is_seen() -> None:
    """Before prep, between prep and exec, between exec and post, and after post."""

    class Between(Node):
        def _run(self, shared: Any) -> Any:
            shared["before"] = 1
            action = super()._run(shared)  # type: ignore[no-untyped-call]
            shared["after"] = 1
            return action

        def prep(self, shared: Any) -> Any:
            return ["prep"]

        def _exec(self, prep_res: Any) -> Any:
            prep_res.append("more")
            result = super()._exec(prep_res)  # type: ignore[no-untyped-call]
            result.append("most")
            return result

        def exec(self, prep_res: Any) -> Any:
            return [*prep_res, "exec"]

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["post"] = 1

    (trace,) = compare(lambda shared: Between().run(shared))
    by_kind: dict[str, Span] = {span.kind.value: span for span in trace.spans}
    assert by_kind["prep"].input == {"shared": {"before": 1}}
    assert by_kind["prep"].output == ["prep"]
    assert by_kind["exec"].input == {"prep_res": ["prep", "more"]}
    assert by_kind["exec"].output == ["prep", "more", "exec"]
    assert by_kind["post"].input == {
        "shared": {"before": 1},
        "prep_res": ["prep", "more"],
        "exec_res": ["prep", "more", "exec", "most"],
    }
    assert by_kind["post"].changes["added"] == {"post": 1}
    assert by_kind["node"].output == {"result": None, "shared": {"before": 1, "post": 1, "after": 1}}
    assert by_kind["node"].changes["added"] == {"before": 1, "post": 1, "after": 1}


def test_the_changes_of_post_hold_those_of_a_flow_that_it_runs() -> None:
    """They began before that flow did."""

    class Inner(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            shared["inner"] = 1

    class Outer(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            Flow(start=Inner()).run(shared)
            shared["outer"] = 1

    (trace,) = compare(lambda shared: Outer().run(shared))
    changes = {span.name: span.changes["added"] for span in trace.spans if span.changes}
    assert changes["Outer.post"] == changes["Outer"] == {"inner": 1, "outer": 1}
    assert changes["Inner.post"] == {"inner": 1}

"""Errors: on which levels they show, who is blamed for them, and that they pass on unchanged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pocketflow import AsyncFlow, AsyncNode, BaseNode, Flow, Node

from .harness import FLOWS_RETURN_ACTIONS, both, compare, outlines, shown, spans_of, tree


class Failing(Node):
    """Raises what its params say, in the phase they say."""

    def __init__(self, phase: str, error: BaseException) -> None:
        super().__init__()
        self.phase, self.error = phase, error

    def step(self, phase: str) -> None:
        """Raise when this is the phase."""
        if phase == self.phase:
            raise self.error

    def prep(self, shared: Any) -> Any:
        self.step("prep")

    def exec(self, prep_res: Any) -> Any:
        self.step("exec")

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        self.step("post")


class AsyncFailing(AsyncNode):
    """The same in coroutines."""

    def __init__(self, phase: str, error: BaseException) -> None:
        super().__init__()
        self.phase, self.error = phase, error

    async def step(self, phase: str) -> None:
        """Raise when this is the phase."""
        await asyncio.sleep(0)
        if phase == self.phase:
            raise self.error

    async def prep_async(self, shared: Any) -> Any:
        await self.step("prep")

    async def exec_async(self, prep_res: Any) -> Any:
        await self.step("exec")

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        await self.step("post")


PHASES = ["prep", "exec", "post"]


def lines(phase: str, error: str) -> str:
    """The phases up to the one that failed."""
    before = "".join(f"\n    {name} ok" for name in PHASES[: PHASES.index(phase)])
    return f"{before}\n    {phase} error {error}"


@pytest.mark.parametrize("phase", PHASES)
def test_an_error_shows_on_every_level_it_passes(phase: str) -> None:
    """Phase, node and flow."""
    assert both(lambda: Flow(start=Failing(phase, ValueError("no")))) == (
        "flow Flow error ValueError\n  node Failing error ValueError" + lines(phase, "ValueError")
    )


@pytest.mark.parametrize("phase", PHASES)
def test_an_error_in_a_coroutine_shows_on_every_level_it_passes(phase: str) -> None:
    """The same on an event loop."""
    assert both(lambda: AsyncFlow(start=AsyncFailing(phase, ValueError("no")))) == (
        "flow AsyncFlow error ValueError\n  node AsyncFailing error ValueError" + lines(phase, "ValueError")
    )


def test_the_stack_trace_is_kept_once_where_it_was_raised() -> None:
    """The levels above name the span that has it."""

    class Inner(Flow):
        pass

    (trace,) = compare(lambda shared: Flow(start=Inner(start=Failing("exec", ValueError("no")))).run(shared))
    assert shown(trace) == tree("""
        flow Flow error ValueError
          flow Inner error ValueError
            node Failing error ValueError
              prep ok
              exec error ValueError
    """)
    (failed,) = spans_of(trace, "exec")
    assert failed.error.message == "no"
    assert "in step" in failed.error.stacktrace
    above = [span.error for span in spans_of(trace, "flow", "node")]
    assert [error.stacktrace for error in above] == ["", "", ""]
    assert {error.raised_in for error in above} == {failed.span_id}
    assert {error.message for error in above} == {"no"}


def test_an_error_in_a_flows_own_prep_or_post_is_the_flows() -> None:
    """Its nodes did nothing wrong."""

    class Sour(Flow):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            raise KeyError("post")

    assert both(lambda: Sour(start=Failing("none", ValueError()))) == tree("""
        flow Sour error KeyError
          node Failing ok
            prep ok
            exec ok
            post ok
          post error KeyError
    """)


class Inner(Flow):
    """A flow that is run by hand."""


class Guarded(Node):
    """Runs a flow that fails and goes on."""

    def exec(self, prep_res: Any) -> Any:
        try:
            Inner(start=Failing("exec", ValueError("inner"))).run({})
        except ValueError:
            return "saved"

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["out"] = exec_res


def test_an_inner_flows_error_that_was_caught_stays_inside() -> None:
    """The inner flow failed, the outer one did not."""
    assert both(lambda: Flow(start=Guarded())) == tree("""
        flow Flow ok
          node Guarded ok
            exec ok
              flow Inner error ValueError
                node Failing error ValueError
                  prep ok
                  exec error ValueError
            post ok
    """)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("kind", [Failing, AsyncFailing])
def test_an_interrupt_or_exit_is_an_error_and_passes_on(error: Any, kind: Any) -> None:
    """It is neither retried nor swallowed."""
    flow = AsyncFlow if kind is AsyncFailing else Flow
    name = error.__name__

    def make() -> Any:
        return flow(start=kind("exec", error("stop")))

    assert both(make) == tree(f"""
        flow {flow.__name__} error {name}
          node {kind.__name__} error {name}
            prep ok
            exec error {name}
    """)


class Quiet(Node):
    """Does its work and raises nothing."""

    def exec(self, prep_res: Any) -> Any:
        return 1


class Rescue(Node):
    """Runs flows while an exception of its own is being handled."""

    def exec(self, prep_res: Any) -> Any:
        try:
            raise ValueError("outer")
        except ValueError:
            return Inner(start=Quiet()).run({})


def test_a_flow_run_inside_except_is_not_blamed_for_the_exception() -> None:
    """The exception being handled is live all the while and belongs to somebody else."""
    assert both(lambda: Flow(start=Rescue())) == tree("""
        flow Flow ok
          node Rescue ok
            exec ok
              flow Inner ok
                node Quiet ok
                  exec ok
    """)


def test_a_fallback_that_runs_a_flow_is_not_blamed_for_the_attempt() -> None:
    """PocketFlow calls the fallback inside its own except."""

    class Plan(Node):
        def exec(self, prep_res: Any) -> Any:
            raise ValueError("failed")

        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            return Inner(start=Quiet()).run({})

    assert both(lambda: Flow(start=Plan())) == tree("""
        flow Flow ok
          node Plan ok
            exec error ValueError attempt=1 recovered
            fallback ok
              flow Inner ok
                node Quiet ok
                  exec ok
    """)


def test_an_async_flow_run_inside_except_is_not_blamed_for_the_exception() -> None:
    """A coroutine keeps the exception it handles across its awaits."""

    class AsyncQuiet(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            await asyncio.sleep(0)

    class AsyncRescue(AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any:
            try:
                raise ValueError("outer")
            except ValueError:
                await AsyncFlow(start=AsyncQuiet()).run_async({})

    assert both(lambda: AsyncFlow(start=AsyncRescue())) == tree("""
        flow AsyncFlow ok
          node AsyncRescue ok
            exec ok
              flow AsyncFlow ok
                node AsyncQuiet ok
                  exec ok
    """)


def test_a_whole_run_inside_except_is_not_blamed_for_the_exception() -> None:
    """The program may handle an error by running a flow."""

    def program(shared: Any) -> Any:
        try:
            raise ValueError("before")
        except ValueError:
            return Flow(start=Quiet()).run(shared)

    assert outlines(compare(program)) == [
        tree("""
            flow Flow ok
              node Quiet ok
                exec ok
        """)
    ]


def test_an_attempt_that_raises_the_exception_being_handled_has_failed() -> None:
    """It is the same object that the program handled already, raised anew."""

    class Again(Node):
        def exec(self, prep_res: Any) -> Any:
            raise prep_res

        def prep(self, shared: Any) -> Any:
            return shared["error"]

        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            return "caught"

    def program(shared: Any) -> Any:
        try:
            raise ValueError("once")
        except ValueError as error:
            return Flow(start=Again()).run({"error": error})

    assert outlines(compare(program)) == [
        tree("""
            flow Flow ok
              node Again ok
                prep ok
                exec error ValueError attempt=1 recovered
                fallback ok
        """)
    ]


def test_a_node_whose_prep_cannot_even_be_read_has_failed() -> None:
    """The error comes before PocketFlow calls anything."""

    class Unreadable(Node):
        @property
        def prep(self) -> Any:
            raise LookupError("no prep")

    assert both(lambda: Flow(start=Unreadable())) == tree("""
        flow Flow error LookupError
          node Unreadable error LookupError
    """)


@pytest.mark.parametrize("phase", PHASES)
def test_stop_iteration_from_a_phase_is_an_error(phase: str) -> None:
    """It must not end some loop of PocketFlow's or ours."""
    assert both(lambda: Flow(start=Failing(phase, StopIteration("end")))) == (
        "flow Flow error StopIteration\n  node Failing error StopIteration" + lines(phase, "StopIteration")
    )


def test_stop_iteration_from_a_coroutine_is_a_runtime_error() -> None:
    """Python itself turns it into one."""
    assert both(lambda: AsyncFlow(start=AsyncFailing("exec", StopIteration("end")))) == tree("""
        flow AsyncFlow error RuntimeError
          node AsyncFailing error RuntimeError
            prep ok
            exec error RuntimeError
    """)


class InnerAsync(AsyncFlow):
    """An async flow that a plain flow will run."""

    async def prep_async(self, shared: Any) -> Any:
        shared["never"] = True


def test_an_async_flow_in_a_plain_flow_runs_its_plain_path() -> None:
    """PocketFlow runs it so; in 0.0.1 it refuses."""
    later = """
        flow Flow ok
          flow InnerAsync ok
            node Quiet ok
              exec ok
    """
    first = """
        flow Flow error RuntimeError
          flow InnerAsync error RuntimeError
    """
    expected = tree(later if FLOWS_RETURN_ACTIONS else first)
    assert both(lambda: Flow(start=InnerAsync(start=Quiet()))) == expected


def test_an_async_node_in_a_plain_flow_is_refused_by_pocketflow() -> None:
    """The node's error is PocketFlow's own."""
    (trace,) = compare(lambda shared: Flow(start=AsyncFailing("exec", ValueError())).run(shared))
    assert shown(trace) == tree("""
        flow Flow error RuntimeError
          node AsyncFailing error RuntimeError
    """)
    assert trace.spans[-1].error is not None and trace.spans[-1].error.message == "Use run_async."


def test_an_error_of_a_base_node_without_retries_passes_through() -> None:
    """BaseNode has no except of its own."""

    class Bare(BaseNode):
        def exec(self, prep_res: Any) -> Any:
            raise LookupError("nothing")

    assert both(Bare) == tree("""
        node Bare error LookupError
          exec error LookupError
    """)

"""`trace_prep`, `trace_exec`, `trace_post`: what is switched off leaves no span, and takes nothing along."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pocketflow import (
    AsyncBatchNode,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchNode,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)

from pocketflow_tracing import SpanKind, Trace, TracingConfig, span
from pocketflow_tracing.tally import Tally

from .harness import compare, run_flow, spans_of

HIDDEN = {
    "trace_prep": {SpanKind.PREP},
    "trace_exec": {SpanKind.EXEC, SpanKind.FALLBACK},
    "trace_post": {SpanKind.POST},
}
VARIABLES = {
    "trace_prep": "POCKETFLOW_TRACE_PREP",
    "trace_exec": "POCKETFLOW_TRACE_EXEC",
    "trace_post": "POCKETFLOW_TRACE_POST",
}


def answer(shared: Any, item: Any) -> Any:
    """Fail as often as the store plans for the item, inside of a span of the program's own."""
    with span(f"ask about {item}"):
        if shared["fails"].get(item, 0) > 0:
            shared["fails"][item] -= 1
            raise ValueError(f"no answer about {item}")
        return f"answer about {item}"


class Ask(Node):
    """Asks about one thing."""

    def prep(self, shared: Any) -> Any:
        shared["asked"].append("one")
        return shared

    def exec(self, prep_res: Any) -> Any:
        return answer(prep_res, "one")

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["answers"].append(exec_res)
        return "done"


class AskSafely(Ask):
    """Has an answer for when there is none."""

    def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
        return "no answer"


class AskEach(BatchNode):
    """Asks about some things, one by one."""

    def prep(self, shared: Any) -> Any:
        return [(shared, item) for item in "ab"]

    def exec(self, prep_res: Any) -> Any:
        return answer(*prep_res)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["answers"] += exec_res


class AskLater(AsyncNode):
    """Asks on an event loop."""

    async def prep_async(self, shared: Any) -> Any:
        await asyncio.sleep(0)
        return shared

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        return answer(prep_res, "one")

    async def exec_fallback_async(self, prep_res: Any, exc: Exception) -> Any:
        return "no answer"

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["answers"].append(exec_res)
        return "done"


class AskEachLater(AsyncBatchNode):
    """Asks about some things, one after another on an event loop."""

    async def prep_async(self, shared: Any) -> Any:
        return [(shared, item) for item in "ab"]

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        return answer(*prep_res)

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["answers"] += exec_res


class AskAtOnce(AskEachLater, AsyncParallelBatchNode):
    """Asks about all of them at the same time."""


class AskByHand(Ask):
    """Runs its phases in a way of its own, and tries exec a second time."""

    def _run(self, shared: Any) -> Any:
        prep_res = self.prep(shared)
        try:
            exec_res = self.exec(prep_res)
        except ValueError:
            exec_res = self.exec(prep_res)
        return self.post(shared, prep_res, exec_res)


class AskInThreads(AskEach):
    """Asks about each thing in a thread."""

    def _exec(self, items: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return [pool.submit(self.exec, item).result() for item in items]


class Asking(Flow):
    """A flow with a prep and a post of its own."""

    def prep(self, shared: Any) -> Any:
        shared["asked"].append("flow")
        return "gathered"

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["answers"].append(prep_res)
        return "all done"


class AskingOften(BatchFlow):
    """Runs its node for each of some parameters."""

    def prep(self, shared: Any) -> Any:
        return [{"about": "one"}, {"about": "two"}]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["answers"].append(len(prep_res))


class AskingLater(AsyncFlow):
    """The same on an event loop."""

    async def prep_async(self, shared: Any) -> Any:
        return "gathered"

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["answers"].append(prep_res)


PROGRAMS: dict[str, Callable[[], Any]] = {
    "node": lambda: Flow(start=Ask()),
    "node that tries again": lambda: Flow(start=Ask(max_retries=3)),
    "node with fallback": lambda: Flow(start=AskSafely(max_retries=2)),
    "async node": lambda: AsyncFlow(start=AskLater(max_retries=2)),
    "batch": lambda: Flow(start=AskEach(max_retries=2)),
    "async batch": lambda: AsyncFlow(start=AskEachLater(max_retries=2)),
    "parallel batch": lambda: AsyncFlow(start=AskAtOnce(max_retries=2)),
    "own _run": lambda: Flow(start=AskByHand()),
    "own _exec": lambda: Flow(start=AskInThreads()),
    "flow with phases": lambda: Asking(start=Ask(max_retries=2)),
    "batch flow": lambda: AskingOften(start=Ask()),
    "async flow with phases": lambda: AskingLater(start=AskLater()),
}
FAILURES: dict[str, dict[str, int]] = {"well": {}, "once": {"one": 1, "b": 1}, "always": {"one": 9, "b": 9}}


def traced(make: Callable[[], Any], failures: dict[str, int], **settings: Any) -> Trace:
    """The trace of one run, after the same run untraced behaved the same."""

    def store() -> dict[str, Any]:
        return {"asked": [], "answers": [], "fails": dict(failures)}

    (trace,) = compare(lambda shared: run_flow(make(), shared), store, **settings)
    return trace


def told(trace: Trace, without: set[SpanKind]) -> list[Any]:
    """All that the spans say, times and ids apart; each beneath the nearest one that is not left out."""
    by_id = {span.span_id: span for span in trace.spans}

    def above(span: Any) -> Any:
        parent = by_id.get(span.parent_id)
        return above(parent) if parent is not None and parent.kind in without else parent

    def failed(span: Any) -> Any:
        if span.error is None:
            return None
        source = span
        while source.error.raised_in not in (None, source.span_id):  # which has the stack trace
            source = by_id[source.error.raised_in]
        return span.error.type, span.error.message, source.error.stacktrace, source.error.causes

    rows = [
        (
            above(span).name if above(span) is not None else None,
            span.kind.value, span.name, span.status.value, span.attributes, span.input, span.output,
            span.changes, failed(span),
        )
        for span in trace.spans
        if span.kind not in without
    ]  # fmt: skip
    return sorted(rows, key=repr)


@pytest.mark.parametrize("failures", FAILURES)
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("switch", HIDDEN)
def test_a_phase_switched_off_takes_only_its_own_spans_along(
    switch: str, program: str, failures: str
) -> None:
    """What stays says the same as ever: values, changes, attempts, and errors with their stack trace."""
    make, hidden = PROGRAMS[program], HIDDEN[switch]
    whole = traced(make, FAILURES[failures])
    trace = traced(make, FAILURES[failures], config=TracingConfig(**{switch: False}))

    assert [span for span in trace.spans if span.kind in hidden] == []
    assert told(trace, hidden) == told(whole, hidden)


@pytest.mark.parametrize("switch", HIDDEN)
def test_the_environment_switches_a_phase_off_as_well(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same trace as with the setting."""
    make = PROGRAMS["node with fallback"]
    expected = traced(make, FAILURES["once"], config=TracingConfig(**{switch: False}))
    monkeypatch.setenv(VARIABLES[switch], "off")

    assert told(traced(make, FAILURES["once"]), set()) == told(expected, set())


def test_a_node_says_its_attempts_though_none_of_them_is_shown() -> None:
    """With exec off, the node is the place to see that it was tried more than once."""
    trace = traced(PROGRAMS["node with fallback"], FAILURES["always"], config=TracingConfig(trace_exec=False))
    [node] = spans_of(trace, "node")

    assert (node.attributes["attempts"], node.attributes["max_attempts"]) == (2, 2)


class Refuse(Ask):
    """Fails in whatever phase its parameter says."""

    def prep(self, shared: Any) -> Any:
        return self.refuse("trace_prep")

    def exec(self, prep_res: Any) -> Any:
        return self.refuse("trace_exec")

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["answers"].append("changed before it failed")
        return self.refuse("trace_post")

    def refuse(self, phase: str) -> None:
        """Fail, if this is the phase to fail in."""
        if self.params["phase"] == phase:
            raise ValueError(f"refused by {phase}")


@pytest.mark.parametrize("switch", HIDDEN)
def test_an_error_that_only_a_hidden_phase_saw_is_its_nodes(switch: str) -> None:
    """It is told once, on the innermost span that can be seen, with its stack trace; changes stay too."""

    def refusing() -> Any:
        flow = Flow(start=Refuse())
        flow.set_params({"phase": switch})
        return flow

    trace = traced(refusing, {}, config=TracingConfig(**{switch: False}))
    [flow], [node] = spans_of(trace, "flow"), spans_of(trace, "node")

    assert Tally.of(trace).errors == 1
    assert (node.error.message, node.error.raised_in) == (f"refused by {switch}", None)
    if switch == "trace_exec" or sys.version_info >= (3, 12):  # before, only caught exceptions have one
        assert "in refuse" in node.error.stacktrace
    assert (flow.error.message, flow.error.raised_in) == (f"refused by {switch}", node.span_id)
    assert (node.changes is not None) == (switch == "trace_post")

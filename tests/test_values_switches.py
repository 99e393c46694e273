"""What is switched off is nowhere: not in the file, not on the console, not in the JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pocketflow import (
    AsyncBatchFlow,
    AsyncBatchNode,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)

from pocketflow_tracing import Trace, TracingConfig, flush, span, trace_flow, tracing
from pocketflow_tracing.model import SpanKind, Status
from pocketflow_tracing.sinks.console import ConsoleSink
from pocketflow_tracing.sinks.memory import MemorySink
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.queries import page
from pocketflow_tracing.tally import Tally
from pocketflow_tracing.view.terminal import Look, TraceTree

pytestmark = pytest.mark.usefixtures("probe")
GIVEN, MADE, FAILED = "given-3f9a", "made-77c1", "failed-52d0"


class Ask(Node):  # type: ignore[misc]
    """Gathers an input, and makes an output of its own."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return [shared.get("question"), self.params]

    def exec(self, prep_res: Any) -> Any:
        return {"answer": MADE}

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> Any:
        shared["answer"] = exec_res
        return "done"


class AskInVain(Ask):
    """Gathers an input, and fails."""

    def exec(self, prep_res: Any) -> Any:
        raise ValueError(FAILED)


class AskLater(AsyncNode):  # type: ignore[misc]
    """The same on an event loop."""

    async def prep_async(self, shared: dict[str, Any]) -> Any:
        return shared["question"]

    async def exec_async(self, prep_res: Any) -> Any:
        return MADE

    async def post_async(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> Any:
        shared["answer"] = exec_res


class AskEach(BatchNode):  # type: ignore[misc]
    """An output for each input."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return [shared["question"]] * 2

    def exec(self, prep_res: Any) -> Any:
        raise ValueError("no answer")

    def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
        return MADE

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> Any:
        shared["answers"] = exec_res


class AskEachLater(AsyncBatchNode):  # type: ignore[misc]
    """An output for each input, on an event loop."""

    async def prep_async(self, shared: dict[str, Any]) -> Any:
        return [shared["question"]] * 2

    async def exec_async(self, prep_res: Any) -> Any:
        return {"answer": MADE}

    async def post_async(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> Any:
        shared["answers"] = exec_res


class AskAtOnce(AskEachLater, AsyncParallelBatchNode):  # type: ignore[misc]
    """All of them at the same time."""


class AskWithLater(AsyncBatchFlow):  # type: ignore[misc]
    """Runs once for each of its parameters, on an event loop."""

    async def prep_async(self, shared: dict[str, Any]) -> Any:
        return [{"about": shared["question"]}, {shared["question"]: 1}]


class AskWithAtOnce(AskWithLater, AsyncParallelBatchFlow):  # type: ignore[misc]
    """All of them at the same time."""


class AskWith(BatchFlow):  # type: ignore[misc]
    """Runs once for each of its parameters."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return [{"about": shared["question"]}, {shared["question"]: 1}]


@trace_flow
def ask(question: str, *more: str, option: str = "") -> str:
    """A function whose arguments are inputs."""
    Ask().run({"question": question})
    return MADE


def _store() -> dict[str, Any]:
    return {"question": GIVEN, "nested": {GIVEN: [(GIVEN,)]}}


async def _run_later() -> None:
    first, each = AskLater(), AskEachLater()
    first >> each >> AskAtOnce()
    await AsyncFlow(start=first).run_async(_store())
    for flow in (AskWithLater, AskWithAtOnce):
        await flow(start=AskLater()).run_async(_store())


def _run_all() -> None:
    """Inputs and outputs in every place that there is for them."""
    import asyncio

    first = Ask()
    first.set_params({"about": GIVEN, GIVEN: 1})
    first.run(_store())
    first, each = Ask(), AskEach()
    first - "done" >> each >> Flow(start=Ask())
    Flow(start=first).run(_store())
    AskWith(start=Ask()).run(_store())
    asyncio.run(_run_later())
    ask(GIVEN, GIVEN, option=GIVEN)
    _fail({"question": GIVEN})


def _fail(shared: dict[str, Any]) -> None:
    outer = Flow(start=Flow(start=AskInVain(max_retries=2)))
    outer.set_params({"about": GIVEN})
    with pytest.raises(ValueError, match=FAILED):
        outer.run(shared)


def _left(path: Path, **switches: Any) -> str:
    """All that is left of `_run_all`: bytes of the file, JSON, trees in full, and the console."""
    config = TracingConfig(store=str(path / "traces.db"), capture_locals=True, **switches)
    with tracing(config):
        _run_all()
    console = io.StringIO()
    with tracing(config, sinks=[ConsoleSink(console)]):
        _run_all()
    assert flush(30) == 0
    written = b"".join(file.read_bytes() for file in path.iterdir()).decode("utf-8", "replace")
    store = Store(path / "traces.db")
    try:
        traces = [store.load(trace.id) for trace in store.traces(limit=100)]
    finally:
        store.close()
    assert len(traces) == 8
    trees = "\n".join(_full(trace) for trace in traces)
    return "\n".join([written, *(json.dumps(trace.to_dict()) for trace in traces), trees, console.getvalue()])


def _full(trace: Trace) -> str:
    return str(TraceTree(trace, Look(whole=True, values=True)))


@pytest.mark.parametrize(
    ("switch", "gone", "stays"),
    [
        ("trace_inputs", GIVEN, [MADE, FAILED]),
        ("trace_outputs", MADE, [GIVEN, FAILED]),
        ("trace_errors", FAILED, [GIVEN, MADE]),
    ],
)
def test_what_is_switched_off_is_kept_nowhere(
    tmp_path: Path, switch: str, gone: str, stays: list[str]
) -> None:
    """Stores, prep's and exec's results, params, items, arguments, local variables: each on its side."""
    left = _left(tmp_path, **{switch: False})

    assert gone not in left
    assert [text for text in stays if text not in left] == []


def test_the_places_are_all_kept_when_nothing_is_off(tmp_path: Path) -> None:
    """So the search finds what is there."""
    left = _left(tmp_path)

    assert [left.count(text) > 20 for text in (GIVEN, MADE, FAILED)] == [True, True, True]


def _failed(**switches: Any) -> Trace:
    sink = MemorySink()
    with tracing(TracingConfig(**switches), sinks=[sink]):
        _fail({"question": GIVEN})
    flush()
    [trace] = sink.traces
    return trace


def test_without_errors_one_that_passed_many_levels_counts_once(tmp_path: Path) -> None:
    """Nothing is kept of it but that there was one, and on which spans."""
    config = TracingConfig(store=str(tmp_path / "traces.db"), trace_errors=False)
    trace = _failed(trace_errors=False)
    with tracing(config):
        _fail({})
    flush()
    store = Store(tmp_path / "traces.db")
    try:
        [kept] = page(store).summaries
    finally:
        store.close()

    assert [span.error for span in trace.spans] == [None] * len(trace.spans)
    assert [span.kind for span in trace.spans if span.status is Status.ERROR] == [
        SpanKind.FLOW, SpanKind.FLOW, SpanKind.NODE, SpanKind.EXEC, SpanKind.EXEC,
    ]  # fmt: skip
    assert Tally.of(trace).errors == Tally.of(_failed()).errors
    assert (kept.tally.nodes, kept.tally.errors) == (1, Tally.of(trace).errors)


def _kinds(trace: Trace) -> list[SpanKind]:
    """The phases of the nodes that ask."""
    return [span.kind for span in trace.spans if span.name.startswith("Ask")]


SWITCHES: dict[str, Callable[[Trace], bool]] = {
    "trace_inputs": lambda trace: GIVEN in _full(trace),
    "trace_outputs": lambda trace: MADE in _full(trace),
    "trace_errors": lambda trace: FAILED in _full(trace),
    "trace_prep": lambda trace: SpanKind.PREP in _kinds(trace),
    "trace_exec": lambda trace: SpanKind.EXEC in _kinds(trace),
    "trace_post": lambda trace: SpanKind.POST in _kinds(trace),
    "capture_locals": lambda trace: any(span.error and span.error.locals for span in trace.spans),
}
"""How each switch that is on shows in a trace."""


class Within(Node):  # type: ignore[misc]
    """Runs another flow, whose settings are its own, and knows nothing of what that works on."""

    def exec(self, prep_res: Any) -> Any:
        with tracing(self.params["config"]):
            Flow(start=Ask()).run({"question": GIVEN})
            with pytest.raises(ValueError, match=FAILED):
                Flow(start=AskInVain()).run({"question": GIVEN})


def _parts(outer: bool, inner: bool, switch: str) -> tuple[Trace, Trace]:
    """What was kept of two flows under the outer scope alone, and of the same under both scopes."""
    sink = MemorySink()
    on = {"capture_locals": True}
    with tracing(TracingConfig(**{**on, switch: outer}), sinks=[sink]), span("all of it"):
        node = Within()
        node.set_params({"config": TracingConfig(**on)})
        node.run({})
        node.set_params({"config": TracingConfig(**{**on, switch: inner})})
        node.run({})
    flush()
    [trace] = sink.traces
    ends = [number for number, span in enumerate(trace.spans) if span.name == "Within"]
    first, second = trace.spans[ends[0] : ends[1]], trace.spans[ends[1] :]
    return replace(trace, spans=first), replace(trace, spans=second)


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_scope_within_another_can_only_switch_off(switch: str) -> None:
    """Off in either is off; what runs beside the inner scope is kept as the outer one says."""
    shows = SWITCHES[switch]

    assert [shows(part) for part in _parts(outer=True, inner=True, switch=switch)] == [True, True]
    assert [shows(part) for part in _parts(outer=True, inner=False, switch=switch)] == [True, False]
    assert [shows(part) for part in _parts(outer=False, inner=True, switch=switch)] == [False, False]


def test_what_is_kept_of_one_side_alone_is_its_own(tmp_path: Path) -> None:
    """The store shows both sides, so it is kept at the beginning of the run or not at all."""

    def kept(**switches: Any) -> list[tuple[str, Any, Any]]:
        sink = MemorySink()
        with tracing(TracingConfig(**switches), sinks=[sink]):
            Flow(start=Ask()).run({"question": GIVEN})
        flush()
        return [(span.kind.value, span.input, span.output) for span in sink.traces[0].spans]

    assert kept(trace_inputs=False) == [
        ("flow", None, {"result": "done"}),
        ("node", None, {"result": "done"}),
        ("prep", None, None),
        ("exec", None, {"answer": MADE}),
        ("post", None, "done"),
    ]
    assert kept(trace_outputs=False) == [
        ("flow", {"shared": {"question": GIVEN}}, None),
        ("node", None, None),
        ("prep", None, None),
        ("exec", {"prep_res": [GIVEN, {}]}, None),
        ("post", {"prep_res": [GIVEN, {}]}, None),
    ]

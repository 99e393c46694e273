"""What a run captured is gone once it is written: nothing waits for the garbage collector."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pocketflow import AsyncFlow, AsyncNode, BatchNode, Flow, Node

from pocketflow_tracing import TracingConfig, current_span, flush, tracing
from pocketflow_tracing.live import LiveSpan
from pocketflow_tracing.model import SpanKind
from pocketflow_tracing.steps import Step
from pocketflow_tracing.values import Snapshot

ROUNDS = 50


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    """No garbage collection while a test runs."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left_after(run: Callable[[], object], path: Path) -> Counter[str]:
    """How many more of our objects there are after a run, when all of it is written."""
    config = TracingConfig(store=path / "traces.db")
    with tracing(config):
        Flow(start=Node()).run({})  # what is made once is made now
    assert flush(30) == 0
    before = counted()
    with tracing(config):
        run()
    assert flush(30) == 0
    return counted() - before


def counted() -> Counter[str]:
    kinds = (LiveSpan, Step, Snapshot)
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds))


def goes_round(shared: dict[str, Any]) -> str:
    shared["round"] = shared.get("round", 0) + 1
    return "again" if shared["round"] < ROUNDS else "done"


class Loop(Node):
    def exec(self, prep_res: Any) -> list[int]:
        return [1, 2, 3]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        return goes_round(shared)


class Batch(BatchNode):
    def prep(self, shared: Any) -> list[int]:
        return [1, 2, 3]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        return goes_round(shared)


class Recovering(Loop):
    def __init__(self) -> None:
        super().__init__(max_retries=2)

    def exec(self, prep_res: Any) -> list[int]:
        raise ValueError("not now")

    def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
        return []


class Waiting(AsyncNode):
    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        return goes_round(shared)


def ring(node: Any, flow: type[Flow] = Flow) -> Flow:
    node - "again" >> node
    node - "done" >> Node()
    return flow(start=node)


RUNS: dict[str, Callable[[], object]] = {
    "loop": lambda: ring(Loop()).run({}),
    "batch": lambda: ring(Batch()).run({}),
    "fallback": lambda: ring(Recovering()).run({}),
    "nested": lambda: ring(Flow(start=Loop())).run({}),
    "async": lambda: asyncio.run(ring(Waiting(), AsyncFlow).run_async({})),
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_nothing_of_a_node_is_left_when_it_is_written(run: Callable[[], object], tmp_path: Path) -> None:
    left = left_after(run, tmp_path)
    assert left["LiveSpan"] <= 2 and left["Step"] <= 2 and left["Snapshot"] <= 8, left


def test_a_span_that_the_program_kept_stays_whole(tmp_path: Path) -> None:
    kept: list[Any] = []

    class Keeps(Loop):
        def exec(self, prep_res: Any) -> Any:
            kept.append(current_span())
            return "what it returned"

    left = left_after(lambda: ring(Keeps()).run({}), tmp_path)
    assert left["LiveSpan"] >= ROUNDS
    assert [(span.name, span.kind) for span in kept] == [("Keeps.exec", SpanKind.EXEC)] * ROUNDS
    assert all(span._live.parent.step.span is span._live.parent for span in kept)

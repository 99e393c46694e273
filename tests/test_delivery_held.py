"""A failed attempt is in the store while it is not known yet what comes of it."""

from __future__ import annotations

import asyncio
import signal
import threading
from pathlib import Path

import pytest
from live_support import config, stored
from pocketflow import AsyncFlow, AsyncNode, Flow, Node
from store_support import start_child, until

from pocketflow_tracing import flush, tracing
from pocketflow_tracing.delivery import followed, worker
from pocketflow_tracing.model import SpanKind, Status, Trace
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.following import Follower
from pocketflow_tracing.testing import outline

HELD = """\
flow {flow} {status}
  node {node} {status}
    exec error ValueError
"""


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is open is written with every look of the worker."""
    monkeypatch.setattr(followed, "LONG_NS", 0)
    monkeypatch.setattr(worker, "SAVE_SECONDS", 0.01)
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0)


def has_failed_attempt(trace: Trace) -> bool:
    return any(span.kind is SpanKind.EXEC and span.end_ns is not None for span in trace.spans)


def test_a_process_killed_while_it_waits_leaves_the_attempt_that_failed(path: Path) -> None:
    """Before the next attempt, of a node and of one on an event loop, and in a fallback."""
    program = """
import asyncio, os, sys, threading
os.environ["POCKETFLOW_TRACING_STORE"] = sys.argv[1]
from pocketflow import AsyncFlow, AsyncNode, Flow, Node
from pocketflow_tracing import tracing

class Asks(Node):
    def exec(self, prep_res):
        raise ValueError("not now")

class Falls(Asks):
    def exec_fallback(self, prep_res, exc):
        threading.Event().wait()

class AsksAsync(AsyncNode):
    async def exec_async(self, prep_res):
        raise ValueError("not now")

def run(flow):
    with tracing():
        asyncio.run(flow.run_async({})) if isinstance(flow, AsyncFlow) else flow.run({})

for start in (Asks(max_retries=3, wait=600), Falls(max_retries=1), AsksAsync(max_retries=3, wait=600)):
    flow = AsyncFlow(start=start) if isinstance(start, AsyncNode) else Flow(start=start)
    threading.Thread(target=run, args=[flow]).start()
sys.stdin.readline()
"""
    child = start_child(program, path)
    until(lambda: path.exists() and sum(map(has_failed_attempt, stored(path))) == 3, "the attempts")
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL

    asks, asks_async, falls = sorted(stored(path), key=lambda trace: trace.spans[1].name)
    assert outline(asks) == HELD.format(flow="Flow", node="Asks", status="interrupted")
    assert outline(asks_async) == HELD.format(flow="AsyncFlow", node="AsksAsync", status="interrupted")
    assert outline(falls).startswith(HELD.format(flow="Flow", node="Falls", status="interrupted"))
    assert {trace.spans[2].status_message for trace in (asks, asks_async, falls)} == {"ValueError: not now"}


class Falls(Node):
    """Fails, and takes its time to answer all the same."""

    answer: threading.Event

    def exec(self, prep_res: object) -> None:
        raise ValueError("not now")

    def exec_fallback(self, prep_res: object, exc: Exception) -> str:
        assert self.answer.wait(20)
        return "answer"


class FallsAsync(AsyncNode):
    """The same on an event loop."""

    answer: threading.Event

    async def exec_async(self, prep_res: object) -> None:
        raise ValueError("not now")

    async def exec_fallback_async(self, prep_res: object, exc: Exception) -> str:
        assert await asyncio.to_thread(self.answer.wait, 20)
        return "answer"


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kind", [Falls, FallsAsync])
def test_a_failed_attempt_is_seen_before_it_is_made_up_for(path: Path, kind: type) -> None:
    """As an error, and once it is made up for, in its place, as that."""
    answer = threading.Event()
    start = kind()
    start.answer = answer

    def run() -> None:
        with tracing(config(path)):
            if isinstance(start, AsyncNode):
                asyncio.run(AsyncFlow(start=start).run_async({}))
            else:
                Flow(start=start).run({})

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: path.exists() and any(map(has_failed_attempt, stored(path))), "the attempt")
        [trace] = stored(path)
        attempt = next(span for span in trace.spans if span.kind is SpanKind.EXEC)
        assert (attempt.status, attempt.attributes.get("recovered")) == (Status.ERROR, None)
        assert trace.status is Status.UNSET
    finally:
        answer.set()
        thread.join()
    flush()
    [trace] = stored(path)
    assert trace.status is Status.OK
    [settled] = [span for span in trace.spans if span.kind is SpanKind.EXEC]
    assert (settled.span_id, settled.attributes.get("recovered")) == (attempt.span_id, True)


@pytest.mark.usefixtures("at_once")
def test_who_follows_a_run_sees_the_attempt_that_failed(path: Path) -> None:
    """While the node waits for its next attempt; what followed is told when it is known."""
    answer = threading.Event()
    start = Falls()
    start.answer = answer

    def run() -> None:
        with tracing(config(path)):
            Flow(start=start).run({})

    reader = Store(path)
    follower = Follower(reader)
    follower.poll()
    thread = threading.Thread(target=run)
    told: list[str] = []

    def poll() -> None:
        told.extend(one.event.value for one in follower.poll())

    def sees_it() -> bool:
        poll()
        return any(run.last_retry is not None for run in follower.runs)

    thread.start()
    try:
        until(sees_it, "the attempt")
        assert "retried" not in told
    finally:
        answer.set()
        thread.join()
    flush()
    poll()
    reader.close()
    assert told.count("retried") == 1
    assert told[-1] == "ended"

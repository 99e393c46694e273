"""A trace has a budget of its own: past it, values shrink to their heads, and say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pocketflow import Flow, Node
from values_support import json_bytes

from pocketflow_tracing import Trace, TracingConfig, flush, tracing
from pocketflow_tracing.delivery.allowance import HEAD_BYTES
from pocketflow_tracing.model import Span
from pocketflow_tracing.sinks.memory import MemorySink
from pocketflow_tracing.store import Store

BUDGET = 200_000
FIELDS = ("input", "output", "changes")
PROMPT = "word " * 2000


class Turn(Node):  # type: ignore[misc]
    """Adds an answer to the store, again and again."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return [PROMPT, {"turn": len(shared)}]

    def exec(self, prep_res: Any) -> Any:
        return {"answer": PROMPT, "tokens": [True, None, 1.5]}

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> Any:
        shared[f"answer {len(shared)}"] = exec_res
        return "again" if len(shared) < 20 else "done"


def _flow(turn: Node) -> Flow:
    turn - "again" >> turn
    turn - "done" >> Node()
    return Flow(start=turn)


def _run(max_trace_bytes: int, path: Path | None = None) -> Trace:
    sink = MemorySink()
    config = TracingConfig(max_trace_bytes=max_trace_bytes, max_value_bytes=10**6, store=path and str(path))
    with tracing(config, sinks=None if path else [sink]):
        _flow(Turn()).run({"question": PROMPT})
    assert flush(30) == 0
    if path is None:
        return sink.traces[0]
    store = Store(path)
    try:
        return store.load(store.traces()[0].id)
    finally:
        store.close()


def _values(span: Span) -> dict[str, Any]:
    return {
        name: value for name in ("input", "output", "changes") if (value := getattr(span, name)) is not None
    }


def test_the_values_of_a_trace_stay_within_its_budget(tmp_path: Path) -> None:
    """Counted byte by byte, as they are stored; beyond are heads only, each of a few bytes."""
    trace = _run(BUDGET, tmp_path / "traces.db")
    sizes = [json_bytes(value) for span in trace.spans for value in _values(span).values()]
    header = json_bytes(trace.input) + json_bytes(trace.output)
    heads = [size for size in sizes if size <= HEAD_BYTES]

    assert len(trace.spans) > 70
    assert BUDGET * 0.8 < sum(sizes) - sum(heads) + header <= BUDGET
    assert len(heads) > 100


def test_a_value_that_shrank_says_so() -> None:
    """The first ones are whole, later ones are marked, and what they show is their beginning."""
    trace = _run(BUDGET)
    whole = _run(10**8)
    shrunk = [name for span in trace.spans for name in FIELDS if name in span.truncated]
    execs = [span for span in trace.spans if span.name == "Turn.exec"]

    assert [span.truncated for span in whole.spans if span.truncated] == []
    assert len(shrunk) > 100
    assert execs[0].output == {"answer": PROMPT, "tokens": [True, None, 1.5]}
    assert execs[-1].output["answer"].startswith("word word ")
    assert execs[-1].output["answer"].endswith(" more")
    assert execs[-1].output["tokens"] == [True, None, 1.5]
    assert [span.changes["partial"] for span in trace.spans if "changes" in span.truncated] != []
    assert [list(span.changes["added"]) for span in trace.spans if span.name == "Turn"][:2] == [
        ["answer 1"],
        ["answer 2"],
    ]
    assert Trace.from_dict(json.loads(json.dumps(trace.to_dict()))) == trace


def test_the_input_of_the_run_keeps_its_room() -> None:
    """Whatever comes between: what a run began with is written last, and is looked at first."""
    trace = _run(BUDGET)

    assert trace.input == trace.spans[0].input == {"shared": {"question": PROMPT}}
    assert "output" in trace.spans[0].truncated


def test_secrets_do_not_come_back_where_values_shrink() -> None:
    """What is cut is masked before."""
    secret = "sk-proj-" + "aB3xY9" * 10

    class Tell(Turn):
        def exec(self, prep_res: Any) -> Any:
            return {"answer": "x" * 470 + secret + PROMPT, "api_key": "hunter2hunter2"}

    sink = MemorySink()
    with tracing(TracingConfig(max_trace_bytes=3000), sinks=[sink]):
        _flow(Tell()).run({"question": secret})
    flush()
    text = json.dumps(sink.traces[0].to_dict())

    assert "aB3xY9" not in text
    assert "hunter2" not in text

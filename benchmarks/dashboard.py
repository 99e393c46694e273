"""What the dashboard takes for a store of 100,000 traces and for a trace of 200,000 spans, as Markdown.

    python benchmarks/dashboard.py [FOLDER]

The stores are made in FOLDER, and left there for the next time.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
from measuring import Rows, median

from pocketflow_tracing.model import Generation, Span, SpanKind, Status, Trace
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.rows import span_row, trace_row

TRACES = 100_000
SPANS = 200_000
TIMES = 9
DAY_MS = 86_400_000
FLOWS = ("Support", "Research", "Translation", "Report")
ASKED = {
    "traces: the first page": "/api/traces",
    "traces: a page in the middle": "/api/traces?before={middle}",
    "traces of one flow": "/api/traces?name=Report",
    "traces that failed": "/api/traces?status=error",
    "traces with a rare tag": "/api/traces?tag=rare",
    "traces of one session": "/api/traces?session=chat-77",
    "traces with a text that none has": "/api/traces?text=nowhere",
    "how many traces there are": "/api/count",
    "sessions: the first page": "/api/sessions",
    "metrics of 24 hours": "/api/metrics?bucket_ms=1800000&since_ms={day}",
    "metrics of 30 days": "/api/metrics?bucket_ms=43200000&since_ms={month}",
}


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else made)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [*many_traces(folder), *one_long_trace(folder)]
    print("| | |\n|---|---:|")
    for name, figure in rows:
        print(f"| {name} | {figure} |")


def many_traces(folder: Path) -> Rows:
    """Lists and figures over a store of 100,000 traces."""
    path = filled(folder / "many.db", some_traces())
    with served(path) as (client, child):
        now = int(time.time() * 1000)
        words = {"middle": _cursor(client), "day": now - DAY_MS, "month": now - 30 * DAY_MS}
        rows = [(name, _ms(client, address.format(**words))) for name, address in ASKED.items()]
        return [*rows, ("resident memory of the server after that, at most", _memory(child))]


def one_long_trace(folder: Path) -> Rows:
    """One trace of 200,000 spans."""
    path = filled(folder / "long.db", iter([long_trace()]))
    with served(path) as (client, child):
        before = _memory(child)
        took = _ms(client, "/api/traces/last", times=3)
        size = len(client.get("/api/traces/last").content)
        return [
            ("the page of a trace of 200,000 spans: its form", took),
            ("its size", f"{size / 1e6:,.1f} MB"),
            ("the values of one span of it", _ms(client, f"/api/traces/last/spans/{SPANS // 2:016x}")),
            (
                "a text looked for in all its values",
                _ms(client, "/api/traces/last/find?text=nowhere", times=3),
            ),
            ("resident memory of the server before, at most", before),
            ("and after", _memory(child)),
        ]


def some_traces() -> Iterator[Trace]:
    """100,000 traces of three spans over 40 days, one in twenty failed."""
    chosen = random.Random(7)
    now = time.time_ns()
    for number in range(TRACES):
        name = FLOWS[number % 7 % 4]
        start = now - (TRACES - number) * 40 * DAY_MS * 1_000_000 // TRACES
        status = Status.ERROR if chosen.random() < 0.05 else Status.OK
        trace = Trace(
            id=f"{number:032x}", trace_id=f"{number:032x}", name=name, start_ns=start, status=status,
            end_ns=start + chosen.randrange(10**7, 10**10), session_id=f"chat-{number // 8 % 9000}",
            user_id=f"user-{number % 50}", tags=["rare" if number % 20_000 == 0 else "nightly"],
        )  # fmt: skip
        trace.spans = [made_span(trace, seq, SpanKind.NODE if seq else SpanKind.FLOW) for seq in range(3)]
        trace.spans[1].generation = Generation("gpt-4o", {}, {"input": 900, "output": 120}, {"total": 0.004})
        trace.span_count = 3
        yield trace


def long_trace() -> Trace:
    """A flow that went through 50,000 nodes, each with its three phases."""
    start = time.time_ns() - 10**12
    trace = Trace(
        id="f" * 32, trace_id="f" * 32, name="Long", start_ns=start, status=Status.OK, end_ns=start + 10**12
    )
    trace.spans = [made_span(trace, 0, SpanKind.FLOW)]
    phases = (SpanKind.NODE, SpanKind.PREP, SpanKind.EXEC, SpanKind.POST)
    for seq in range(1, SPANS):
        span = made_span(trace, seq, phases[(seq - 1) % 4])
        if span.kind is not SpanKind.NODE:
            span.parent_id = f"{seq - (seq - 1) % 4 + 1:016x}"
        trace.spans.append(span)
    trace.span_count = SPANS
    return trace


def made_span(trace: Trace, seq: int, kind: SpanKind) -> Span:
    """The span number `seq` of a trace."""
    start = trace.start_ns + seq * 1000
    return Span(
        trace_id=trace.id, span_id=f"{seq + 1:016x}", parent_id=f"{1:016x}" if seq else None,
        name=trace.name if not seq else "Ask", node_key=f"Ask#{seq % 9}" if kind is SpanKind.NODE else None,
        kind=kind, start_ns=start, end_ns=start + 900, status=Status.OK,
        input={"shared": {"question": "why?", "number": seq}}, output="because " * 8,
        attributes={"visit": seq, "action": "again"}, seq=seq,
    )  # fmt: skip


def filled(path: Path, traces: Iterator[Trace]) -> Path:
    """The store at `path`, with these traces in it."""
    if not path.exists():
        with closing(Store(path)) as store:
            while some := [trace for _, trace in zip(range(2_000), traces, strict=False)]:
                spans = (span_row(span) for trace in some for span in trace.spans)
                store.save((trace_row(trace) for trace in some), spans)
    return path


class served:
    """The dashboard over a store, and a client of it."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-m", "pocketflow_tracing", "ui", "--no-open", "--port", "0", "--store"]
        self._child = subprocess.Popen([*command, str(path)], stdout=subprocess.PIPE, text=True)
        assert self._child.stdout is not None
        address = self._child.stdout.readline().split()[-1]
        self._client = httpx.Client(base_url=address, timeout=120)

    def __enter__(self) -> tuple[httpx.Client, subprocess.Popen[str]]:
        return self._client, self._child

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._child.terminate()
        self._child.communicate()


def _cursor(client: httpx.Client) -> str:
    """The cursor of the page in the middle of the list."""
    twenty_days_ago = int(time.time() * 1000) - 20 * DAY_MS
    page = client.get("/api/traces", params={"until_ms": twenty_days_ago}).json()
    return str(page["older"])


def _ms(client: httpx.Client, address: str, times: int = TIMES) -> str:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        answer = client.get(address)
        took.append(time.perf_counter() - began)
        json.loads(answer.content)
        assert answer.status_code == 200, answer.text
    return f"{median(took) * 1000:,.1f} ms"


def _memory(child: subprocess.Popen[str]) -> str:
    status = Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return f"{int(peak.split()[1]) / 1024:,.0f} MiB"


if __name__ == "__main__":
    main()

"""What it takes to find traces in a large store: lists, filters, searches and sums.

python benchmarks/lists.py            # 100,000 traces of nine spans; the file takes about 400 MB
python benchmarks/lists.py 1000       # fewer, to see that it runs
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pocketflow_tracing.model import ErrorInfo, Span, SpanKind, Status, Trace
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.filters import TraceFilter
from pocketflow_tracing.store.metrics import flows, over_time, sessions
from pocketflow_tracing.store.nodes import nodes
from pocketflow_tracing.store.queries import count, page
from pocketflow_tracing.store.rows import span_row, trace_row

DAY_NS = 24 * 3600 * 1_000_000_000
ROUNDS = 3
_KINDS = ("flow", "node", "prep", "exec", "post", "node", "prep", "exec", "post")
_PARENTS = (None, 0, 1, 1, 1, 0, 5, 5, 5)


def made_trace(number: int, chance: random.Random) -> Trace:
    """A run of two nodes; one of twenty failed in the second."""
    id = f"{chance.getrandbits(128):032x}"
    start_ns = time.time_ns() - 30 * DAY_NS + number * 25_000_000_000
    failed = chance.random() < 0.05
    trace = Trace(
        id, id, f"Flow{number % 12}", start_ns, start_ns + chance.randrange(10**6, 10**10),
        Status.ERROR if failed else Status.OK,
        session_id=f"s-{number // 10}" if number % 3 else None, user_id=f"u-{number % 500}",
        tags=["nightly"] if number % 50 == 0 else [], project="shop" if number % 2 else "bank",
        metadata={"customer": number % 1_000}, input={"shared": {"question": "x" * 200}},
        output={"result": "done"}, span_count=len(_KINDS),
    )  # fmt: skip
    trace.spans = [
        made_span(trace, place, failed and place in (0, 5, 7), number) for place in range(len(_KINDS))
    ]
    return trace


def made_span(trace: Trace, place: int, failed: bool, number: int) -> Span:
    """One of its spans, with values of some hundred characters."""
    kind, parent = SpanKind(_KINDS[place]), _PARENTS[place]
    return Span(
        trace.id, f"{place + 1:016x}", None if parent is None else f"{parent + 1:016x}",
        f"{kind.value}{place}", kind, trace.start_ns + place, trace.start_ns + place + 1_000,
        Status.ERROR if failed else Status.OK, node_key=f"Node{place}" if kind is SpanKind.NODE else None,
        input={"shared": {"question": "why is it so? " * 10}}, output={"answer": place},
        attributes={"visit": 1, "attempt": 1, "action": "next"}, seq=place,
        error=ErrorInfo("ValueError", f"no customer {number}", raised_in=None if place == 7 else f"{8:016x}")
        if failed else None,
    )  # fmt: skip


def fill(store: Store, traces: int) -> None:
    """Write so many traces."""
    chance = random.Random(7)
    for begin in range(0, traces, 500):
        made = [made_trace(number, chance) for number in range(begin, min(begin + 500, traces))]
        store.save(
            [trace_row(trace) for trace in made], [span_row(span) for one in made for span in one.spans]
        )


def measured(path: Path, act: Callable[[Store], object]) -> float:
    """The median time in ms, each round on a file that is opened anew."""
    taken = []
    for _ in range(ROUNDS):
        store = Store(path, read_only=True)
        began = time.perf_counter()
        act(store)
        taken.append((time.perf_counter() - began) * 1_000)
        store.close()
    return statistics.median(taken)


def acts(store: Store) -> dict[str, Callable[[Store], object]]:
    """What is measured, by what it is called in the table."""
    older = page(store).older
    failed = TraceFilter(statuses=(Status.ERROR,))
    day = TraceFilter(since_ns=time.time_ns() - DAY_NS)
    return {
        "open the store, first page of 50": page,
        "next page": lambda store: page(store, before=older),
        "first page: of one flow": lambda store: page(store, TraceFilter(name="Flow3")),
        "first page: flows by a pattern": lambda store: page(store, TraceFilter(name="*3")),
        "first page: failed": lambda store: page(store, failed),
        "first page: of a session": lambda store: page(store, TraceFilter(session="s-77")),
        "first page: with a tag": lambda store: page(store, TraceFilter(tag="nightly")),
        "first page: with a tag that none has": lambda store: page(store, TraceFilter(tag="none")),
        "first page: of a project, failed": lambda store: page(
            store, TraceFilter(project="bank", statuses=(Status.ERROR,))
        ),
        "how many failed": lambda store: count(store, failed),
        "first page: with a text that one trace in twenty has": lambda store: page(
            store, TraceFilter(text="no customer")
        ),
        "first page: with a text that none has": lambda store: page(store, TraceFilter(text="nowhere")),
        "figures of every flow": flows,
        "figures of every flow, last day": lambda store: flows(store, day),
        "figures of every flow by day": lambda store: over_time(store, DAY_NS),
        "newest 50 sessions": sessions,
        "figures of every node, newest 1,000 traces": lambda store: nodes(store, limit=1_000),
        "figures of every node, newest 10,000 traces": lambda store: nodes(store, limit=10_000),
    }


def main() -> None:
    """Fill a store, and print a table."""
    traces = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traces.db"
        store = Store(path, max_bytes=1 << 40, max_days=1e6)
        fill(store, traces)
        print(f"{traces:,} traces, {path.stat().st_size / 1e6:,.0f} MB\n\n| | ms |\n|---|---:|")
        for name, act in acts(store).items():
            print(f"| {name} | {measured(path, act):,.1f} |", flush=True)
        store.close()


if __name__ == "__main__":
    main()

"""What a node costs over the size of its store, from 0.1 KB to 1 GB, beside other ways to keep what it saw.

    python benchmarks/values.py [SIZE ...]      # such as "32 KB" "10 MB" "1 GB"; without any, all but 1 GB

A node has three phases and changes one entry of its store. *Traced* is all of it: the store at the
beginning and end of the node and round its post, what each phase was given and returned, what changed,
into a local store, console off. The other ways are what one would write by hand: a subclass whose three
methods keep what they are given and return, each copied or written out by one function. Medians of one
process, in which the ways take turns; processor time of the program's own thread above the untraced
run, for one node. The last column is the first capture of the store alone.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich.pretty
from measuring import median, own_time
from pocketflow import Flow, Node

from pocketflow_tracing import TracingConfig, flush, tracing
from pocketflow_tracing.values import Limits, snapshot

LIMITS = Limits()
MOST_SECONDS = 2.0
STEPS = 50
SLOW_SECONDS = 0.01
"""What takes longer for one node is measured once, with a single node."""
HUGE = "1 GB"

TICKET = {
    "ticket_id": "T-1001",
    "customer": "Ada Lovelace",
    "message": "I was charged twice this month",
    "classification": "billing",
    "priority": "high",
    "category": "payment",
    "team": "billing",
    "attempts": 2,
    "steps": ["classify", "route"],
    "resolution": {"status": "open", "eta": "2h"},
}


def records(kilobytes: float) -> dict[str, Any]:
    """A store of records that takes about so much as JSON."""
    count = max(1, round(kilobytes * 6))
    return {
        "attempts": 2,
        "records": [
            {
                "id": number,
                "name": f"user {number}",
                "email": f"user{number}@example.com",
                "score": number * 0.5,
                "active": True,
                "tags": ["a", "b"],
                "note": "some longer text that describes it",
            }
            for number in range(count)
        ],
    }


def mixed(scale: int = 1) -> dict[str, Any]:
    """About 10 MB for each unit of scale: many keys, one long text, many numbers, deep dicts, records."""
    deep: Any = {"leaf": [1] * 5000}
    for _ in range(50):
        deep = {"deeper": deep, "beside": "text"}
    return {
        "attempts": 2,
        **{f"key {number}": f"value {number}" for number in range(500)},
        "text": "y" * (5_000_000 * scale),
        "numbers": list(range(200_000 * scale)),
        "deep": deep,
        **records(3000),
    }


def stores() -> dict[str, Callable[[], dict[str, Any]]]:
    """How to make the stores, by their size."""
    return {
        "0.1 KB": lambda: records(0.1),
        "ticket": lambda: dict(TICKET),
        "1 KB": lambda: records(1),
        "10 KB": lambda: records(10),
        "32 KB": lambda: records(32),
        "100 KB": lambda: records(100),
        "1 MB": lambda: records(1000),
        "nested": nested,
        "10 MB": mixed,
        HUGE: lambda: mixed(100),
    }


def nested() -> dict[str, Any]:
    """500 dicts of 20 dicts of 20 numbers."""
    numbers = range(20)
    return {
        "attempts": 2,
        "nested": {f"a{a}": {f"b{b}": {f"c{c}": c for c in numbers} for b in numbers} for a in range(500)},
    }


class Step(Node):
    """Counts its visits in the store."""

    most = STEPS

    def prep(self, shared: dict[str, Any]) -> int:
        return int(shared["attempts"])

    def exec(self, prep_res: int) -> int:
        return prep_res + 1

    def post(self, shared: dict[str, Any], prep_res: int, exec_res: int) -> str:
        shared["attempts"] = exec_res
        return "again" if exec_res < self.most else "done"


def keeping(keep: Callable[[Any], object]) -> type[Step]:
    """A node that keeps what its phases are given and return, as one would write it by hand."""

    class Kept(Step):
        def prep(self, shared: dict[str, Any]) -> int:
            kept = [keep(shared)]
            result = super().prep(shared)
            kept.append(keep(result))
            return result

        def exec(self, prep_res: int) -> int:
            kept = [keep(prep_res)]
            result = super().exec(prep_res)
            kept.append(keep(result))
            return result

        def post(self, shared: dict[str, Any], prep_res: int, exec_res: int) -> str:
            kept = [keep(shared), keep(prep_res), keep(exec_res)]
            result = super().post(shared, prep_res, exec_res)
            kept += [keep(shared), keep(result)]
            return result

    return Kept


def by_hand() -> dict[str, Callable[[Any], object]]:
    """What people keep a value by."""
    ways: dict[str, Callable[[Any], object]] = {
        "deepcopy": copy.deepcopy,
        "json.dumps": json.dumps,
        "rich.pretty.traverse": rich.pretty.traverse,
    }
    try:
        from langfuse._utils.serializer import EventSerializer
    except ImportError:
        return ways
    return {**ways, "Langfuse's serializer": lambda value: EventSerializer().encode(value)}


def a_node(kind: type[Step], store: dict[str, Any], steps: int) -> float:
    """Seconds that a node of this kind takes, in a run of so many steps."""
    kind.most = steps
    store["attempts"] = 0
    node = kind()
    node - "again" >> node
    node - "done" >> Node()
    flow = Flow(start=node)
    return own_time(lambda: flow.run(store)) / steps


def row(store: dict[str, Any], config: TracingConfig, ways: dict[str, type[Step]]) -> dict[str, float]:
    """The medians of all ways, in microseconds above the untraced node."""
    taken: dict[str, list[float]] = {"untraced": [], "traced": [], **{name: [] for name in ways}}
    steps = {name: STEPS if a_node(kind, store, 1) < SLOW_SECONDS else 1 for name, kind in ways.items()}
    flush()
    started = time.perf_counter()
    while len(taken["traced"]) < 3 or time.perf_counter() - started < MOST_SECONDS:
        taken["untraced"].append(a_node(Step, store, STEPS))
        with tracing(config):
            taken["traced"].append(a_node(Step, store, STEPS))
        flush()
        for name, kind in ways.items():
            if not taken[name] or taken[name][-1] < SLOW_SECONDS:
                taken[name].append(a_node(kind, store, steps[name]))
    untraced = median(taken["untraced"])
    added = {name: (median(times) - untraced) * 1e6 for name, times in taken.items()}
    return {**added, "untraced": untraced * 1e6}


def first_capture(store: dict[str, Any]) -> float:
    """Microseconds that a capture takes which takes over nothing."""
    return median(own_time(lambda: snapshot(store, LIMITS)) for _ in range(9)) * 1e6


def main() -> None:
    """Print the table."""
    sys.setrecursionlimit(10_000)
    made = stores()
    sizes = sys.argv[1:] or [size for size in made if size != HUGE]
    ways = {name: keeping(keep) for name, keep in by_hand().items()}
    names = ["untraced", "traced", *ways, "first capture"]
    print(f"| store | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    with tempfile.TemporaryDirectory() as folder:
        config = TracingConfig(store=Path(folder) / "traces.db")
        for size in sizes:
            store = made[size]()
            found = row(store, config, {} if size == HUGE else ways)
            found["first capture"] = first_capture(store)
            cells = [cell(name, found) for name in names]
            print(f"| {size} | {' | '.join(cells)} |", flush=True)


def cell(name: str, found: dict[str, float]) -> str:
    """Microseconds, and beside ours how many times as much another way takes."""
    if name not in found:
        return "–"
    shown = f"{found[name]:,.0f} µs" if found[name] > 99 else f"{found[name]:.1f} µs"
    if name in ("untraced", "traced", "first capture"):
        return shown
    ratio = found[name] / found["traced"]
    return f"{shown} ({ratio:.2f}x)" if ratio < 9.95 else f"{shown} ({ratio:,.0f}x)"


if __name__ == "__main__":
    main()

"""What capturing a store costs, from 0.1 KB to 10 MB (with `--huge`, 1 GB), beside other ways to copy one.

    python benchmarks/values.py [--huge]

Medians of one process in microseconds, and how many times the cost of a first capture the others are.
`first` captures a store never seen, `again` one that has not changed since, `changed` one with a new
value under one key: what a step with one change costs is two `again` and one `changed`.
"""

from __future__ import annotations

import copy
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import rich.pretty

from pocketflow_tracing.values import Limits, Policy, Snapshot, compare, render, snapshot

LIMITS = Limits()
POLICY = Policy()
MOST_SECONDS = 0.5

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


def stores(huge: bool) -> dict[str, dict[str, Any]]:
    """The stores to measure, by their size."""
    sizes = {"0.1 KB": records(0.1), "ticket": TICKET, "1 KB": records(1), "10 KB": records(10)}
    sizes |= {"32 KB": records(32), "100 KB": records(100), "1 MB": records(1000), "10 MB": mixed()}
    return {**sizes, "1 GB": mixed(100)} if huge else sizes


def median_us(act: Callable[[], object]) -> float:
    """The median of as many calls as half a second allows, at least three, at most a thousand."""
    taken: list[float] = []
    started = time.perf_counter()
    while len(taken) < 3 or (len(taken) < 1000 and time.perf_counter() - started < MOST_SECONDS):
        before = time.perf_counter()
        act()
        taken.append(time.perf_counter() - before)
    return statistics.median(taken) * 1e6


def captures(store: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """Our own ways: the first capture, the next, one with a change, the change set, the worker's part."""
    other = {**store, "attempts": 3}
    first = snapshot(store, LIMITS)
    second = snapshot(other, LIMITS, first)
    turn: list[tuple[dict[str, Any], Snapshot]] = [(other, first)]

    def change() -> None:
        now, previous = turn.pop()
        turn.append((store if now is other else other, snapshot(now, LIMITS, previous)))

    def on_the_worker() -> None:
        first.rendered = None
        render(first, POLICY, "input")

    return {
        "first": lambda: snapshot(store, LIMITS),
        "again": lambda: snapshot(store, LIMITS, first),
        "changed": change,
        "compare": lambda: compare(first, second),
        "(worker)": on_the_worker,
    }


def others(store: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """What else people do to keep a value."""
    ways: dict[str, Callable[[], object]] = {
        "deepcopy": lambda: copy.deepcopy(store),
        "json.dumps": lambda: json.dumps(store),
        "rich": lambda: rich.pretty.traverse(store),
    }
    try:
        from langfuse._utils.serializer import EventSerializer
    except ImportError:
        return ways
    return {**ways, "langfuse": lambda: EventSerializer().encode(store)}


def main() -> None:
    """Print the table."""
    sys.setrecursionlimit(10_000)
    widths: list[str] = []
    for size, store in stores("--huge" in sys.argv).items():
        ours = {name: median_us(act) for name, act in captures(store).items()}
        theirs = {} if size == "1 GB" else {name: median_us(act) for name, act in others(store).items()}
        if not widths:
            widths = [*ours, *theirs]
            print(f"{'store':>8}" + "".join(f"{name:>20}" for name in widths))
        cells = [f"{us:,.1f}" for us in ours.values()]
        cells += [f"{us:,.1f} ({us / ours['first']:,.1f}x)" for us in theirs.values()]
        print(f"{size:>8}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()

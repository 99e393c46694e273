"""What a traced run does to code that is no phase, and what is left when nothing is traced any more."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from measuring import Rows, child, median, own_time, times
from pocketflow import Flow, Node
from programs import Empty, ring

from pocketflow_tracing import TracingConfig, flush, tracing


def arithmetic(count: int) -> None:
    """A loop that calls nothing."""
    total = 0
    for number in range(count):
        total += number * number % 7


def python_calls(count: int) -> None:
    """A loop of Python calls."""

    def called(number: int) -> int:
        return number + 1

    for number in range(count):
        called(number)


def c_calls(count: int) -> None:
    """A loop of calls of builtins."""
    text = "some text"
    for _ in range(count):
        len(text)


def generating(count: int) -> None:
    """A loop over a generator."""
    for _ in (number for number in range(count)):
        pass


def unwinding(count: int) -> None:
    """A loop of exceptions, each of which leaves a function."""

    def fails() -> None:
        raise KeyError

    for _ in range(count):
        try:
            fails()
        except KeyError:
            pass


LOOPS: dict[str, tuple[Callable[[int], None], int]] = {
    "a loop without calls": (arithmetic, 200_000),
    "a loop of Python calls": (python_calls, 200_000),
    "a loop of C calls": (c_calls, 200_000),
    "a loop over a generator": (generating, 200_000),
    "a loop of exceptions that leave a function": (unwinding, 40_000),
}


class Loop(Node):
    """Times a loop inside its exec."""

    loop: Callable[[int], None]
    count: int

    def exec(self, prep_res: Any) -> float:
        started = time.thread_time()
        self.loop(self.count)
        return time.thread_time() - started

    def post(self, shared: dict[str, float], prep_res: Any, exec_res: float) -> None:
        shared["seconds"] = exec_res


class LoopBeside(Loop):
    """Times the loop on a thread that no trace reaches, while this one is in its exec."""

    def exec(self, prep_res: Any) -> float:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(super().exec, prep_res).result()


def loop_rows(folder: Path, *, quick: bool) -> Rows:
    """How much longer loops inside an exec take in a traced run, and on an untraced thread beside it."""
    config = TracingConfig(store=folder / "loops.db")
    rows: Rows = []
    for label, (loop, count) in LOOPS.items():
        rows.append((label, _ratio(Loop, loop, count, config, quick=quick)))
    label = "an untraced thread's loop of Python calls"
    rows.append((label, _ratio(LoopBeside, python_calls, 200_000, config, quick=quick)))
    if sys.version_info >= (3, 12):
        os.environ["POCKETFLOW_TRACING_PROBE"] = "profile"
        rows.append(
            (f"{label}, by setprofile", _ratio(LoopBeside, python_calls, 200_000, config, quick=quick))
        )
        del os.environ["POCKETFLOW_TRACING_PROBE"]
    return rows


def _ratio(
    kind: type[Loop], loop: Callable[[int], None], count: int, config: TracingConfig, *, quick: bool
) -> str:
    node = kind()
    node.loop, node.count = loop, count // 10 if quick else count
    flow = Flow(start=node)
    ratios: list[float] = []
    for _ in range(3 if quick else 15):
        untraced = _seconds(flow)
        with tracing(config):
            traced = _seconds(flow)
        ratios.append(traced / untraced)
    return times(median(ratios))


def _seconds(flow: Flow) -> float:
    shared: dict[str, float] = {}
    flow.run(shared)
    return shared["seconds"]


def idle_rows(*, quick: bool) -> Rows:
    """An untraced flow after a traced run, over the same before any; and what the noise makes of it."""
    ratios: dict[str, list[float]] = {"traced": [], "control": []}
    for _ in range(2 if quick else 7):
        for kind, found in ratios.items():
            found.append(child(Path(__file__).name, kind, 5 if quick else 61))
    return [
        ("an untraced flow after a traced run, over the same before it", times(median(ratios["traced"]))),
        ("the same without a traced run between (the noise)", times(median(ratios["control"]))),
    ]


def _idle_ratio(kind: str, rounds: int) -> float:
    """Of this process: after over before."""

    def untraced() -> float:
        flows = [ring(Empty, 1000) for _ in range(rounds)]
        return median(own_time(partial(flow.run, {})) for flow in flows)

    untraced()
    before = untraced()
    if kind == "traced":
        with tempfile.TemporaryDirectory() as folder, tracing(TracingConfig(store=Path(folder) / "idle.db")):
            ring(Empty, 1000).run({})
            flush()
    return untraced() / before


if __name__ == "__main__":
    print(json.dumps(_idle_ratio(sys.argv[1], int(sys.argv[2]))))

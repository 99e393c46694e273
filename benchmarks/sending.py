"""What a program notices of delivery: of a working server, and of one that is away, hangs or fails.

python benchmarks/sending.py --heartbeat     # how late an event loop gets beside prompts of 5 MB
python benchmarks/sending.py --outages       # how long a run takes while the server does not work
python benchmarks/sending.py --memory        # what a million spans take while it is away
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import Any

from contenders import SPANS, program
from receiving import serving

RUNS = 20


def _config(host: str, **settings: Any) -> Any:
    """Settings with a store of its own that send to `host`, if one is given."""
    from pocketflow_tracing import TracingConfig

    if host:
        settings |= {
            "langfuse_public_key": "pk-lf-1",
            "langfuse_secret_key": "sk-lf-1",
            "langfuse_host": host,
        }
    return TracingConfig(store=Path(tempfile.mkdtemp()) / "traces.db", **settings)


def heartbeat(size: int = 5_000_000, runs: int = 20) -> None:
    """How late a beat of 1 ms is beside an async flow with big prompts, while traces are delivered."""
    spans = 5 * runs
    import asyncio

    from pocketflow import AsyncFlow, AsyncNode

    from pocketflow_tracing import flush, tracing

    late: list[float] = []

    class Ask(AsyncNode):
        async def prep_async(self, shared: Any) -> Any:
            return shared["prompt"]

        async def exec_async(self, prompt: Any) -> Any:
            await asyncio.sleep(0.05)
            return prompt[:1000]

    async def beat() -> None:
        while True:
            due = time.perf_counter() + 0.001
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - due)

    async def run() -> None:
        beating = asyncio.create_task(beat())
        for number in range(runs):
            await AsyncFlow(start=Ask()).run_async({"prompt": f"{number} hello " * (size // 8)})
            await asyncio.sleep(0.1)
        beating.cancel()

    kinds: dict[str, dict[str, Any]] = {
        "untraced": {"enabled": False},
        "traced": {},
        "traced, prompts kept whole": {"max_value_bytes": size * 2},
    }
    print("| | late at p99 | at most | spans that arrived meanwhile |\n|---|---:|---:|---:|")
    for what, settings in kinds.items():
        late.clear()
        with serving(SECONDS="0.05") as host:
            with tracing(_config(host, **settings)):
                asyncio.run(run())
            with urllib.request.urlopen(f"{host}/count") as answer:
                arrived = answer.read().decode()  # what is left is sent by the flush
            assert flush(60) == 0
        late.sort()
        p99, worst = late[len(late) * 99 // 100] * 1e3, late[-1] * 1e3
        print(f"| {what} | {p99:.1f} ms | {worst:.1f} ms | {arrived} of {spans} |", flush=True)


def outages(rounds: int = 9) -> None:
    """A run beside servers that are away, hang, or answer 503, in processes that take turns."""
    import socket

    hanging = socket.create_server(("127.0.0.1", 0), backlog=100)
    with serving(STATUS="503", SECONDS="0") as failing:
        hosts = {
            "store only": "",
            "away": "http://127.0.0.1:9",
            "hangs": f"http://127.0.0.1:{hanging.getsockname()[1]}",
            "503": failing,
        }
        outside = {**os.environ, "STEPS": "1000", "PYTHONDONTWRITEBYTECODE": ""}
        took: dict[str, list[list[float]]] = {name: [] for name in hosts}
        for _ in range(rounds):
            for name, host in hosts.items():
                command = [sys.executable, __file__, "--outage", host]
                done = subprocess.run(command, capture_output=True, text=True, check=True, env=outside)
                took[name].append(json.loads(done.stdout))
    print(f"4,002 spans a run, {RUNS} runs in each of {rounds} processes\n")
    print("| | run, median | 9 of 10 within | its own thread | requests tried |\n|---|---:|---:|---:|---:|")
    for name, found in took.items():
        middle, most, thread, requests = (median(column) for column in zip(*found, strict=True))
        print(
            f"| {name} | {middle * 1e3:.1f} ms | {most * 1e3:.1f} ms | {thread * 1e3:.1f} ms | {requests:g} |"
        )
        if name == "store only":
            print(f"| allowed beside it | {middle * 1020 + 20:.1f} ms | {most * 1020 + 20:.1f} ms | | |")


def outage(host: str) -> None:
    """How long runs take, in the middle and at most, and their own thread; and requests, as JSON."""
    from pocketflow_tracing import tracing
    from pocketflow_tracing.delivery import delivery

    flow, _ = program()
    config = _config(host)
    took, threads = [], []
    for _ in range(RUNS):
        began, thread = time.perf_counter(), time.thread_time()
        with tracing(config):
            flow.run({"number": 0})
        took.append(time.perf_counter() - began)
        threads.append(time.thread_time() - thread)
        delivery.flush(30, ships=False)
    requests = sum(
        courier.attempts for lane in delivery.shipper.lanes() for courier in lane.couriers.values()
    )
    print(json.dumps([median(took), sorted(took)[RUNS * 9 // 10], median(threads), requests]), flush=True)


def memory(runs: int = 50) -> None:
    """The memory of a process that traces a million spans while the server is away."""
    from pocketflow_tracing import flush, tracing

    flow, _ = program()
    config = _config("http://127.0.0.1:9")
    for number in range(1, runs + 1):
        with tracing(config):
            flow.run({"number": 0})
        if number in (1, runs // 2, runs):
            left = flush(60)
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            now = f"{resident / 2**20:.0f} MiB, at most {most / 1024:.0f}"
            print(f"{number * SPANS:,} spans: {now}; {left:,} left", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--heartbeat"]:
        heartbeat()
    elif sys.argv[1:2] == ["--outages"]:
        outages()
    elif sys.argv[1:2] == ["--outage"]:
        outage(sys.argv[2])
    elif sys.argv[1:2] == ["--memory"]:
        memory()
    else:
        print(__doc__)

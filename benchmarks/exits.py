"""How long whole processes take to end whose server is away, hangs or answers 503.

    python benchmarks/exits.py            # medians of 9 processes of each kind, taken in turn

What is measured is the time from the last line of the program to the end of its process, beyond that of a
process with a store and no server: where nothing was sent before the end, and where that failed already.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import median, ms
from receiving import serving

PROCESSES = 9
LIMITS = {"at its end": 2.0, "before": 0.3}
"""Seconds for a first attempt at the end, which is `exit_timeout`, and where an attempt failed before."""


def program(host: str, when: str) -> None:
    """Trace a short flow, and say at what moment the program was over."""
    from pocketflow import Flow, Node

    from pocketflow_tracing import TracingConfig, flush, tracing

    class Step(Node):  # type: ignore[misc]
        def exec(self, prep_res: object) -> str:
            return "done"

    config = TracingConfig(store=Path(tempfile.mkdtemp()) / "traces.db")
    if when == "before":
        config.langfuse_timeout = 0.5  # so that attempts that hang fail before the end
    if host:
        config.langfuse_public_key, config.langfuse_secret_key = "pk-lf-1", "sk-lf-1"
        config.langfuse_host = host
    for fails in (True, False) if when == "before" else (False,):
        with tracing(config):
            for _ in range(20):
                Flow(start=Step()).run({})
        if fails:
            flush()
    print(time.monotonic(), flush=True)


def ending(host: str, when: str) -> float:
    """Seconds from the last line of a program to the end of its process."""
    with subprocess.Popen(
        [sys.executable, __file__, "--program", host, when],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        began = float(process.stdout.readline())
        process.wait()
        return time.monotonic() - began


def main() -> None:
    """Print a table, with what is allowed and whether that is met."""
    hanging = socket.create_server(("127.0.0.1", 0), backlog=1000)
    with serving(STATUS="503", SECONDS="0") as failing:
        hosts = {
            "store only": "",
            "away": "http://127.0.0.1:9",
            "hangs": f"http://127.0.0.1:{hanging.getsockname()[1]}",
            "503": failing,
        }
        cases = [(name, when) for when in LIMITS for name in hosts]
        took: dict[tuple[str, str], list[float]] = {case: [] for case in cases}
        for _ in range(PROCESSES):
            for case in cases:
                took[case].append(ending(hosts[case[0]], case[1]))
    print(f"medians of {PROCESSES} processes\n\n| server | first attempt | end | beyond | limit | |")
    print("|---|---|---:|---:|---:|---|")
    for name, when in cases:
        end, alone = median(took[name, when]), median(took["store only", when])
        if name == "store only":
            print(f"| none | | {ms(end)} | | | |")
            continue
        verdict = "met" if end - alone <= LIMITS[when] else "missed"
        print(f"| {name} | {when} | {ms(end)} | {ms(end - alone)} | {ms(LIMITS[when])} | {verdict} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--program"]:
        program(*sys.argv[2:4])
    else:
        main()

"""What a span costs until it is in Langfuse, and how many arrive, beside other ways to send it.

    python benchmarks/shipping.py                 # makes an environment for each contender
    python benchmarks/shipping.py ours untraced   # only these

Processor time is that of the whole process, above that of the untraced one, imports included.
"""

from __future__ import annotations

import contextlib
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

from contenders import CONTENDERS, SPANS, STEPS
from receiving import SECONDS, serving

HERE = Path(__file__).resolve().parent
ROUNDS = int(os.environ.get("ROUNDS", "5"))
REQUIREMENTS = {
    "untraced": ["pocketflow"],
    "ours": ["-e", str(HERE.parent)],
    "ours, store only": ["-e", str(HERE.parent)],
    "langfuse @observe": ["pocketflow", "langfuse>=5,<6"],
    "langfuse start_observation": ["pocketflow", "langfuse>=5,<6"],
    "langfuse start_as_current_observation": ["pocketflow", "langfuse>=5,<6"],
    "opentelemetry batch processor": [
        "pocketflow",
        "opentelemetry-sdk",
        "opentelemetry-exporter-otlp-proto-http",
    ],
    "pocketflow-tracing 0.1.5": ["pocketflow-tracing==0.1.5"],
}


def measure(name: str) -> None:
    """Run one contender, and print its figures as JSON."""
    with contextlib.redirect_stdout(sys.stderr):
        took, own = CONTENDERS[name]()
    used = resource.getrusage(resource.RUSAGE_SELF)
    processor = used.ru_utime + used.ru_stime
    print(json.dumps({"run": took, "own": own, "processor": processor, "memory": used.ru_maxrss / 1024}))


def environment_of(name: str, folder: Path) -> str:
    """The interpreter of an environment with what `name` needs."""
    wanted = REQUIREMENTS[name]
    place = folder / "".join(letter for letter in "-".join(wanted) if letter.isalnum())
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *wanted], check=True)
    subprocess.run(
        [str(python), "-m", "compileall", "-q", str(HERE.parent / "pocketflow_tracing")], check=True
    )
    return str(python)


def _environment() -> dict[str, str]:
    """The variables around, but for one that has every source compiled anew, which pip does once."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def figures(name: str, python: str) -> dict[str, Any]:
    """What one contender took, and what arrived."""
    with serving() as host:
        keys = {"LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-1"}
        outside = {**_environment(), **keys, "LANGFUSE_HOST": host, "LANGFUSE_BASE_URL": host}
        began = time.perf_counter()
        done = subprocess.run(
            [python, __file__, "--measure", name], env=outside, capture_output=True, text=True, timeout=600
        )
        whole = time.perf_counter() - began
        with urllib.request.urlopen(f"{host}/count") as answer:
            arrived = json.load(answer)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return {**json.loads(done.stdout.splitlines()[-1]), "whole": whole, "arrived": arrived}


def main(names: list[str]) -> None:
    """Print a table of all contenders, which take turns: medians."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ("untraced", *(names or CONTENDERS))}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(os.environ.get("ENVIRONMENTS", made))
        pythons = {name: environment_of(name, folder) for name in found}
        for _ in range(ROUNDS):
            for name, python in pythons.items():
                found[name].append(figures(name, python))
    print(f"{STEPS:,} nodes, {SECONDS:g} s a request, medians of {ROUNDS}\n")
    print("| | spans | arrived | processor time a span | of that its own thread | run | process | memory |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    base = _medians(found["untraced"])
    for name, rounds in found.items():
        middle = _medians(rounds)
        spans = SPANS if name.startswith("ours") else STEPS * 3 + 1
        each, own = ((middle[what] - base[what]) / spans * 1e6 for what in ("processor", "own"))
        print(
            f"| {name} | {spans:,} | {middle['arrived']:,.0f} | {each:.0f} µs | {own:.1f} µs "
            f"| {middle['run']:.2f} s | {middle['whole']:.1f} s | {middle['memory']:.0f} MB |"
        )


def _medians(rounds: list[dict[str, Any]]) -> dict[str, float]:
    return {what: median(one[what] for one in rounds) for what in rounds[0]}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
    else:
        main(sys.argv[1:])

"""Real flows whose store cannot be used: the program ends as it would untraced, and one line says why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from store_support import in_read_only, locked_by_another, made_trace

from pocketflow_tracing.store import Store

PROGRAM = """
import contextlib, resource, sys
from pocketflow import Flow, Node
from pocketflow_tracing import TracingConfig, tracing

class Ask(Node):
    def exec(self, prep_res):
        return "answer " * 1000

    def post(self, shared, prep_res, exec_res):
        shared["answer"] = exec_res
        print(len(exec_res), flush=True)

class Fail(Node):
    def exec(self, prep_res):
        raise LookupError("no luck")

    def exec_fallback(self, prep_res, exc):
        sys.exit(3)

mode, path = sys.argv[1:]
if mode == "locked":
    from pocketflow_tracing.delivery import keeper
    keeper.PATIENCE_SECONDS = 0.02
if mode == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
first = Ask()
first >> Fail()
config = TracingConfig(store=path, exit_timeout=20)
with contextlib.nullcontext() if mode == "untraced" else tracing(config):
    Flow(start=Ask()).run({})
    Flow(start=first).run({})
"""


def ended(mode: str, path: Path, before: list[str]) -> tuple[str, int, list[str]]:
    """What the program wrote to stdout, its exit status, and its lines on stderr."""
    command = [*before, sys.executable, "-c", PROGRAM, mode, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout, done.returncode, done.stderr.splitlines()


def corrupt(path: Path) -> list[str]:
    path.write_bytes(b"no database " * 1000)
    return []


def locked(path: Path) -> list[str]:
    locked_by_another(path)
    return []


def full(path: Path) -> list[str]:
    return []


def read_only(path: Path) -> list[str]:
    return in_read_only(path.parent)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (locked, "is locked by another process; 11 spans of this process were not kept"),
        (corrupt, "and a new one started"),
        (full, "; traces stay in memory while this lasts"),
        (read_only, "; traces stay in memory while this lasts"),
    ],
)
def test_a_program_ends_as_untraced_whatever_is_wrong_with_its_store(
    spoil: Callable[[Path], list[str]], said: str, path: Path
) -> None:
    """Its output and exit status are its own; of ours there is one line."""
    store = Store(path)
    store.end(made_trace(1))
    store.close()
    before = spoil(path)

    out, status, lines = ended(spoil.__name__, path, before)

    assert (out, status, []) == ended("untraced", path, [])
    assert (out, status) == ("7000\n7000\n", 3)
    [line] = lines
    assert line.startswith(f"[TRACING] the trace store {path} ") and said in line

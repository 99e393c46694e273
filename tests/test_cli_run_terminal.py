"""What `pocketflow-tracing run` shows on a terminal, and what it keeps from showing there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from cli_support import DEADLINE, FLOW, OURS, environment_of, on_terminal, written


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the module `greeting`, whose function `run` runs a flow of one node."""
    return written(tmp_path, {"greeting.py": FLOW})


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}], ids=str)
def test_on_a_terminal_the_tree_is_coloured_unless_refused(environment: dict[str, str], folder: Path):
    """stderr decides, whatever stdout is; NO_COLOR is honoured."""
    written(folder, {"app.py": "import greeting\ngreeting.run()"})
    with on_terminal([*OURS, "run", "app.py"], folder, environment=environment_of(folder) | environment) as (
        process,
        terminal,
    ):
        shown = terminal.until()
        assert process.wait(DEADLINE) == 0

    assert "Greet" in shown
    assert ("\x1b[" in shown) is not bool(environment)


WAITING = """
import sys
from pocketflow import Flow, Node

class Ask(Node):
    def exec(self, prep_res):
        if self.cur_retry == 0:
            raise TimeoutError("too slow")
        sys.stdin.readline()

class Support(Flow):
    pass

print("begin", flush=True)
print("half a line", end="", file=sys.stderr, flush=True)
Support(start=Ask(max_retries=2)).run({})
print("end")
"""


def test_with_stdout_elsewhere_what_goes_on_is_told_on_the_terminal(folder: Path):
    """Each step that takes a while and each failed attempt is a line; the program's output is its own."""
    written(folder, {"app.py": WAITING})
    with (
        open(folder / "out.txt", "wb") as out,
        on_terminal(
            [*OURS, "run", "app.py"], folder,
            environment=environment_of(folder) | {"NO_COLOR": "1"}, stdout=out.fileno(),
        ) as (process, terminal),
    ):  # fmt: skip
        terminal.until("Support › Ask › exec · attempt 2 of 2")
        terminal.until("TimeoutError: too slow")
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
        shown = terminal.until()
        assert process.wait(DEADLINE) == 0

    lines = [line.strip().replace("\x1b[K", "") for line in shown.replace("\r", "\n").splitlines()]
    told = [line[9:].split(" ", 1)[1] for line in lines if " … Support" in line]
    assert sorted(told) == [  # where the first record took the worker long, the attempt may come first
        "… Support  ↻ Ask.exec · attempt 1 of 2 · TimeoutError: too slow",
        "… Support › Ask › exec · attempt 2 of 2",
    ]
    assert lines[0] == "half a line"
    assert "✓ flow Support" in shown
    assert (folder / "out.txt").read_text() == "begin\nend\n"


def test_with_both_on_a_terminal_nothing_is_told_before_the_end(folder: Path):
    """What the program prints meanwhile is not disturbed."""
    source = WAITING.replace("sys.stdin.readline()", "import time; time.sleep(0.6)")  # long enough to be told
    written(folder, {"app.py": source})
    with on_terminal(
        [*OURS, "run", "app.py"], folder, environment=environment_of(folder) | {"NO_COLOR": "1"}
    ) as (_, terminal):
        shown = terminal.until()

    assert "… Support" not in shown
    assert shown.index("half a line") < shown.index("✓ flow Support")


def test_without_a_terminal_nothing_is_told_before_the_end(folder: Path):
    """A log file gets the trees and nothing else."""
    source = WAITING.replace("sys.stdin.readline()", "import time; time.sleep(0.6)")
    written(folder, {"app.py": source})
    ended = subprocess.run(
        [*OURS, "run", "app.py"], cwd=folder, env={**os.environ, **environment_of(folder)},
        capture_output=True, text=True, timeout=DEADLINE,
    )  # fmt: skip

    assert "… Support" not in ended.stderr and "✓ flow Support" in ended.stderr

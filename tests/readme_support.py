"""Reads the blocks of a README, and runs its console sessions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NEEDS_A_REGISTRY = ("pip install", "nox")
"""Parts of commands that the checks of the wheel and of a fresh checkout run, not these tests."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CHANGING = re.compile(
    r"\d+(\.\d+)?\s?(ns|µs|ms|s|min|KiB|KB|bytes|B)\b"  # durations and sizes
    r"|\b[0-9a-f]{6,32}\b"  # ids
    r"|\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?|\b\d\d:\d\d(:\d\d)?\b"  # moments
)
LEFT_OUT = "…"
"""As a line of a console block: something stands here that the README does not show."""


@dataclass
class Command:
    """A line after `$`, and the output shown below it."""

    text: str
    shown: list[str] = field(default_factory=list)

    @property
    def runnable(self) -> str:
        """The command without the parts that need a package registry."""
        parts = self.text.split(" && ")
        return " && ".join(part for part in parts if not part.startswith(NEEDS_A_REGISTRY))

    def agrees(self, output: str) -> bool:
        """Whether `output` holds what is shown, apart from what differs from run to run.

        The program's lines and ours come by two streams, in any order. Where a line is left out,
        the others must be there.
        """
        expected, printed = sorted(_steady(self.shown)), sorted(_steady(output.splitlines()))
        if LEFT_OUT in expected or not expected:
            return set(expected) - {LEFT_OUT} <= set(printed)
        return expected == printed


def _steady(lines: list[str]) -> list[str]:
    return [" ".join(_CHANGING.sub("<>", line).split()) for line in lines if line.strip()]


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of `page` in `language`."""
    return [text for found, text in _BLOCK.findall(page) if found == language]


def commands(page: str) -> Iterator[Command]:
    """The commands of the console blocks of `page`, in order."""
    for block in blocks(page, "console"):
        command: Command | None = None
        for line in block.splitlines():
            if line.startswith("$ "):
                if command is not None:
                    yield command
                command = Command(line[2:])
            elif command is not None:
                command.shown.append(line)
        if command is not None:
            yield command


@dataclass
class Sandbox:
    """A folder like a checkout, with the package's command on PATH and a store of its own."""

    folder: Path

    def __post_init__(self) -> None:
        root = Path(__file__).parent.parent
        (self.folder / "examples").symlink_to(root / "examples")
        commands = self.folder / "bin"
        commands.mkdir()
        script = commands / "pocketflow-tracing"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pocketflow_tracing "$@"\n')
        script.chmod(0o755)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Runs `command` as a shell would, its two outputs in one."""
        environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "POCKETFLOW_TRACING_STORE": str(self.folder / "traces.db"),
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "BROWSER": "true",  # nobody wants windows to open while tests run
        }
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

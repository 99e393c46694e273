"""Running the command line as a user does: in a child process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

DEADLINE = 60
OURS = [sys.executable, "-m", "pocketflow_tracing"]


def child(
    command: Sequence[str],
    folder: Path,
    *,
    stdin: str = "",
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """What a command printed and how it ended, run in `folder` with these variables added."""
    return subprocess.run(
        command,
        cwd=folder,
        input=stdin,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=DEADLINE,
    )


def tracing_cli(
    *arguments: str, folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`pocketflow-tracing` with these arguments."""
    return child([*OURS, *arguments], folder, environment=environment)


def written(folder: Path, files: dict[str, str]) -> Path:
    """The folder, with these files in it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder

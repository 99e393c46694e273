"""What `import pocketflow_tracing` costs a program that may never trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LATE = ["langfuse", "opentelemetry", "rich", "click", "sqlite3", "dotenv", "pathlib"]
MOST_MODULES = 70
MOST_BYTES = 800_000
LOADED = """
import os, sys
import pocketflow
known = set(sys.modules)
import pocketflow_tracing
new = [sys.modules[name] for name in set(sys.modules) - known]
cached = filter(None, (getattr(module.__spec__, "cached", None) for module in new))
print(len(new), sum(map(os.path.getsize, cached)))
"""

LATER = """
import pathlib, sys
import pocketflow_tracing
texts = []

def told(event, details):
    if event == "compile" and details[1] == "<string>":
        texts.append(details[0])

sys.addaudithook(told)
import pocketflow_tracing.delivery.followed, pocketflow_tracing.store
print(texts)
"""


def python(source: str, **environment: str) -> str:
    """What a fresh interpreter prints for `source`."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**kept, **environment},
    )
    return done.stdout


def test_the_import_loads_nothing_that_can_wait() -> None:
    """Terminal, command line, database and dotenv come when they are first needed."""
    source = f"import sys, pocketflow_tracing; print([name for name in {LATE} if name in sys.modules])"

    assert python(source) == "[]\n"


def test_what_is_imported_with_the_first_trace_executes_no_text() -> None:
    """After an `exec` of a string, CPython forgets that Ctrl-C is what ended the program."""
    assert python(LATER) == "[]\n"


def test_the_import_loads_little(tmp_path: Path) -> None:
    """What it takes is reading the bytecode of our modules; how long, `benchmarks/imports.py` says."""
    modules, size = map(int, python(LOADED, PYTHONPYCACHEPREFIX=str(tmp_path)).split())
    assert modules <= MOST_MODULES
    assert size <= MOST_BYTES

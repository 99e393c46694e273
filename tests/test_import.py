"""What `import pocketflow_tracing` costs a program that may never trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LATE = ["langfuse", "opentelemetry", "rich", "click", "sqlite3", "dotenv", "pathlib"]
LIMIT_MS = 30
TIMED = """
import sys, time
import pocketflow
start = time.process_time()
import pocketflow_tracing
print((time.process_time() - start) * 1e3)
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


def test_the_import_is_quick(tmp_path: Path) -> None:
    """At most 30 ms over `import pocketflow`, once its bytecode is compiled."""
    compiled = {"PYTHONPYCACHEPREFIX": str(tmp_path)}
    python(TIMED, **compiled)

    # Processor time, until one try shows it: what else the machine does only ever adds.
    assert any(float(python(TIMED, **compiled)) <= LIMIT_MS for _ in range(40))

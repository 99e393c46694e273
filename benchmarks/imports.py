"""What `import pocketflow_tracing` costs, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from measuring import Rows, median, ms

ROUNDS = 15
HEAVY = ("langfuse", "opentelemetry", "rich", "click", "sqlite3")
CODE = f"""
import json, sys, time
start = time.perf_counter()
import pocketflow
between, work = time.perf_counter(), time.process_time()
import pocketflow_tracing
end, done = time.perf_counter(), time.process_time()
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps([between - start, end - between, done - work, heavy]))
"""


def import_rows(*, quick: bool) -> Rows:
    """What the import adds to that of PocketFlow, and which big libraries came with it."""
    _imported()  # writes the bytecode
    found = [_imported() for _ in range(3 if quick else ROUNDS)]
    heavy = sorted({name for one in found for name in one[3]})
    return [
        ("`import pocketflow`", ms(median(one[0] for one in found))),
        ("`import pocketflow_tracing`: added", ms(median(one[1] for one in found))),
        ("the same in processor time", ms(median(one[2] for one in found))),
        (f"of {', '.join(HEAVY)} it imports", ", ".join(heavy) or "none"),
    ]


def _imported() -> list[Any]:
    # As in an installed package, the bytecode is there already.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: list[Any] = json.loads(done.stdout)
    return found

"""What it costs to be traced, and what happens where that is too much, as Markdown tables.

    python benchmarks/engine.py [--quick] [nodes scopes loops idle worker long pressure imports]

`docs/benchmarks.md` says what each figure means. Everything is compared within one process, traced
and untraced in turn, and every figure is a median; where it says nothing else, it is the processor
time of the program's own thread. Takes some minutes; with `--quick` half of one, and says little.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from delivery import delivery_rows
from imports import import_rows
from longruns import long_rows, pressure_rows
from measuring import Rows, show
from nodes import node_rows, scope_rows
from othercode import idle_rows, loop_rows

from pocketflow_tracing import flush


def tables(folder: Path, *, quick: bool) -> dict[str, tuple[str, Callable[[], Rows]]]:
    """Every table: its short name, its title, and what measures it."""
    return {
        "nodes": ("A node", partial(node_rows, folder, quick=quick)),
        "scopes": ("A scope and a run", partial(scope_rows, folder, quick=quick)),
        "loops": ("Other code in a traced run", partial(loop_rows, folder, quick=quick)),
        "idle": ("When nothing is traced", partial(idle_rows, quick=quick)),
        "worker": ("The worker", partial(delivery_rows, quick=quick)),
        "long": ("A trace of very many steps", partial(long_rows, quick=quick)),
        "pressure": ("Faster than the worker", partial(pressure_rows, quick=quick)),
        "imports": ("Import", partial(import_rows, quick=quick)),
    }


def main() -> None:
    """Print the tables that are asked for, or all."""
    parser = argparse.ArgumentParser(description="What it costs to be traced.")
    parser.add_argument("tables", nargs="*", help="which tables; all if none is named")
    parser.add_argument("--quick", action="store_true", help="see that everything runs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        known = tables(Path(folder), quick=given.quick)
        if unknown := set(given.tables) - set(known):
            parser.error(f"there is no table {min(unknown)!r}, only {', '.join(known)}")
        for name in given.tables or known:
            title, measure = known[name]
            show(title, measure())
        flush()


if __name__ == "__main__":
    main()

"""A disk without room: one line, and nothing lost that need not be."""

from __future__ import annotations

import time
from pathlib import Path

from live_support import PRELUDE, stored
from store_support import run_child


def test_a_full_disk_is_told_once_and_nothing_is_lost_when_there_is_room_again(path: Path) -> None:
    """Files may not grow any more (RLIMIT_FSIZE): memory serves, then the file again."""
    program = (
        PRELUDE
        + """
import resource
settings = config(PATH)
ids = [traced(delivery, settings)]
delivery.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
ids += [traced(delivery, settings, steps=30) for _ in range(5)]
print(delivery.flush() > 0, [trace.id for trace in delivery.load(ids[1:], settings)] == ids[1:])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
ids.append(traced(delivery, settings))
print(delivery.flush(), [trace.id for trace in delivery.load(ids, settings)] == ids)
"""
    )
    out, err = run_child(program, path)
    assert out == "True True\n0 True\n"
    assert err.startswith(f"[TRACING] the trace store {path} cannot be used: ")
    assert err.endswith("; traces stay in memory while this lasts\n")
    assert err.count("\n") == 1
    assert [len(trace.spans) for trace in stored(path)] == [2, 31, 31, 31, 31, 31, 2]


def test_a_disk_that_stays_full_costs_the_program_nothing_but_a_line(path: Path) -> None:
    """The program ends as it would, at once, and the file keeps what it had."""
    program = (
        PRELUDE
        + """
import resource
settings = config(PATH)
traced(delivery, settings)
delivery.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for _ in range(5):
    traced(delivery, settings, steps=30)
print("done")
"""
    )
    began = time.monotonic()
    out, err = run_child(program, path)
    assert (out, err.count("\n")) == ("done\n", 1)
    assert time.monotonic() - began < 15
    assert next(len(trace.spans) for trace in stored(path)) == 2

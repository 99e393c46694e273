"""A number that a process and its forks count together."""

from __future__ import annotations

import mmap
import os

_CELLS = 4096


class SharedCount:
    """Counts without a lock: each process adds to a cell of its own, in memory that a fork shares.

    Exact as long as fewer processes run at once than there are cells; one that reuses the id of
    another goes on where that one stopped.
    """

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, 8 * _CELLS)).cast("Q")

    def add(self, number: int) -> None:
        """Count `number` more; for one thread of each process at a time."""
        self._cells[os.getpid() % _CELLS] += number

    def total(self) -> int:
        """What all of them counted."""
        return sum(self._cells)

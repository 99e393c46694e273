"""Giving way: whoever works long in Python keeps everybody else in the process waiting."""

from __future__ import annotations

import time

WORK_SECONDS = 0.001
PAUSE_SECONDS = 0.00005


class Pace:
    """Pauses for a moment, now and then, when it is called between two pieces of work."""

    def __init__(self) -> None:
        self._until = 0.0

    def __call__(self) -> None:
        """Let other threads have their turn, if this one has worked for long enough."""
        if time.perf_counter() > self._until:
            time.sleep(PAUSE_SECONDS)
            self._until = time.perf_counter() + WORK_SECONDS

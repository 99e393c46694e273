"""Who writes a trace, and whether that process is still there."""

from __future__ import annotations

import functools
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:
    from .record import Record

SILENCE_NS = 60 * 1_000_000_000
"""A process that cannot be looked at from here counts as gone after this long without a sign of life."""


class Writer(Record):
    """A process, told apart from every other one that ever had or will have its pid."""

    host: str
    boot: str
    pid: int
    started: int

    @classmethod
    def this_process(cls) -> Writer:
        """The process that asks."""
        pid = os.getpid()
        if pid not in _known:
            state = _state(pid)
            _known[pid] = cls(os.uname().nodename, _boot(), pid, 0 if state is None else state[1])
        return _known[pid]

    def is_gone(self, renewed_ns: int) -> bool:
        """Whether the process has ended; `renewed_ns` is its last sign of life.

        Looked up where the pid means something here; where it does not (another host, another
        container, before a reboot, a system without /proc), silence tells.
        """
        if not self.boot or (self.host, self.boot) != (os.uname().nodename, _boot()):
            return time.time_ns() - renewed_ns > SILENCE_NS
        state = _state(self.pid)
        return state is None or state[0] in "ZX" or state[1] != self.started


_known: dict[int, Writer] = {}


def forget_writer() -> None:
    """Look again who this process is: it is the child of a fork."""
    _known.clear()


@functools.cache
def _boot() -> str:
    """What makes a pid unambiguous: this boot of the machine and the pid namespace; '' without /proc."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _state(pid: int) -> tuple[str, int] | None:
    """State letter and start time of a process, or None where there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    # The command name, in parentheses, may itself hold spaces and parentheses.
    columns = text[text.rindex(")") + 2 :].split()
    return columns[0], int(columns[19])

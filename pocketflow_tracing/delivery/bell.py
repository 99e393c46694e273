"""A wake-up call that may come from anywhere."""

from __future__ import annotations

import _thread

LONGEST = 3600.0


class Bell:
    """Rung by any thread, waited for by any thread; a ring that nobody waited for yet is kept, once.

    Each act is one call into C: a signal handler or a finaliser that breaks into `ring` may ring as
    well, where the lock inside a `threading.Event` would block its own thread for ever.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake one waiter, now or when it comes."""
        try:
            self._lock.release()
        except RuntimeError:
            pass  # rung already

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for a ring, as long as it takes where `seconds` is None; whether it came."""
        if seconds is None:
            return self._lock.acquire()
        if seconds <= 0:
            return self._lock.acquire(False)
        return self._lock.acquire(True, min(seconds, LONGEST))

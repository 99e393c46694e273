"""The one thread of this process that talks to servers."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from ...errors import StoreError, log, tell_failure
from ..bell import Bell
from ..undisturbed import start_undisturbed

if TYPE_CHECKING:
    from ...sinks.network import NetworkSink
    from ...store import Store
    from ...store.addresses import Destination
    from ...store.outbox import Outbox
    from .courier import Courier

THREAD_NAME = "pocketflow-tracing-shipping"
GATHER_SECONDS = 2.0
"""How long traces that ended may wait for a moment in which none runs: a busy program goes first."""
LOOK_AGAIN_SECONDS = 30.0
"""How often to look for what other processes left, while anything waits."""
FAILED_EXIT_SECONDS = 0.3
"""What the end of the process waits at most for a destination that did not work before."""
POLL_SECONDS = 0.005
LONGEST_POLL_SECONDS = 0.1
FORK_SECONDS = 2.0
FORK_SENDING_SECONDS = 0.1
_NEVER = float("inf")


class Place(Protocol):
    """Where traces are kept that are to be sent."""

    def outlets(self) -> list[Store]:
        """The stores to send from."""


class Shipper:
    """Sends what this process has credentials for. Its thread starts with the first trace to be sent.

    Nothing here makes anyone wait for the network, but for `flush` and `finish`, which say how long.
    """

    def __init__(self) -> None:
        self._couriers: dict[Destination, Courier] = {}
        self._retired: list[Courier] = []
        self._places: dict[int, Place] = {}
        self._thread: threading.Thread | None = None
        # Whoever takes the one token may start the thread; taking it is a single step.
        self._may_start = deque([True])
        self._bell = Bell()
        self._leave = False
        self._is_over = False
        self._busy = False
        self._calls: deque[float] = deque()
        """When to come: appending is a single step, whoever breaks in."""
        self._look_at = 0.0
        self.left_at_end = 0
        """How many spans were left when the process ended."""
        self.wants_urls = False
        """Whether somebody wants to know where the traces can be looked at."""

    # From the program's threads and the worker's.

    def begin(self, *, debug: bool = False) -> None:
        """A trace began that is to be sent: start the thread, while one can be started."""
        if self._thread is None and self._may_start:
            if debug:
                log.debug("[TRACING] Initializing Langfuse client...")
            start_undisturbed(self._start_thread)

    def _start_thread(self) -> None:
        try:
            self._may_start.pop()
        except IndexError:
            return
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # None is to be had: what waits is sent by the next process.
            self._thread = None
            self._may_start.append(True)

    def add(self, place: Place, sinks: Iterable[NetworkSink], *, debug: bool = False) -> None:
        """Send from `place` what is addressed to `sinks`."""
        from .courier import Courier

        self._places[id(place)] = place
        for sink in sinks:
            known = self._couriers.get(sink.destination)
            if known is None or known.sink != sink:
                if known is not None:  # other credentials for the same project
                    self._retired.append(known)
                known = self._couriers[sink.destination] = Courier(sink)
            known.debug = known.debug or debug
            known.wants_urls = self.wants_urls

    def wake(self, *, calm: bool) -> None:
        """Something is ready to be sent: at once where the program is `calm`, and no trace runs."""
        self._calls.append(time.monotonic() + (0.0 if calm else GATHER_SECONDS))
        self._bell.ring()

    @property
    def is_used(self) -> bool:
        """Whether this process sends anything at all."""
        return bool(self._couriers)

    def urls(self) -> dict[str, str]:
        """Where traces that arrived can be looked at, by their ids."""
        return {id: url for courier in list(self._couriers.values()) for id, url in courier.urls.items()}

    # Waiting for it.

    def flush(self, deadline: float) -> int:
        """Wait until all that this process traced has arrived; how many spans have not.

        Where nothing that is left can be sent at present, that is known after one more attempt.
        """
        if not self.is_used or threading.current_thread() is self._thread:
            return 0
        before = {courier: courier.attempts for courier in list(self._couriers.values())}
        self._hurry()
        pause = POLL_SECONDS
        while left := self._left_by_courier(own=True):
            seconds = deadline - time.monotonic()
            if seconds <= 0 or self._is_over or self._is_hopeless():
                break
            if all(courier.gave_up(before.get(courier, 0), deadline) for courier in left):
                break
            time.sleep(min(pause, seconds))
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)
        return sum(left.values())

    def finish(self, deadline: float) -> int:
        """Send what can be sent until `deadline`, and no longer than makes sense; how many spans are left.

        The process ends after this.
        """
        if not self.is_used:
            return 0
        if any(courier.failures for courier in self._couriers.values()):
            deadline = min(deadline, time.monotonic() + FAILED_EXIT_SECONDS)
        failed_before = self._failures()
        self._hurry()
        while (left := self._left(own=False)) or self._busy:
            now = time.monotonic()
            if now >= deadline or self._is_hopeless() or self._failures() != failed_before:
                break
            time.sleep(min(POLL_SECONDS, deadline - now))
        self.left_at_end = left
        self._is_over = True
        self._end(min(FORK_SECONDS, max(0.0, deadline - time.monotonic()) + 4 * POLL_SECONDS))
        return left

    def _hurry(self) -> None:
        for courier in list(self._couriers.values()):
            courier.hurry()
        self.wake(calm=True)

    def _failures(self) -> int:
        return sum(courier.attempts_failed for courier in list(self._couriers.values()))

    def _is_hopeless(self) -> bool:
        couriers = list(self._couriers.values())
        return self._thread is None or all(courier.is_refused for courier in couriers)

    def _left(self, *, own: bool) -> int:
        return sum(self._left_by_courier(own=own).values())

    def _left_by_courier(self, *, own: bool) -> Counter[Courier]:
        """How many spans each courier has left, if any."""
        left: Counter[Courier] = Counter()
        for courier in list(self._couriers.values()):
            for outbox in self._outboxes(courier):
                try:
                    left[courier] += outbox.left(own=own, reachable=not own)
                except StoreError as failure:
                    log.debug("cannot look into the outbox: %s", failure)
        return +left

    # The thread.

    def _run(self) -> None:
        # A profiler that the program sets for all its threads has no business in ours.
        sys.setprofile(None)
        this = threading.current_thread()
        due = _NEVER
        while not self._leave and self._thread is this:
            while self._calls:
                due = min(due, self._calls.popleft())
            seconds = due - time.monotonic()
            if seconds > 0:
                self._bell.wait(None if due == _NEVER else seconds)
                continue
            self._busy = True
            try:
                due = self._round()
            except BaseException as failure:
                tell_failure("shipping", failure)
                due = time.monotonic() + LOOK_AGAIN_SECONDS
            finally:
                self._busy = False
        self._close()
        if self._is_over:
            self._close_stores()
        if self._thread is this:
            self._thread = None
            self._may_start.append(True)

    def _close(self) -> None:
        """Close all connections: a fork shares them otherwise. They open again when needed."""
        for courier in [*self._couriers.values(), *self._retired]:
            try:
                courier.close()
            except Exception as failure:
                log.debug("cannot close a connection", exc_info=failure)
        self._retired.clear()

    def _close_stores(self) -> None:
        for place in list(self._places.values()):
            for store in place.outlets():
                try:
                    store.close()
                except StoreError as failure:
                    log.debug("cannot close: %s", failure)

    def _round(self) -> float:
        """Send everything there is to send; when to come again."""
        now = time.monotonic()
        thorough = now >= self._look_at
        if thorough:
            self._look_at = now + LOOK_AGAIN_SECONDS
        again = _NEVER
        for courier in list(self._couriers.values()):
            if courier.not_before <= time.monotonic():
                for outbox in self._outboxes(courier):
                    if self._ship(courier, outbox, thorough=thorough) and outbox.left():
                        # Somebody else is sending it, and may not come to its end.
                        again = min(again, now + LOOK_AGAIN_SECONDS)
            if courier.not_before:
                again = min(again, courier.not_before)
        return again

    def _ship(self, courier: Courier, outbox: Outbox, *, thorough: bool) -> bool:
        try:
            return courier.ship(outbox, self._goes_on, thorough=thorough)
        except StoreError as failure:
            courier.not_stored(failure)
            return False

    def _goes_on(self) -> bool:
        return not self._leave

    def _outboxes(self, courier: Courier) -> Iterator[Outbox]:
        from ...store.outbox import Outbox

        for place in list(self._places.values()):
            for store in place.outlets():
                yield Outbox(store, courier.sink.destination)

    # Forks.

    def rest(self) -> bool:
        """Bring the thread to its end for a fork, unless it is held up; whether it was there."""
        if self._thread is None or self._thread is threading.current_thread():
            return False
        self._end(FORK_SECONDS)
        self._leave = False
        return True

    def _end(self, seconds: float) -> None:
        """Have the thread end, and wait for it for so long, or for a moment where it is held up."""
        self._leave = True
        thread = self._thread
        began = time.monotonic()
        while thread is not None and thread.is_alive():
            self._bell.ring()
            sending = any(courier.is_sending for courier in list(self._couriers.values()))
            if time.monotonic() > began + (min(seconds, FORK_SENDING_SECONDS) if sending else seconds):
                break
            try:
                thread.join(POLL_SECONDS)
            except RuntimeError:
                return  # another thread is starting it at this moment

    def go_on(self) -> None:
        """After a fork, in the parent: start again what came to rest."""
        self.begin()
        self.wake(calm=True)

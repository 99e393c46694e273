"""A thread that talks to servers: one for each destination, so that one that hangs holds up no other."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
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
_NEVER = float("inf")


class Place(Protocol):
    """Where traces are kept that are to be sent."""

    def outlets(self) -> list[Store]:
        """The stores to send from."""


class Lane:
    """Sends what is left at its places for its destinations, mostly a single one, on a thread of its own."""

    def __init__(self) -> None:
        self.couriers: dict[Destination, Courier] = {}
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
        self.look_at = 0.0
        """When to look for what other processes left (monotonic)."""

    # From the program's threads and the worker's.

    def begin(self, *, debug: bool = False) -> None:
        """Start the thread, while one can be started."""
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

    def add(self, place: Place, sink: NetworkSink) -> Courier:
        """Send from `place` what is addressed to `sink`; what does that."""
        from .courier import Courier

        self._places[id(place)] = place
        known = self.couriers.get(sink.destination)
        if known is None or known.sink != sink:
            if known is not None:  # other credentials for the same project
                self._retired.append(known)
            known = self.couriers[sink.destination] = Courier(sink)
        return known

    def wake(self, *, calm: bool) -> None:
        """Something is ready to be sent: at once where the program is `calm`, and no trace runs."""
        self._calls.append(time.monotonic() + (0.0 if calm else GATHER_SECONDS))
        self._bell.ring()

    def hurry(self) -> None:
        """Have everything tried now that is of any use."""
        for courier in list(self.couriers.values()):
            courier.hurry()
        self.wake(calm=True)

    def look_again(self) -> None:
        """Look for what other processes took and left, being gone."""
        self.look_at = 0.0
        self.wake(calm=True)

    # Whether it is worth waiting for.

    @property
    def is_current(self) -> bool:
        """Whether this is its thread."""
        return self._thread is threading.current_thread()

    @property
    def is_there(self) -> bool:
        """Whether there is a thread, without which nothing is sent."""
        return self._thread is not None

    def left(self, *, own: bool) -> Counter[Courier]:
        """How many spans each courier has left, if any: of this process, or what nobody else is sending."""
        left: Counter[Courier] = Counter()
        for courier in list(self.couriers.values()):
            for outbox in self._outboxes(courier):
                try:
                    left[courier] += outbox.left(own=own, reachable=not own)
                except StoreError as failure:
                    log.debug("cannot look into the outbox: %s", failure)
        return +left

    def finish_by(self, deadline: float) -> None:
        """The process ends: send what can be sent until `deadline`, and no longer than makes sense."""
        failed = min(deadline, time.monotonic() + FAILED_EXIT_SECONDS)
        for courier in list(self.couriers.values()):
            courier.finish_by(failed if courier.failures else deadline)
        self.hurry()

    @property
    def until(self) -> float:
        """When the last of its couriers gives up, after `finish_by` (monotonic)."""
        return max((courier.until for courier in list(self.couriers.values())), default=0.0)

    def may_finish(self) -> bool:
        """Whether something is left that may still arrive, after `finish_by`."""
        if self._thread is None:
            return False
        left = self.left(own=False)
        waited_for = left or (self.couriers.values() if self._busy else ())
        return any(courier.may_succeed() for courier in list(waited_for))

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
        for courier in [*self.couriers.values(), *self._retired]:
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
        thorough = now >= self.look_at
        if thorough:
            self.look_at = now + LOOK_AGAIN_SECONDS
        again = _NEVER
        for courier in list(self.couriers.values()):
            moment = time.monotonic()
            if courier.not_before <= moment:
                for outbox in self._outboxes(courier):
                    if self._ship(courier, outbox, thorough=thorough) and outbox.left():
                        # Somebody else is sending it, and may not come to its end.
                        again = min(again, now + LOOK_AGAIN_SECONDS)
            if courier.not_before > moment:
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

    # Its end.

    def leave(self, *, for_good: bool = False) -> bool:
        """Tell the thread to come to its end; whether there is one."""
        if self._thread is None or self.is_current:
            return False
        self._is_over = for_good
        self._leave = True
        self._bell.ring()
        return True

    def join(self, until: float, sending_until: float) -> None:
        """Wait for the thread that was told to leave; less where it is in the middle of a request."""
        thread = self._thread
        while thread is not None and thread.is_alive():
            self._bell.ring()
            sending = any(courier.is_sending for courier in list(self.couriers.values()))
            if time.monotonic() > (min(until, sending_until) if sending else until):
                break
            try:
                thread.join(POLL_SECONDS)
            except RuntimeError:
                return  # another thread is starting it at this moment

    def stay(self) -> None:
        """It may be begun again."""
        self._leave = False

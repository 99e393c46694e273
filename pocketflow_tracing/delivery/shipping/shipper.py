"""What this process sends over the network: a lane for each destination, and waiting for all of them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .lane import POLL_SECONDS, Lane, Place

if TYPE_CHECKING:
    from ...config import TracingConfig
    from ...sinks.network import NetworkSink
    from ...store.addresses import Destination
    from .courier import Courier

    Key = tuple[str, str]

LONGEST_POLL_SECONDS = 0.1
LOOK_AGAIN_SECONDS = 1.0
"""How often whoever waits has looked whether a process that took some of it is gone."""
SETTLE_SECONDS = 0.02
"""How long the threads get, at the end of the process, that have nothing to do any more."""
FORK_SECONDS = 2.0
FORK_SENDING_SECONDS = 0.1
"""How long a fork waits for a thread that is in the middle of a request."""
MOST_LANES = 8
"""So many destinations have a thread of their own; more of them share these."""
_BACKEND = ("otlp", "")


class Shipper:
    """Sends what this process has credentials for. Its threads start with the first trace to be sent.

    Nothing here makes anyone wait for the network, but for `flush` and `finish`, which say how long.
    """

    def __init__(self) -> None:
        self._lanes: dict[Key, Lane] = {}
        self._rested: dict[Lane, None] = {}
        """Lanes that ever came to rest for a fork: when several threads fork at once, whose turn a lane is
        to be begun again is not known, and to begin one that is there does nothing."""
        self._is_over = False
        self.left_at_end = 0
        """How many spans were left when the process ended."""
        self.wants_urls = False
        """Whether somebody wants to know where the traces can be looked at."""

    # From the program's threads and the worker's.

    def begin(self, config: TracingConfig) -> None:
        """A trace began: start the threads that send it, if any, while they can be started."""
        if config.langfuse_enabled and config.langfuse_public_key and config.langfuse_secret_key:
            self._lane((config.langfuse_host, config.langfuse_public_key)).begin(debug=config.debug)
        if config.otlp:
            self._lane(_BACKEND).begin(debug=config.debug)

    def add(self, place: Place, sinks: Iterable[NetworkSink], *, debug: bool = False) -> None:
        """Send from `place` what is addressed to `sinks`."""
        for sink in sinks:
            courier = self._lane(_key_of(sink.destination)).add(place, sink)
            courier.debug = courier.debug or debug
            courier.wants_urls = self.wants_urls

    def wake(self, *, calm: bool) -> None:
        """Something is ready to be sent: at once where the program is `calm`, and no trace runs."""
        for lane in self.lanes():
            lane.wake(calm=calm)

    def _lane(self, key: Key) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            known = self.lanes()
            lane = Lane() if len(known) < MOST_LANES else known[len(self._lanes) % MOST_LANES]
            lane = self._lanes.setdefault(key, lane)  # a single step, whoever breaks in
        return lane

    def lanes(self) -> list[Lane]:
        """Every lane there is."""
        return list(dict.fromkeys(list(self._lanes.values())))

    def _couriers(self) -> list[Courier]:
        return [courier for lane in self.lanes() for courier in list(lane.couriers.values())]

    def urls(self) -> dict[str, str]:
        """Where traces that arrived can be looked at, by their ids."""
        return {id: url for courier in self._couriers() for id, url in courier.urls.items()}

    # Waiting for it.

    def flush(self, deadline: float) -> int:
        """Wait until all that this process traced has arrived; how many spans have not.

        Where nothing that is left can be sent at present, that is known after one more attempt.
        """
        if any(lane.is_current for lane in self.lanes()):
            return 0
        before = {courier: courier.attempts for courier in self._couriers()}
        for lane in self.lanes():
            lane.hurry()
        pause, look_at = POLL_SECONDS, 0.0
        while True:
            left = [(lane, lane.left(own=True)) for lane in self.lanes()]
            now = time.monotonic()
            seconds = deadline - now
            if seconds <= 0 or self._is_over:
                break
            if all(
                not lane.is_there or courier.gave_up(before.get(courier, 0), deadline)
                for lane, spans in left
                for courier in spans
            ):
                break
            if now >= look_at:
                look_at = now + LOOK_AGAIN_SECONDS
                for lane, spans in left:
                    if spans:
                        lane.look_again()
            time.sleep(min(pause, seconds))
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)
        return sum(sum(spans.values()) for _, spans in left)

    def finish(self, deadline: float) -> int:
        """Send what can be sent until `deadline`, and no longer than makes sense; how many spans are left.

        The process ends after this. Each destination is waited for as long as it may work by itself.
        """
        lanes = self.lanes()
        for lane in lanes:
            lane.finish_by(deadline - 2 * SETTLE_SECONDS)
        while any(lane.may_finish() for lane in lanes):
            time.sleep(POLL_SECONDS)
        self.left_at_end = sum(sum(lane.left(own=False).values()) for lane in lanes)
        self._is_over = True
        leaving = [lane for lane in lanes if lane.leave(for_good=True)]
        soon = time.monotonic() + SETTLE_SECONDS
        for lane in leaving:
            lane.join(max(soon, lane.until), sending_until=soon)
        return self.left_at_end

    # Forks.

    def rest(self) -> None:
        """Bring the threads to their end for a fork, unless they are held up."""
        leaving = [lane for lane in self.lanes() if lane.leave()]
        self._rested.update(dict.fromkeys(leaving))
        now = time.monotonic()
        for lane in leaving:
            lane.join(now + FORK_SECONDS, sending_until=now + FORK_SENDING_SECONDS)
            lane.stay()

    def go_on(self) -> None:
        """After a fork, in the parent: start again what came to rest, for this fork or another."""
        if self._is_over:
            return
        for lane in list(self._rested):
            lane.begin()
            lane.wake(calm=True)


def _key_of(destination: Destination) -> Key:
    return (destination.host, destination.account) if destination.kind == "langfuse" else _BACKEND

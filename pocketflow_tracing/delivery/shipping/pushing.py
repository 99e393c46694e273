"""Sending what waits in a store, now and on the calling thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ...store.outbox import Outbox
from .courier import Courier

if TYPE_CHECKING:
    from ...sinks.network import NetworkSink
    from ...store import Store


def push(
    store: Store,
    sinks: Sequence[NetworkSink],
    seconds: float,
    ids: Sequence[str] | None = None,
    waits: Callable[[float], object] = lambda seconds: None,
) -> list[Courier]:
    """Send to `sinks` what waits for them, for at most about `seconds`; what each courier did.

    With `ids`, only these traces, whether or not they were traced for these destinations. `waits` is
    told each time how long it is until the next attempt.
    """
    deadline = time.monotonic() + seconds
    if ids is not None:
        store.save((), (), [(id, sink.destination) for id in ids for sink in sinks])
    couriers = []
    for sink in sinks:
        courier = Courier(sink)
        courier.wants_urls = True
        couriers.append(courier)
        try:
            _ship(courier, Outbox(store, sink.destination), deadline, ids, waits)
        finally:
            courier.close()
    return couriers


def _ship(
    courier: Courier,
    outbox: Outbox,
    deadline: float,
    ids: Sequence[str] | None,
    waits: Callable[[float], object],
) -> None:
    def goes_on() -> bool:
        return time.monotonic() < deadline

    while not courier.ship(outbox, goes_on, only=ids, thorough=True):
        if courier.is_refused or courier.not_before > deadline:
            return
        wait = max(0.0, courier.not_before - time.monotonic())
        waits(wait)
        time.sleep(wait)

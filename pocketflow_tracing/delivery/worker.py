"""What happens to the records: they become rows in the store, and what sinks are told."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import tell_failure
from ..live import LiveSpan, LiveTrace
from ..sinks.base import Sink
from .bell import Bell
from .queue import ENDED, FLUSH, STARTED, Queue
from .release import release_span

if TYPE_CHECKING:
    from pathlib import Path

    from .followed import Followed
    from .keeper import Keeper
    from .shipping import Shipper

SAVE_SECONDS = 0.3
"""The longest that anything waits to be written: all that a killed process loses."""
GATHER_SECONDS = 0.02
"""How long the end of a trace waits for others to be written with it."""
BATCH_SPANS = 1000
BATCH_BYTES = 1024 * 1024
TURN_SECONDS = 0.0005
"""How long the worker goes on before it gives the program's threads a chance, and sinks their turn."""
YIELD_SECONDS = 0.00005
RENEW_SECONDS = 15.0
"""How often a process says that it is alive, where it has nothing to write."""
POLL_SECONDS = (0.05, 0.1)
"""How soon the worker looks again while traces are open, and how late if there was nothing new."""
REST_SECONDS = 0.5
"""How long the worker goes on when a fork waits for it."""
PRUNE_SECONDS = 0.1
"""How long it deletes old traces before it looks whether there is something else to do."""
LINGER_SECONDS = 1.0
"""How long files stay open after the last trace."""
MAX_SINKS = 100
_NEVER = float("inf")


class Ticket:
    """A flush under way: rung when all that was handed over before it is written and told."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.done = Bell()
        self.left = 0


class Worker:
    """Takes records from the queue, in order. Any thread may do its work, one at a time.

    `lock` is held while records are taken and written, never while a sink is told: whoever cannot
    wait for a sink (the end of the process) can do the writing itself.
    """

    def __init__(self, queue: Queue, shipper: Shipper) -> None:
        self.lock = threading.Lock()
        self.is_telling = False
        """Whether a sink is being told something, which may take as long as it likes."""
        self._queue = queue
        self._shipper = shipper
        self._has_sendable = False
        """Whether a trace ended that is to be sent, and is not written yet."""
        self._traces: dict[int, Followed] = {}
        self._keepers: dict[Path, Keeper] = {}
        self._notes: deque[tuple[Callable[[Any], object], Any, str]] = deque()
        self._closable: dict[int, Sink] = {}
        self._save_at = _NEVER
        self._rest_at = _NEVER
        self._renew_at = 0.0
        self._poll = POLL_SECONDS[0]
        self._act: dict[int, Callable[[Any], None]] = {
            STARTED: self._trace_started,
            ENDED: self._trace_ended,
            FLUSH: self._flushed,
        }

    def turn(self) -> float | None:
        """Do what there is to do; after how many seconds to come again, None for when called."""
        busy = bool(self._queue.records)
        with self.lock:
            emptied = self._take(TURN_SECONDS)
            if time.monotonic() >= self._save_at:
                self._save()
            if emptied:
                for keeper in self._keepers.values():
                    keeper.prune(PRUNE_SECONDS)
        self._tell(_NEVER)
        return self._pause(busy) if emptied else YIELD_SECONDS

    def write_all(self, deadline: float) -> bool:
        """Write everything, telling no sink yet; False where `deadline` (monotonic) came first."""
        while True:
            if not self.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                return False
            try:
                emptied = self._take(0.1)
                for keeper in self._keepers.values():
                    keeper.hurry(deadline)
                self._save(retry=emptied)
            finally:
                self.lock.release()
            if emptied:
                return True
            if time.monotonic() > deadline:
                return False

    def work_until(self, deadline: float) -> None:
        """Do everything there is to do, in the place of a thread that cannot be had."""
        self.write_all(deadline)
        self._tell(deadline)
        with self.lock:
            for keeper in self._keepers.values():
                keeper.rest()

    def finish(self, deadline: float) -> None:
        """Tell sinks what is left to tell, have them send it on, and close everything."""
        self._tell(deadline)
        self._flush_sinks(deadline)
        for sink in self._closable.values():
            self._notes.append((_call, sink.close, _name(sink)))
        self._closable.clear()
        self._tell(deadline)
        self._shipper.finish(deadline)
        with self.lock:
            for keeper in self._keepers.values():
                if time.monotonic() < deadline - 2 * PRUNE_SECONDS:
                    keeper.prune(PRUNE_SECONDS)
                keeper.close()

    def rest(self) -> None:
        """Write and tell what is there, as far as it takes no time, and close the files, for a fork."""
        with self.lock:
            self._take(REST_SECONDS, limit=len(self._queue.records))
            self._save()
            for keeper in self._keepers.values():
                keeper.rest()
        self._tell(time.monotonic() + REST_SECONDS)

    @property
    def has_more(self) -> bool:
        """Whether there is anything left to do at once."""
        return bool(self._queue.records or self._notes)

    def abandon(self) -> None:
        """After a fork: leave everything to the parent, files that are still open too."""
        for keeper in self._keepers.values():
            keeper.abandon()

    def keeper(self, path: Path | None) -> Keeper | None:
        """Where the traces of the store at `path` are, if any came by."""
        return None if path is None else self._keepers.get(path)

    # Records.

    def _take(self, seconds: float, limit: float = _NEVER) -> bool:
        """Take records for so long, or so many, at most; whether all were taken."""
        queue = self._queue
        until = time.monotonic() + seconds
        while limit > 0:
            limit -= 1
            try:
                record = queue.records.popleft()
            except IndexError:
                return True
            try:
                if isinstance(record, LiveSpan):
                    self._step_ended(record)
                else:
                    self._act[record[0]](record[1])
            except BaseException as failure:
                tell_failure("the worker", failure)
            if isinstance(record, LiveSpan):
                queue.taken(record.size)
                release_span(record)
            if time.monotonic() > until:
                break
        return False

    def _trace_started(self, live: LiveTrace) -> None:
        # Late, and mostly on our own thread: a program pays for rendering and masking when it traces.
        from ..sinks.network import configured
        from .followed import Followed
        from .keeper import MEMORY, Keeper

        config = live.config
        network = configured(config)
        path = config.store or (MEMORY if network else None)
        keeper = None
        if path is not None:
            keeper = self._keepers.get(path)
            if keeper is None:
                keeper = self._keepers[path] = Keeper(path, config)
                self._save_at = time.monotonic()  # a short program may be killed before long
        if keeper is not None and network:
            self._shipper.add(keeper, network, debug=live.debug)
        followed = self._traces[live.id] = Followed(live, keeper, [sink.destination for sink in network])
        for sink in live.sinks:
            if _holds_something(sink):
                self._remember(sink)
        if live.sinks:
            self._note_all(followed, "trace_started", followed.header())
        self._save_within(SAVE_SECONDS)

    def _step_ended(self, live: LiveSpan) -> None:
        for phase in live.phases():
            self._span_ended(phase)
        self._span_ended(live)

    def _span_ended(self, live: LiveSpan) -> None:
        live.trace.span_count += 1
        followed = self._traces.get(live.trace.id)
        if followed is None or not (followed.keeper or followed.sinks):
            return
        texts: dict[str, str] = {}
        span = followed.span(live, texts)
        if span is None:
            return
        followed.add_ended(span, texts)
        self._note_all(followed, "span_ended", span)
        self._save_within(SAVE_SECONDS)
        keeper = followed.keeper
        if keeper is not None and (
            len(keeper.batch.spans) >= BATCH_SPANS or keeper.batch.bytes >= BATCH_BYTES
        ):
            self._save()

    def _trace_ended(self, live: LiveTrace) -> None:
        followed = self._traces.pop(live.id, None)
        if followed is None or not (followed.keeper or followed.sinks):
            return
        trace = followed.header()
        followed.add_header(trace)
        self._has_sendable = self._has_sendable or bool(followed.destinations)
        self._note_all(followed, "trace_ended", trace)
        self._save_within(GATHER_SECONDS)

    def _flushed(self, ticket: Ticket) -> None:
        self._notes.append((self._finish_flush, ticket, "flush"))
        self._save(retry=True)

    # The store.

    def _save_within(self, seconds: float) -> None:
        self._save_at = min(self._save_at, time.monotonic() + seconds)

    def _save(self, *, retry: bool = False) -> None:
        """Write what is due, open spans as well."""
        now = time.monotonic()
        self._save_at = now + SAVE_SECONDS if self._traces else _NEVER
        self._rest_at = now + LINGER_SECONDS
        for followed in list(self._traces.values()):
            for span in followed.add_open():
                self._note_all(followed, "span_open", span)
            if followed.touched:
                followed.add_header()
        renew = bool(self._traces) and now >= self._renew_at
        if renew:
            self._renew_at = now + RENEW_SECONDS
        for keeper in self._keepers.values():
            for trace_id, lost in keeper.save(renew=renew).items():
                running = self._traces.get(int(trace_id, 16))
                if running is not None:
                    running.lost(lost)
            if retry:
                keeper.retry(now=True)
            if keeper.is_locked_out:
                self._save_within(keeper.locked_retry_seconds)
        if self._has_sendable:
            self._has_sendable = False
            self._shipper.wake(calm=not self._traces)

    def _pause(self, busy: bool) -> float | None:
        """How long there is nothing to do."""
        now = time.monotonic()
        if self._traces:
            self._poll = POLL_SECONDS[0] if busy else min(self._poll * 2, POLL_SECONDS[1])
            return max(0.0, min(self._poll, self._save_at - now))
        if self._save_at != _NEVER:
            return max(0.0, self._save_at - now)
        if now < self._rest_at:  # a trace may begin meanwhile
            return min(self._rest_at - now, POLL_SECONDS[1])
        with self.lock:
            for keeper in self._keepers.values():
                keeper.rest()
        return None

    # Sinks.

    def _note_all(self, followed: Followed, method: str, subject: object) -> None:
        for sink in followed.sinks:
            told = getattr(sink, method, None)
            if told is not None:
                self._notes.append((told, subject, _name(sink)))

    def _tell(self, deadline: float) -> None:
        while self._notes and time.monotonic() < deadline:
            told, subject, name = self._notes.popleft()
            self.is_telling = True
            try:
                told(subject)
            except BaseException as failure:
                tell_failure(name, failure)
            finally:
                self.is_telling = False

    def _finish_flush(self, ticket: Ticket) -> None:
        try:
            ticket.left = self._flush_sinks(ticket.deadline)
            ticket.left += sum(keeper.waiting for keeper in self._keepers.values())
        finally:
            ticket.done.ring()

    def _remember(self, sink: Sink) -> None:
        """See that a sink is flushed and closed in the end; the last ones that were used are enough."""
        self._closable.pop(id(sink), None)
        self._closable[id(sink)] = sink
        if len(self._closable) > MAX_SINKS:
            # One for each of very many scopes: it sends what it holds, and is its owner's to close.
            oldest = self._closable.pop(next(iter(self._closable)))
            self._notes.append((oldest.flush, 1.0, _name(oldest)))

    def _flush_sinks(self, deadline: float) -> int:
        """Have every sink send on what it holds back; how many could not."""
        held = 0
        for sink in list(self._closable.values()):
            try:
                held += sink.flush(max(0.0, deadline - time.monotonic())) is False
            except BaseException as failure:
                tell_failure(_name(sink), failure)
                held += 1
        return held


def _call(act: Callable[[], None]) -> None:
    act()


def _name(sink: object) -> str:
    return f"sink {type(sink).__name__}"


def _holds_something(sink: object) -> bool:
    """Whether a sink has anything to flush or to close; the others are not kept alive by us."""
    own = (getattr(sink, name, None) for name in ("flush", "close"))
    return any(getattr(method, "__func__", method) not in (None, Sink.flush, Sink.close) for method in own)

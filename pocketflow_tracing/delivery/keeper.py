"""Where the traces of one store go: into the file, or into memory while the file cannot be written."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StoreError, log, tell_once
from ..model import Trace

if TYPE_CHECKING:
    from ..config import TracingConfig
    from ..store import Store
    from ..store.addresses import Destination
    from ..store.rows import SpanRow, TraceRow

MEMORY_BYTES = 32 * 1024 * 1024
"""What is kept in memory at most; then the oldest ended traces go."""
MEMORY = Path(":memory:")
PATIENCE_SECONDS = 0.25
"""How long the worker waits for other processes that write, before it goes on with memory."""
RETRY_SECONDS = 30.0
"""How long a file that could not be written is left alone."""
LOCKED_TOLD_SECONDS = 3.0
"""A lock shorter than this is not worth a word."""
PRUNE_SECONDS = 600.0


class Batch:
    """Rows to write together."""

    def __init__(self) -> None:
        self.traces: dict[str, TraceRow] = {}
        self.spans: list[SpanRow] = []
        self.addressed: list[tuple[str, Destination]] = []
        self.bytes = 0

    def add(self, span: SpanRow) -> None:
        """Add a span."""
        self.spans.append(span)
        self.bytes += span.size


def _find(id: str, *stores: Store | None) -> Trace | None:
    for store in stores:
        try:
            if store is not None:
                return store.load(id)
        except StoreError as failure:
            log.debug("cannot read back trace %s: %s", id, failure)
    return None


class Keeper:
    """The store of one path. Nothing here raises: what the file does not take, memory does.

    The path ":memory:" is for traces that only wait to be sent, where no store is wanted.
    """

    locked_retry_seconds = 0.5
    """How long a file that another process keeps locked is left alone."""

    def __init__(self, path: Path, config: TracingConfig) -> None:
        from ..store import Store

        self.path = path
        self.batch = Batch()
        self.waiting = 0
        """How many spans are in memory and not in the file."""
        self._is_file = path != MEMORY
        self._file = Store(
            path,
            max_bytes=config.store_max_bytes if self._is_file else MEMORY_BYTES,
            max_days=config.store_max_days,
            patience=PATIENCE_SECONDS,
        )
        # A connection of its own: whoever sends never keeps the worker waiting for it.
        self._outlet = Store(path, patience=PATIENCE_SECONDS) if self._is_file else self._file
        self._memory: Store | None = None
        self._locked = False
        self._failure = ""
        """Why traces are in memory."""
        self._diverted_at = 0.0
        self._retry_at = 0.0
        self._prune_at = 0.0
        self._unpruned_bytes = 0

    @property
    def place(self) -> object:
        """Tells one file from another, and from memory: what was written elsewhere is not here."""
        return self._file.file if self._memory is None else self._memory

    @property
    def is_in_file(self) -> bool:
        """Whether what is written now goes to a file, and not to the memory that stands in for it."""
        return self._memory is None

    def outlets(self) -> list[Store]:
        """The stores to send from."""
        memory = self._memory
        return [self._outlet] if memory is None else [self._outlet, memory]

    @property
    def is_locked_out(self) -> bool:
        """Whether another process keeps the file to itself, so that it is worth trying again soon."""
        return self._memory is not None and self._locked

    def save(self, *, renew: bool = False) -> Counter[str]:
        """Write the batch, which is empty then; how many spans of which trace were lost.

        That happens only when neither the file nor memory has room.

        With `renew`, a sign of life is written in any case.
        """
        self.retry()
        if not (self.batch.traces or self.batch.spans or renew):
            return Counter()
        batch, self.batch = self.batch, Batch()
        if self._memory is None:
            try:
                self._write(batch)
                self._unpruned_bytes += batch.bytes
                return Counter()
            except StoreError as failure:
                self._divert(failure)
        return self._remember(batch)

    def retry(self, *, now: bool = False) -> bool:
        """Bring what is in memory into the file, if it is time to try; whether memory is empty."""
        if self._memory is None:
            return True
        if not now and time.monotonic() < self._retry_at:
            return False
        try:
            self._memory.hand_over(self._file)
        except StoreError as failure:
            self._put_off(failure)
            return False
        self._memory.close()
        self._memory = None
        self.waiting = 0
        return True

    def load(self, ids: Iterable[str]) -> list[Trace]:
        """Traces of this process by id, from wherever they are; those that are gone are left out."""
        from ..store import Store

        reader = Store(self.path)
        try:
            found = [_find(id, self._memory, reader) for id in ids]
        finally:
            reader.close()
        return [trace for trace in found if trace is not None]

    def hurry(self, deadline: float) -> None:
        """Try to open the file for no longer than until `deadline` (monotonic), where it takes two tries."""
        self._file.patience = min(PATIENCE_SECONDS, max(0.0, deadline - time.monotonic()) / 10)

    def prune(self, seconds: float) -> None:
        """Delete what is too old or too much, if it is time to look again; the rest another time."""
        now = time.monotonic()
        if self._memory is not None or (
            now < self._prune_at and self._unpruned_bytes < self._file.max_bytes // 16
        ):
            return
        try:
            self._file.prune(now + seconds)
        except StoreError as failure:
            log.debug("cannot prune: %s", failure)
        is_done = time.monotonic() < now + seconds
        self._prune_at, self._unpruned_bytes = now + (PRUNE_SECONDS if is_done else 1.0), 0

    def rest(self) -> None:
        """Close the file; it opens again when needed."""
        if not self._is_file:
            return
        for store in (self._file, self._outlet):
            try:
                store.close()
            except StoreError as failure:
                log.debug("cannot close: %s", failure)

    def close(self) -> None:
        """Close the file and give up what could not be written: the process ends."""
        self.rest()
        if self.waiting:
            self.tell(self._failure, f"{self.waiting} spans of this process were not kept")
        memory, self._memory = self._memory if self._is_file else self._file, None
        if memory is not None:
            memory.close()

    def abandon(self) -> None:
        """Never touch the open file again: it is the parent's, before a fork."""
        for store in (self._file, self._outlet, self._memory):
            if store is not None:
                store.after_fork()

    def _write(self, batch: Batch) -> None:
        from ..store import StoreDamaged

        try:
            self._file.save(batch.traces.values(), batch.spans, batch.addressed)
        except StoreDamaged as damage:
            aside = self._file.move_aside()
            if aside is not None:
                tell_once(
                    f"damaged:{aside}", f"[TRACING] {damage}; it was moved to {aside} and a new one started"
                )
            self._file.save(batch.traces.values(), batch.spans, batch.addressed)

    def _divert(self, failure: StoreError) -> None:
        from ..store import Store

        self._memory = Store(":memory:", max_bytes=MEMORY_BYTES, max_days=math.inf)
        self._diverted_at = time.monotonic()
        self._put_off(failure)
        self.rest()

    def _put_off(self, failure: StoreError) -> None:
        from ..store import StoreLocked

        now = time.monotonic()
        self._locked = isinstance(failure, StoreLocked)
        self._failure = str(failure)
        self._retry_at = now + (self.locked_retry_seconds if self._locked else RETRY_SECONDS)
        if not self._locked or now - self._diverted_at > LOCKED_TOLD_SECONDS:
            self.tell(failure)

    def tell(self, failure: object, so: str = "traces stay in memory while this lasts") -> None:
        """Say once why traces are in memory only, and what becomes of them."""
        tell_once(f"store:{self.path}", f"[TRACING] {failure}; {so}")

    def _remember(self, batch: Batch) -> Counter[str]:
        from ..store.rows import with_losses

        memory = self._memory
        assert memory is not None
        try:
            memory.limit(MEMORY_BYTES + MEMORY_BYTES // 4)
            memory.prune()
            memory.save(batch.traces.values(), batch.spans, batch.addressed)
            self.waiting += len(batch.spans)
            return Counter()
        except StoreError as failure:
            log.debug("no memory left for traces: %s", failure)
        lost = Counter(span.trace_id for span in batch.spans if span.end_ns is not None)
        try:
            memory.save([with_losses(row, lost[row.id]) for row in batch.traces.values()], ())
        except StoreError as failure:
            log.debug("no memory left for headers: %s", failure)
        return lost

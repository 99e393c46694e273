"""A running trace as the worker sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..bridge import client_mask
from ..errors import tell_failure
from ..live import LiveSpan, LiveTrace, clock, trace_hex
from ..model import Span, Status, Trace
from ..tally import Tally
from ..values.redaction import Policy
from .allowance import Allowance
from .finished import finished, header, keep_room
from .keeper import Keeper
from .queue import drop_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..store.addresses import Destination
    from ..store.rows import TraceRow

LONG_NS = 200_000_000
"""A span that has been open for this long is written before it ends."""


class Followed:
    """One trace from its start to its end: what of it is written already, and what goes next.

    Everything is made for the store and the sinks here, masked and bounded; where that fails, the
    values go and the structure stays.
    """

    def __init__(
        self, live: LiveTrace, keeper: Keeper | None, destinations: Sequence[Destination] = ()
    ) -> None:
        self.live = live
        self.sinks = live.sinks
        self.keeper = keeper
        self.destinations = destinations
        """Where the trace is to be sent, over the network."""
        self.touched = True
        """Whether the trace's own row has to be written with the next batch."""
        self._tally = Tally()
        self._policy = Policy.of(live.config)
        if live.config.mask is None:
            self._policy.whole_mask = client_mask(live.config.langfuse_public_key)
        self._allowance = Allowance(live.config.max_trace_bytes)
        self._has_room_for_input = False
        self._place: object = None
        self._row: TraceRow | None = None
        self._form: object = None
        self._written_open: dict[int, object] = {}

    def span(self, live: LiveSpan, texts: dict[str, str], *, again: bool = False) -> Span | None:
        """The model's span, without values where they cannot be shown safely; None where nothing can.

        `texts` gets the JSON text of its values, by field.
        """
        try:
            if not self._has_room_for_input:
                self._has_room_for_input = True
                keep_room(self.live, self._policy, self._allowance)
            return finished(live, self._policy, self._allowance, texts, again=again)
        except Exception as failure:
            tell_failure("masking", failure)
        try:
            drop_values(live)
            live.attributes = {"values_dropped": True}
            texts.clear()
            return finished(live, self._policy, self._allowance, texts, again=again)
        except Exception as failure:
            tell_failure("the worker", failure)
            self.lost(1)
            return None

    def header(self) -> Trace:
        """The model's trace as it is now, without spans."""
        try:
            return header(self.live, self._policy, self._allowance)
        except Exception as failure:
            tell_failure("the header of a trace", failure)
        live = self.live
        return Trace(
            id=trace_hex(live.id),
            trace_id=trace_hex(live.trace_id),
            name=self._policy.mask_text(live.name),
            start_ns=live.start + live.epoch_ns,
            end_ns=live.end + live.epoch_ns if live.end else None,
            status=Status.UNSET if live.root is None else live.root.status,
            span_count=live.span_count,
            dropped_spans=live.dropped_spans,
            complete=False,
        )

    def lost(self, spans: int) -> None:
        """Count spans that will not be seen."""
        self.live.dropped_spans += spans
        self.live.complete = False
        self.touched = True
        self._written_open.clear()  # may have been among them

    def add_ended(self, span: Span, texts: dict[str, str]) -> None:
        """Put a span that ended into the next batch, with the texts of its values."""
        from ..store.rows import span_row

        if self.keeper is not None:
            self.keeper.batch.add(span_row(span, texts))
            self._tally.add(span)
            self.touched = True
            self._written_open.pop(span.seq, None)

    def add_header(self, trace: Trace | None = None) -> None:
        """Put the trace's own row into the next batch: the final `trace`, or how it is now.

        Input and output are written once, as they may be big.
        """
        from ..store.rows import trace_row

        if self.keeper is None:
            return
        self._begin_anew_elsewhere(self.keeper)
        if self._row is None or trace is not None:
            # Again with the end: somebody may have taken the trace for interrupted, and sent it so.
            self._address(self.keeper)
        form = self._state()
        if trace is None and self._row is not None and form == self._form:
            row = self._row._replace(span_count=self.live.span_count, input=None, output=None)
        else:
            row = trace_row(self.header() if trace is None else trace)
        if trace is None:
            # The program may be further than the records that came here: no end before the last one.
            row = row._replace(status=Status.UNSET.value, end_ns=None)
        self._row, self._form = row, form
        self.keeper.batch.traces[row.id] = row.counted(self._tally)
        self.touched = False

    def add_open(self) -> list[Span]:
        """Put the spans that have been open for long into the next batch, each once unless it changes.

        So are attempts that failed, while nobody knows what comes of it.

        Gives those that are new there, and phases that have ended in nodes that go on, by their starts.
        """
        from ..store.rows import span_row

        if self.keeper is None:
            return []
        found: list[Span] = []
        before = clock() - LONG_NS
        for step in self.live.under_way():
            for live in (*step.phases(), step):
                if live.start > before:
                    continue
                state = (live.end, live.input is None, len(live.attributes or ()))
                is_new = live.seq not in self._written_open
                if self._written_open.get(live.seq) != state:
                    texts: dict[str, str] = {}
                    span = self.span(live, texts, again=True)
                    if span is not None:
                        self._written_open[live.seq] = state
                        self.keeper.batch.add(span_row(span, texts))
                        self.touched = True
                        found += [span] if is_new or live.end else []
        return sorted(found, key=lambda span: span.seq)

    def _address(self, keeper: Keeper) -> None:
        """Have the trace sent, unless only a part of it is in the memory that stands in for a file."""
        if keeper.is_in_file or self._row is None:
            row_id = trace_hex(self.live.id)
            keeper.batch.addressed += [(row_id, destination) for destination in self.destinations]

    def _begin_anew_elsewhere(self, keeper: Keeper) -> None:
        """Forget what is written where the file is another one now, or memory took its place."""
        if self._place is not None and keeper.place != self._place:
            self._written_open.clear()
            self._form = None
        self._place = keeper.place

    def _state(self) -> tuple[Any, ...]:
        """Changes whenever the trace's own row does, apart from the count of spans."""
        live = self.live
        root = live.root
        return (
            live.name, live.session_id, live.user_id, live.variant, live.dropped_spans, live.complete,
            tuple(live.tags), [(key, id(value)) for key, value in live.metadata.copy().items()],
            len(live.graph.nodes), len(live.graph.edges), len(live.scores),
            root is None, root is not None and root.input is None, root is not None and root.status,
        )  # fmt: skip

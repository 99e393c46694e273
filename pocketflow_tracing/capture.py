"""What of a run is kept: the capture switches and budgets of one config, applied to values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .model import SpanKind
from .values import Limits, Snapshot, snapshot

if TYPE_CHECKING:
    from .config import TracingConfig


class Capture:
    """The switches of a config, ready for the hot path. Immutable; shared by all steps under it."""

    __slots__ = (
        "config",
        "errors",
        "hidden",
        "inputs",
        "is_partial",
        "limits",
        "locals",
        "outputs",
        "stores",
        "values",
    )

    def __init__(self, config: TracingConfig) -> None:
        self.config = config
        self.inputs = config.trace_inputs
        self.outputs = config.trace_outputs
        self.errors = config.trace_errors
        self.limits = Limits.of(config)
        hidden: set[SpanKind] = set()
        if not config.trace_prep:
            hidden.add(SpanKind.PREP)
        if not config.trace_exec:
            hidden |= {SpanKind.EXEC, SpanKind.FALLBACK}
        if not config.trace_post:
            hidden.add(SpanKind.POST)
        self.hidden = frozenset(hidden)
        """The kinds of phases that leave no span. Look whether it is empty first: hashing a kind is slow."""
        self.values = self.inputs or self.outputs
        """Whether spans have any values."""
        self.stores = self.inputs and self.outputs
        """Whether changes of the store are looked for: they tell both what was and what came of it."""
        self.is_partial = bool(hidden) or self.inputs is not self.outputs
        """Whether some phases, or one side of the values, are not kept."""
        self.locals = self.limits if config.capture_locals and self.errors and self.stores else None
        """What the local variables of a frame that failed may cost, None where they are not kept."""

    def value(self, value: object, previous: Snapshot | None = None) -> Snapshot:
        """A bounded picture of `value` as it is now; runs none of the program's code."""
        return snapshot(value, self.limits, previous)

    def picture(self, value: object, kept: tuple[object, Snapshot] | None) -> Snapshot:
        """A picture of `value`: the `kept` one, where it was taken of this very object a moment ago."""
        return kept[1] if kept is not None and kept[0] is value else snapshot(value, self.limits)

"""Opens and closes spans: their times, values, errors, and the trace they make up.

Everything here runs on the program's own threads and is kept short; what is finished goes to the
outlet, whose worker does the rest.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from .bridge import current_parent, is_sent
from .capture import Capture
from .config import TracingConfig, resolve
from .errors import RECORDER, log, report_failure
from .failures import Failure, status_of
from .live import LiveSpan, LiveTrace, clock, opened
from .model import SpanKind, Status
from .reading import class_name
from .scopes import Scope, sinks_of
from .sharing import Stores
from .steps import Pictures, Step
from .values import Difference

# An attribute of an enum's class takes ten times as long to read as a global.
_OK, _ERROR, _ITERATION = Status.OK, Status.ERROR, SpanKind.ITERATION
_SWITCHES = (
    "trace_inputs",
    "trace_outputs",
    "trace_prep",
    "trace_exec",
    "trace_post",
    "trace_errors",
    "capture_locals",
    "redact",
)


class Outlet(Protocol):
    """Where finished spans go."""

    def trace_started(self, trace: LiveTrace) -> None:
        """A trace began."""

    def span_ended(self, span: LiveSpan, value_bytes: int | None = None) -> None:
        """A span ended, and with it the phases that its step kept.

        `value_bytes` is what its values take, known only where it is the span of a step.
        """

    def trace_ended(self, trace: LiveTrace) -> None:
        """The root and all spans of a trace ended."""


class Spans:
    """The spans of every trace under way in this process."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        self.running: dict[int, LiveTrace] = {}
        """The traces that have not been reported as ended, by id."""
        self.stores = Stores()
        self._captures: dict[int, tuple[TracingConfig, TracingConfig, Capture]] = {}

    # Opening.

    def open(
        self,
        kind: SpanKind,
        name: str,
        parent: LiveSpan | None,
        scopes: list[Scope] | None,
        *,
        owner: object = None,
    ) -> LiveSpan | None:
        """A new span under `parent`, or the root of a new trace of the outermost of `scopes`.

        None where the run is not in the sample, or is switched off.
        """
        if parent is not None and not scopes:
            return opened(parent.trace, parent, kind, name, clock())
        scopes = scopes or []
        own = [
            scope.settings.flow_name for scope in scopes if scope.owner is not None and scope.owner is owner
        ]
        named = next(filter(None, reversed(own)), None)
        if parent is not None:
            span = opened(parent.trace, parent, kind, named or name, clock())
            for scope in reversed(scopes):
                span.capture = self._stricter(span.capture, scope.settings.config)
                fill(parent.trace, scope)
            return span
        trace = self._begin_trace(name, scopes, named)
        if trace is None:
            return None
        span = opened(trace, None, kind, named or trace.name, trace.start)
        trace.root = span
        self.running[trace.id] = trace
        for scope in reversed(scopes[:-1]):
            span.capture = self._stricter(span.capture, scope.settings.config)
        self.outlet.trace_started(trace)
        if trace.debug:  # after what the outlet says when it sets itself up
            log.debug("[TRACING] Starting trace: %s", _masked_name(trace))
        return span

    def take_input(self, step: Step, above: Step | None) -> None:
        """Take the store as the input of a node, flow or iteration, before any code of it runs.

        Where outputs are not kept, only as the input of the whole run: later, outputs are in it.
        """
        capture = step.capture
        if not capture.stores:
            if step.span.parent is None:
                step.span.input = (capture.value(step.shared),)
            return
        previous = None if above is None or above.pictures is None else above.pictures.latest
        seen = Pictures(capture.value(step.shared, previous))
        step.span.input = (seen.latest,)
        self.stores.enter(step, seen, above)
        step.pictures = seen

    # Closing.

    def settle(self, span: LiveSpan, *, recovered: bool) -> None:
        """Deliver a failed attempt, now that its outcome is known."""
        if recovered:
            span.attributes = {**(span.attributes or {}), "recovered": True}
        self.emit(span)

    def settle_all(self, step: Step, *, recovered: bool) -> None:
        """Deliver the failed attempts of a step that were not tied to one `_exec`."""
        failed, step.failed = step.failed, ()
        for span in failed:
            self.settle(span, recovered=recovered)

    def end_step(self, step: Step, value: object, exception: BaseException | None, failed: bool) -> None:
        """End a node, flow or iteration that returned `value` or failed."""
        span = step.span
        span.end = clock()
        if failed:
            self.fail(span, exception)
        else:
            span.status = _OK
            if span.kind is not _ITERATION:
                step.action = value if value is None or type(value) is str else class_name(type(value))
        if step.capture.outputs:
            self.outcome(step, value, failed=failed)
        step.let_go()
        self.emit(span)

    def outcome(self, step: Step, value: object, *, failed: bool) -> None:
        """What a step returned, the store after it, and what changed in it."""
        span = step.span
        capture = step.capture
        if not capture.stores:  # the store would show what went in
            if not failed:
                span.output = (capture.value(value),)
            return
        seen = step.pictures
        post = None if seen is None else seen.post_changes
        latest = None if seen is None else seen.latest
        after = post[1] if post is not None else capture.value(step.shared, latest)
        above: Step | None = span.parent.step if span.parent is not None else None
        if above is not None and above.shared is step.shared and above.pictures is not None:
            above.pictures.latest = after
        if seen is not None:
            had_others = self.stores.leave(seen)
            if post is not None and post[0] is seen.before:
                changes = post[2]
            else:
                changes = None if after is seen.before else Difference(seen.before, after)
            span.changes = changes.marked_concurrent() if had_others and changes is not None else changes
        if not failed:
            kept = None if seen is None else seen.post_out
            span.output = (capture.picture(value, kept), after)

    def end(self, span: LiveSpan, exception: BaseException | None) -> None:
        """End a span of the program's own."""
        span.end = clock()
        if exception is None:
            span.status = _OK
        else:
            self.fail(span, exception)
        self.emit(span)

    def emit(self, span: LiveSpan) -> None:
        """Hand a span that has ended to the outlet, and its trace too if nothing of it is open."""
        trace = span.trace
        trace.open.pop(span.seq, None)
        if trace.debug:
            log.debug("[TRACING] Node span completed in %.2fms", (span.end - span.start) / 1e6)
        self.outlet.span_ended(span)
        self.end_if_over(trace)

    def end_if_over(self, trace: LiveTrace) -> None:
        """End `trace` if its root has ended and nothing of it is open."""
        if not trace.open and trace.root is not None and trace.root.end:
            self.end_trace(trace)

    def close_orphans(self, trace: LiveTrace, status: Status) -> None:
        """End the spans of `trace` that nothing will end any more, and the trace with them.

        They failed where what kept us from seeing their end was raised in a callback of ours; else
        nobody knows.
        """
        trace.complete = False
        root = trace.root
        now = clock()
        for span in reversed(trace.under_way()):
            if not span.end:  # an attempt that failed has
                span.end = root.end if root is not None and root.end else now
                span.status = status
            self._let_go(span.step)
            self.emit(span)
        self.end_trace(trace)

    def end_trace(self, trace: LiveTrace) -> None:
        """Report the end of a trace, once; spans still open keep `unset` and make it incomplete."""
        self.running.pop(trace.id, None)
        try:
            trace.pending.pop()
        except IndexError:
            return
        for span in trace.under_way():
            trace.complete = False
            trace.open.pop(span.seq, None)
            self._let_go(span.step)
            self.outlet.span_ended(span)
        trace.end = trace.root.end if trace.root is not None and trace.root.end else clock()
        trace.flows.clear()
        for told in trace.on_end:
            told(trace)
        self.outlet.trace_ended(trace)

    def _let_go(self, step: Step | None) -> None:
        """Nothing will tell of the end of a step that may still be working on its store."""
        if step is not None and step.pictures is not None:
            seen, step.pictures = step.pictures, None
            self.stores.leave(seen)

    def abandon(self) -> None:
        """Something of ours failed: what is running ends here, as far as it came."""
        for trace in list(self.running.values()):
            trace.complete = False
            try:
                self.end_trace(trace)
            except Exception as failure:
                report_failure(RECORDER, failure)
        self.stores.clear()

    def mark_incomplete(self) -> None:
        """Something of what is running was not seen."""
        for trace in list(self.running.values()):
            trace.complete = False

    def fail(self, span: LiveSpan, exception: BaseException | None) -> None:
        """Give a span that ended the exception that ended it, None where that was not seen."""
        if exception is None:
            span.status = _ERROR
            return
        span.status = status_of(exception)
        below = span.failed_below
        inner = below[1] if below is not None and below[0] == id(exception) else None
        if span.parent is not None:
            span.parent.failed_below = (id(exception), span.span_id if inner is None else inner)
        if span.capture.errors:
            capture = span.capture
            span.failure = Failure(exception, inner, capture.locals, capture.limits.serializers)
        elif inner is not None:  # so that what counts errors counts this one once
            span.attributes = {**(span.attributes or {}), "passed_on": True}

    # Traces and settings.

    def _begin_trace(self, name: str, scopes: list[Scope], named: str | None) -> LiveTrace | None:
        outer = scopes[-1]
        settings = outer.settings
        config = resolve(settings.config, session_id=settings.session_id, user_id=settings.user_id)
        if not config.enabled:
            return None
        if not settings.store:
            config.store = None
            config.langfuse_enabled = config.otlp = False
        name = next(
            (s.settings.flow_name for s in reversed(scopes) if s.settings.flow_name and s.owner is None), None
        ) or (named or name)
        trace = LiveTrace(name, config, sinks_of(scopes), Capture(config))
        trace.is_bridged = is_sent(config)
        parents = [scope.settings.parent for scope in reversed(scopes)]
        parent = next(filter(None, parents), None) or current_parent()
        if parent is not None:
            trace.trace_id, trace.parent_span_id = parent
        rate = config.sample_rate
        # The rule of the OpenTelemetry and Langfuse SDKs, so that all keep or drop the same trace.
        if rate < 1.0 and trace.trace_id & (2**64 - 1) >= round(rate * 2**64):
            return None
        trace.origin = scopes[0]
        trace.on_end = [scope.on_trace for scope in scopes if scope.on_trace is not None]
        trace.session_id, trace.user_id = config.session_id, config.user_id
        for scope in reversed(scopes):
            fill(trace, scope)
        _add(trace, config.tags, config.metadata, config.node_types)
        trace.project = config.project or _working_directory()
        return trace

    def _stricter(self, capture: Capture, inner: TracingConfig | None) -> Capture:
        """`capture` with whatever `inner` switches off switched off as well."""
        if inner is None:
            return capture
        known = self._captures.get(id(inner))
        if known is not None and known[0] is inner and known[1] is capture.config:
            return known[2]
        wanted = resolve(inner)
        merged = resolve(capture.config)
        for switch in _SWITCHES:
            # `redact` on is the strict side; for what is kept, off is.
            both = (getattr(merged, switch), getattr(wanted, switch))
            setattr(merged, switch, any(both) if switch == "redact" else all(both))
        merged.redact_keys = [*merged.redact_keys, *wanted.redact_keys]
        merged.redact_patterns = [*merged.redact_patterns, *wanted.redact_patterns]
        merged.mask = _both_masks(merged.mask, wanted.mask)
        combined = Capture(merged)
        if len(self._captures) > 100:
            self._captures.clear()
        self._captures[id(inner)] = (inner, capture.config, combined)
        return combined


def fill(trace: LiveTrace, scope: Scope) -> None:
    """Give `trace` what the scope's settings say and the scopes around it left open."""
    settings = scope.settings
    trace.session_id = trace.session_id or settings.session_id
    trace.user_id = trace.user_id or settings.user_id
    trace.variant = trace.variant or settings.variant
    _add(trace, settings.tags, settings.metadata, settings.node_types)
    if settings.config is not None:
        given = settings.config.__dict__
        _add(trace, given.get("tags"), given.get("metadata"), given.get("node_types"))


def _add(
    trace: LiveTrace,
    tags: Iterable[str] | None,
    metadata: Mapping[str, Any] | None,
    node_types: Mapping[type | str, str] | None,
) -> None:
    """Give `trace` what it does not have yet of these."""
    trace.tags += [tag for tag in tags or () if tag not in trace.tags]
    if metadata:
        taken = {name: trace.capture.value(metadata[name]) for name in metadata if name not in trace.metadata}
        trace.metadata = {**taken, **trace.metadata}
    if node_types:
        # By id, since a metaclass may have a `__hash__` of its own; the settings keep the classes alive.
        known: dict[int | str, str] = {
            key if isinstance(key, str) else id(key): kind for key, kind in node_types.items()
        }
        trace.node_types = {**known, **trace.node_types}


def _both_masks(outer: Any, inner: Any) -> Any:
    if outer is None or inner is None:
        return outer or inner
    return lambda value, path: inner(outer(value, path), path)


def _masked_name(trace: LiveTrace) -> str:
    """For the log; what masks is loaded here only where somebody wants to see debug lines."""
    from .values.redaction import Policy

    return Policy.of(trace.config).masked(trace.name)[0]


def _working_directory() -> str | None:
    try:
        return os.path.basename(os.getcwd())
    except OSError:  # deleted beneath us
        return None

"""Events of PocketFlow's machinery → spans → a trace.

A phase begins where machinery calls it and ends at the next thing that same frame does, so nothing
depends on what kind of callable the phase is. Where an override runs phases in ways of its own
(thread pools, gather, wait_for) the phase's own code is watched as well and the node it belongs to
is found by context, or by the node itself.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from .anatomy import Anatomy, Call, Machinery, Role
from .frames import Frames
from .live import LiveSpan, LiveTrace
from .model import SpanKind
from .phases import Phases
from .reading import is_coroutine_code, read
from .scopes import Scopes, here
from .spans import Spans
from .starting import Starting, Watcher
from .steps import NOTHING, Activation, Step

MAX_WARNINGS = 20


class Recorder:
    """Told by a probe what PocketFlow's machinery does; tells `spans` what that means."""

    def __init__(self, anatomy: Anatomy, scopes: Scopes, spans: Spans) -> None:
        self.when_idle: Callable[[], None] | None = None
        """Called once traced code that outlived every scope has ended."""
        self._anatomy = anatomy
        self._scopes = scopes
        self._spans = spans
        self._frames = Frames()
        self._phases = Phases(spans)
        self._starting = Starting(anatomy, scopes, spans, self._frames)

    def use(self, watcher: Watcher) -> None:
        """Ask `watcher` to watch the code that comes to light."""
        self._starting.watcher = watcher

    # What a probe tells.

    def started(self, piece: Machinery, frame: FrameType) -> None:
        """`frame` began to run `piece`."""
        if self._frames.inherited and self._frames.is_inherited(frame):
            return
        activation = self._starting.started(piece, frame)
        if activation is not None and piece.role is Role.PHASE and piece.kind is not None:
            self._phases.open(activation, frame, piece.kind, piece.name, activation.parent)

    def calling(
        self, piece: Machinery, frame: FrameType, call: Call, code: CodeType | None, argument: object
    ) -> None:
        """`frame` makes `call` and so enters `code`, if Python; `argument` is the first, if known."""
        activation = self._frames.active.get(id(frame))
        role = call.role
        if role is Role.WARN:
            self._warning(piece, frame, argument)
        if activation is None:
            if not piece.is_lazy or role is not Role.PHASE:
                return
            if self._frames.inherited and self._frames.is_inherited(frame):
                return
            activation = self._starting.exec_started(piece, frame)
            if activation is None:
                return
        elif activation.phase is not None:
            self._phases.move_on(activation, frame)
        if role is Role.PHASE:
            if id(code) not in self._anatomy.empty_phases and (call.awaited or not is_coroutine_code(code)):
                self._phases.begin(activation, frame, call)
        elif role is Role.RUN and piece.role is Role.ORCH and not piece.own and call.receiver:
            self._starting.meet(activation, frame.f_locals.get(call.receiver))

    def moved(self, piece: Machinery, frame: FrameType) -> None:
        """`frame` came to another line, or yielded an item: what it called before is over."""
        activation = self._frames.active.get(id(frame))
        if activation is not None and activation.phase is not None:
            self._phases.move_on(activation, frame)

    def callee_returned(self, frame: FrameType, value: object) -> None:
        """What `frame` called returned `value` (only probes that see this tell it)."""
        activation = self._frames.active.get(id(frame))
        if activation is not None and activation.phase is not None:
            self._phases.end(activation, (value,), None, failed=False)

    def callee_raised(self, frame: FrameType, exception: BaseException | None) -> None:
        """What `frame` called raised (only probes that see this tell it)."""
        activation = self._frames.active.get(id(frame))
        if activation is not None and activation.phase is not None:
            self._phases.end(activation, None, exception, failed=True)

    def returned(self, piece: Machinery, frame: FrameType, value: object) -> None:
        """`frame` ended by returning `value`."""
        if piece.role is Role.NEXT:
            self._chosen(frame, value)
        else:
            self._ended(piece, frame, value, None, failed=False)

    def raised(self, piece: Machinery, frame: FrameType, exception: BaseException | None) -> None:
        """`frame` ended by an exception, None where the probe could not see which."""
        self._ended(piece, frame, None, exception, failed=True)

    def failed(self, *, is_ours: bool) -> None:
        """A callback was cut short: by a bug of ours, or where the stack or the memory had no room for it.

        In the first case nothing is known any more about the frames under way.
        """
        if is_ours:
            self._frames.clear()
            self._spans.abandon()
        else:
            self._spans.mark_incomplete()

    # What the engine asks.

    def sweep(self, trace: LiveTrace) -> None:
        """End `trace` if nothing can end what is open in it: an interrupt hit the recorder itself."""
        if self._frames.has_gone(trace):
            self._frames.forget(trace)
            self._spans.close_orphans(trace)

    def is_idle(self) -> bool:
        """Whether no traced code is under way."""
        return self._frames.is_idle()

    def disown(self) -> None:
        """In the child of a fork: what is under way is the parent's to finish."""
        self._frames.disown()
        self._starting.clear()

    def forget(self) -> None:
        """Forget everything: no scope is open any more, or this is a new process."""
        self._frames.clear()
        self._starting.clear()

    # Ends.

    def _ended(
        self,
        piece: Machinery,
        frame: FrameType,
        value: object,
        exception: BaseException | None,
        *,
        failed: bool,
    ) -> None:
        activation = self._frames.active.pop(id(frame), None)
        if activation is None:
            self._passed(piece, frame)
            return
        if activation.phase is not None:
            self._phases.end(activation, None if failed else (value,), exception, failed=failed)
        if not activation.runs_alone:  # an override may go on after post
            activation.step.post_out = activation.step.post_changes = None
        if activation.opaque is not None:
            self._end_opaque(activation, None, exception, failed=failed)
        if activation.failed is not None:
            self._spans.settle(activation.failed, recovered=not failed)
        if piece.role is Role.EXEC:
            if piece.is_batch:
                activation.step.items = None
            # A comprehension or function inside of it may well end before what it started.
            if activation.step.failed and piece.code.co_name == piece.name:
                self._spans.settle_all(activation.step, recovered=not failed)
        if activation.phase_before is not NOTHING:
            self._phases.restore(activation)
        if activation.top is not None:
            self._close_step(activation, activation.top, value, exception, failed=failed)
        if self.when_idle is not None and self.is_idle():
            self.when_idle()

    def _passed(self, piece: Machinery, frame: FrameType) -> None:
        """A frame that is no activation ended: an import, a muted run, one that a fork inherited."""
        if piece.role is Role.IMPORT:
            self._starting.watch(self._anatomy.refresh())
        elif self._frames.inherited.pop(id(frame), None) is None and id(frame) in self._frames.muted:
            here.set(self._frames.muted.pop(id(frame))[1])

    def _chosen(self, frame: FrameType, node: object) -> None:
        """A flow chose its next node, None where it ends."""
        span = here.get()
        flow = None if frame.f_back is None else self._frames.active.get(id(frame.f_back))
        if flow is not None and flow.opaque is not None:
            self._end_opaque(flow, flow.frame.f_locals.get("last_action"), None, failed=False)
            span = here.get()
        if type(span) is LiveSpan and span.step is not None and span.step.walk is not None:
            span.step.walk.next = node
        if flow is not None and node is not None and not self._anatomy.is_plain(node):
            self._starting.meet(flow, node)

    def _close_step(
        self,
        activation: Activation,
        step: Step,
        value: object,
        exception: BaseException | None,
        *,
        failed: bool,
    ) -> None:
        span = step.span
        if step.failed:
            self._spans.settle_all(step, recovered=not failed)
        current = here.get()
        if type(current) is LiveSpan and current.step is step:
            here.set(activation.before)
        self._spans.end_step(step, value, exception, failed=failed)
        trace = span.trace
        if span is trace.root and trace.open:
            self.sweep(trace)

    def _end_opaque(
        self, activation: Activation, value: object, exception: BaseException | None, *, failed: bool
    ) -> None:
        step: Step = activation.opaque
        activation.opaque = None
        current = here.get()
        if type(current) is LiveSpan and current.step is step:
            here.set(activation.opaque_before)
        self._spans.end_step(step, value, exception, failed=failed)

    # PocketFlow's warnings.

    def _warning(self, piece: Machinery, frame: FrameType, message: object) -> None:
        """PocketFlow is about to warn: about how a flow is wired, or about how a node is run."""
        values = frame.f_locals
        owner = values.get(piece.owner_name)
        text = message if type(message) is str else _warning_text(piece, values)
        span, scopes = self._scopes.locate()
        if piece.role is Role.ENTRY:
            if span is not None or scopes:
                self._starting.warned[id(owner)] = [text]
            return
        step = self._frames.step_of(owner, span)
        while step is not None and step.span.kind is SpanKind.ITERATION and step.span.parent is not None:
            step = step.span.parent.step
        if step is not None:
            attributes = step.span.attributes = step.span.attributes or {}
            warnings = attributes.setdefault("warnings", [])
            if text not in warnings and len(warnings) < MAX_WARNINGS:
                warnings.append(text)


def _warning_text(piece: Machinery, values: Any) -> str:
    """PocketFlow's words, put together from the locals where the probe cannot see the message."""
    if piece.role is Role.ENTRY:
        return f"Node won't run successors. Use {'AsyncFlow' if piece.name == 'run_async' else 'Flow'}."
    action = values.get("action")
    wired = read(values.get("curr"), "successors", {})
    names = [name for name in wired if type(name) is str] if type(wired) is dict else []
    shown = action if type(action) is str else type(action).__name__ if action is not None else "None"
    return f"Flow ends: '{shown}' not found in {names}"

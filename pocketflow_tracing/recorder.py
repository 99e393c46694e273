"""Events of PocketFlow's machinery → spans → a trace.

A phase begins where machinery calls it and ends at the next thing that same frame does, so nothing
depends on what kind of callable the phase is. Where an override runs phases in ways of its own
(thread pools, gather, wait_for) the phase's own code is watched as well and the node it belongs to
is found by context, or by the node itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import CodeType, FrameType
from typing import Any

from .anatomy import Anatomy, Call, Machinery, Role
from .bytecode import RETURNED
from .frames import Frames
from .live import LiveSpan, LiveTrace
from .model import SpanKind, Status
from .ordinary import Called, Returned, ordinary
from .phases import Phases
from .reading import COROUTINE, class_name, code_of, read
from .scopes import Scopes, get_here, set_here
from .spans import Spans
from .starting import Starting, Watcher
from .steps import Activation, Step

MAX_WARNINGS = 20
# An attribute of an enum's class takes ten times as long to read as a global.
_RUN, _ORCH, _EXEC, _NEXT = Role.RUN, Role.ORCH, Role.EXEC, Role.NEXT
_WARN = Role.WARN
_PREP = SpanKind.PREP


class Recorder:
    """Told by a probe what PocketFlow's machinery does; tells `spans` what that means."""

    def __init__(self, anatomy: Anatomy, scopes: Scopes, spans: Spans) -> None:
        self.when_idle: Callable[[], None] | None = None
        """Called once traced code that outlived every scope has ended."""
        self.anatomy = anatomy
        self._scopes = scopes
        self.spans = spans
        self.frames = Frames()
        self._active = self.frames.active
        self._empty_phases = anatomy.empty_phases
        self._phases = Phases(spans)
        self.starting = Starting(anatomy, scopes, spans, self.frames)

    def use(self, watcher: Watcher) -> None:
        """Ask `watcher` to watch the code that comes to light."""
        self.starting.watcher = watcher

    # What a probe tells.

    def starts_early(self, piece: Machinery, frame: FrameType) -> bool:
        """Whether the start of `frame` matters, though `piece` is lazy."""
        return self.anatomy.starts_early(frame.f_locals.get(piece.owner_name))

    def started(self, piece: Machinery, frame: FrameType) -> None:
        """`frame` began to run `piece`. Need not be told of what is lazy."""
        if self.frames.inherited and self.frames.is_inherited(frame):
            return
        if piece.entry is not None:
            caller = self._active.get(frame.f_back)
            if caller is not None and _calls_phase(caller, piece):
                self._phases.entered(caller, frame)
                return
        activation = self.starting.started(piece, frame)
        if activation is not None and piece.entry is not None:
            self._phases.open(activation, frame, piece.entry, activation.parent)

    def calling(
        self, piece: Machinery, frame: FrameType, call: Call, code: CodeType | None, argument: object
    ) -> None:
        """`frame` makes `call` and so enters `code`, if Python; `argument` is the first, if known."""
        activation = self._active.get(frame)
        if activation is None:
            activation = self._first_call(piece, frame, call, argument)
            if activation is None:
                return
        elif activation.phase is not None:
            self._phases.move_on(activation, frame)
        if call.kind is not None:
            if code is None or (
                id(code) not in self._empty_phases and (call.awaited or not code.co_flags & COROUTINE)
            ):
                self._phases.open(activation, frame, call, activation.step.span)
        elif call.role is _RUN:
            if piece.role is _ORCH and not piece.own and call.receiver:
                self.starting.meet(activation, frame.f_locals.get(call.receiver))
        elif call.role is _WARN:
            self._warning(piece, frame, argument)

    def called(
        self, piece: Machinery, call: Call, frame: FrameType, called: object, argument: object
    ) -> None:
        """`frame` makes `call` of the object `called`."""
        self.calling(piece, frame, call, None if call.kind is None else code_of(called), argument)

    def returned(self, piece: Machinery, frame: FrameType, value: object) -> None:
        """`frame` returned `value`."""
        self.ended(piece, frame, value, None, False)

    def listeners(self, piece: Machinery) -> tuple[dict[int, Called], Returned]:
        """Who is told of the calls of `piece`, by offset, and of its return."""
        told = ordinary(piece, self)
        calls = {}
        for offset, call in piece.calls.items():
            calls[offset] = (told.calls(call) if told else None) or partial(self.called, piece, call)
        return calls, told.returned if told else partial(self.returned, piece)

    def _first_call(
        self, piece: Machinery, frame: FrameType, call: Call, argument: object
    ) -> Activation | None:
        """`frame`, of which nothing is known, makes `call`; gives its activation, if it has one now."""
        if call.kind is None:
            if call.role is _WARN:
                self._warning(piece, frame, argument)
            return None
        if not piece.is_lazy or (self.frames.inherited and self.frames.is_inherited(frame)):
            return None
        if piece.role is _EXEC:
            return self.starting.exec_started(piece, frame)
        # Where its run is not traced, the first call has found that out.
        return self.starting.run_started(piece, frame) if call.kind is _PREP else None

    def moved(self, piece: Machinery, frame: FrameType) -> None:
        """`frame` came to another line, or yielded an item: what it called before is over."""
        activation = self._active.get(frame)
        if activation is not None and activation.phase is not None:
            self._phases.move_on(activation, frame)

    def callee_returned(self, frame: FrameType, value: object) -> None:
        """What `frame` called returned `value` (only probes that see this tell it)."""
        activation = self._active.get(frame)
        if activation is not None and activation.phase is not None:
            self._phases.end(activation, (value,), None, False)

    def callee_raised(self, frame: FrameType, exception: BaseException | None) -> None:
        """What `frame` called raised (only probes that see this tell it)."""
        activation = self._active.get(frame)
        if activation is not None and activation.phase is not None:
            self._phases.end(activation, None, exception, True)

    def failed(self, *, is_ours: bool) -> None:
        """A callback was cut short: by a bug of ours, or where the stack or the memory had no room for it.

        In the first case nothing is known any more about the frames under way.
        """
        if is_ours:
            self.frames.clear()
            self.spans.abandon()
        else:
            self.spans.mark_incomplete()

    # What the engine asks.

    def sweep(self, trace: LiveTrace, *, is_known: bool = True) -> None:
        """End `trace` if nothing can end what is open in it.

        An interrupt hit the recorder itself, and ended it; or, unless that `is_known`, events stopped.
        """
        if self.frames.has_gone(trace):
            self.frames.forget(trace)
            self.spans.close_orphans(trace, Status.ERROR if is_known else Status.UNSET)

    def is_idle(self) -> bool:
        """Whether no traced code is under way."""
        return self.frames.is_idle()

    def disown(self) -> None:
        """In the child of a fork: what is under way is the parent's to finish."""
        self.frames.disown()
        self.starting.clear()

    def forget(self) -> None:
        """Forget everything: no scope is open any more, or this is a new process."""
        self.frames.clear()
        self.starting.clear()

    # Ends.

    def ended(
        self,
        piece: Machinery,
        frame: FrameType,
        value: object,
        exception: BaseException | None,
        failed: bool,
    ) -> None:
        """`frame` ended: it returned `value`, or `failed` by `exception`, None where the probe saw none."""
        activation = self._active.pop(frame, None)
        if activation is None:
            activation = self._passed(piece, frame, value, failed)
            if activation is None:
                return
        if activation.phase is not None:
            # What an override returns need not be what its phase did.
            is_its_own = piece.own or piece.entry is not None or activation.call.result == RETURNED
            is_known = is_its_own and not failed
            self._phases.end(activation, (value,) if is_known else None, exception, failed)
        step = activation.step
        if activation.failed is not None:
            self.spans.settle(activation.failed, recovered=not failed)
            activation.failed = None
        inner = activation.inner
        if inner is not None:
            activation.inner = None
            if inner is frame:
                return
            self._active.pop(inner, None)  # a signal or a deep stack cost us its end
        if activation.opaque is not None:
            self._end_opaque(activation, None, exception, failed)
        if piece.role is _EXEC:
            self._end_exec(piece, step, failed=failed)
        if not piece.passes_on and step.pictures is not None:  # an override may go on after post
            step.pictures.post_out = step.pictures.post_changes = None
        if activation.is_top:
            self._close_step(activation, value, exception, failed)
        else:
            self._phases.restore(activation)
        if self.when_idle is not None and self.is_idle():
            self.when_idle()

    def _end_exec(self, piece: Machinery, step: Step, *, failed: bool) -> None:
        if piece.is_batch:
            step.numbers = None
        # A comprehension or function inside of it may well end before what it started.
        if step.failed and piece.code.co_name == piece.name:
            self.spans.settle_all(step, recovered=not failed)

    def _passed(self, piece: Machinery, frame: FrameType, value: object, failed: bool) -> Activation | None:
        """A frame of which nothing is known ended; gives its activation, if it ought to have one."""
        key = id(frame)
        if piece.role is _NEXT:
            if not failed:
                self._chosen(frame, value)
        elif piece.role is Role.IMPORT:
            self.starting.watch(self.anatomy.refresh())
        elif self.frames.inherited.pop(key, None) is not None:
            pass
        elif key in self.frames.muted:
            set_here(self.frames.muted.pop(key)[1])
        elif piece.entry is not None:
            caller = self._active.get(frame.f_back)
            if caller is not None and caller.entered is frame:
                caller.entered = None
                # A plain function whose value is awaited returned something else than its result.
                if not failed and (piece.is_suspendable or not caller.call.awaited):
                    caller.returned = (value,)
        elif failed and piece.role is _RUN and piece.is_lazy and frame.f_lasti < piece.first_phase:
            # It did not come to call its prep.
            self.starting.run_started(piece, frame)
            return self._active.pop(frame, None)
        return None

    def _chosen(self, frame: FrameType, node: object) -> None:
        """A flow chose its next node, None where it ends."""
        flow = self._active.get(frame.f_back)
        if flow is None:  # the program's own code stands between
            span = get_here()
            step = span.step if type(span) is LiveSpan else None
        else:
            if flow.opaque is not None:
                self._end_opaque(flow, flow.frame.f_locals.get("last_action"), None, False)
            step = flow.step
        if step is not None and step.walk is not None:
            step.walk.next = node
            step.walk.is_fresh = step.walk.is_quiet = False
        if flow is not None and node is not None and not self.anatomy.is_plain(node):
            self.starting.meet(flow, node)

    def _close_step(
        self, activation: Activation, value: object, exception: BaseException | None, failed: bool
    ) -> None:
        step = activation.step
        span = step.span
        if step.failed:
            self.spans.settle_all(step, recovered=not failed)
        current = get_here()
        if type(current) is LiveSpan and current.step is step:
            set_here(activation.before)
        self.spans.end_step(step, value, exception, failed)
        trace = span.trace
        if span.parent is None and trace.open:
            self.sweep(trace)

    def _end_opaque(
        self, activation: Activation, value: object, exception: BaseException | None, failed: bool
    ) -> None:
        step, activation.opaque = activation.opaque, None
        assert step is not None
        current = get_here()
        if type(current) is LiveSpan and current.step is step:
            set_here(activation.opaque_before)
        self.spans.end_step(step, value, exception, failed)

    # PocketFlow's warnings.

    def _warning(self, piece: Machinery, frame: FrameType, message: object) -> None:
        """PocketFlow is about to warn: about how a flow is wired, or about how a node is run."""
        values = frame.f_locals
        owner = values.get(piece.owner_name)
        text = message if type(message) is str else _warning_text(piece, values)
        span, scopes = self._scopes.locate()
        if piece.role is Role.ENTRY:
            if span is not None or scopes:
                self.starting.warned[id(owner)] = [text]
            return
        step = self.frames.step_of(owner, span)
        while step is not None and step.span.kind is SpanKind.ITERATION and step.span.parent is not None:
            step = step.span.parent.step
        if step is not None:
            attributes = step.span.attributes = step.span.attributes or {}
            warnings = attributes.setdefault("warnings", [])
            if text not in warnings and len(warnings) < MAX_WARNINGS:
                warnings.append(text)


def _calls_phase(activation: Activation, piece: Machinery) -> bool:
    """Whether this frame of an override is in its call of the phase that `piece` is."""
    span, machinery = activation.phase, activation.machinery
    is_override = not machinery.own and machinery.entry is None
    return is_override and span is not None and span.kind is piece.kind and activation.entered is None


def _warning_text(piece: Machinery, values: Any) -> str:
    """PocketFlow's words, put together from the locals where the probe cannot see the message."""
    if piece.role is Role.ENTRY:
        return f"Node won't run successors. Use {'AsyncFlow' if piece.name == 'run_async' else 'Flow'}."
    action = values.get("action")
    wired = read(values.get("curr"), "successors", {})
    names = [name for name in wired if type(name) is str] if type(wired) is dict else []
    shown = action if type(action) is str else class_name(type(action)) if action is not None else "None"
    return f"Flow ends: '{shown}' not found in {names}"

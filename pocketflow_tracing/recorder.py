"""Events of PocketFlow's machinery → spans → a trace.

A phase begins where machinery calls it and ends at the next thing that same frame does, so nothing
depends on what kind of callable the phase is. Where an override runs phases in ways of its own
(thread pools, gather, wait_for) the phase's own code is watched as well and the node it belongs to
is found by context, or by the node itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count
from threading import get_ident
from types import CodeType, FrameType
from typing import Any, Protocol

from .anatomy import (
    Anatomy,
    Call,
    Machinery,
    Role,
    class_name,
    functions_in,
    is_coroutine_code,
    read,
)
from .live import LiveSpan, LiveTrace
from .model import SpanKind
from .scopes import Scopes, here
from .spans import Spans
from .steps import Activation, NodeKeys, Step, Walk, keys_for

MAX_WARNINGS = 20


class Watcher(Protocol):
    """What can be asked to watch more code: the probe in use."""

    def watch(self, pieces: list[Machinery]) -> None:
        """Report the events of these code objects too."""


class Recorder:
    """Told by a probe what PocketFlow's machinery does; tells `spans` what that means."""

    def __init__(self, anatomy: Anatomy, scopes: Scopes, spans: Spans) -> None:
        self.anatomy = anatomy
        self.watcher: Watcher | None = None
        self.when_idle: Callable[[], None] | None = None
        """Called once traced code that outlived every scope has ended."""
        self._scopes = scopes
        self._spans = spans
        self._activations: dict[int, Activation] = {}
        self._muted: dict[int, tuple[FrameType, Any]] = {}
        self._steps: dict[int, list[Step]] = {}
        self._warned: dict[int, list[str]] = {}
        self._wrappers: dict[int, CodeType] = {}
        """Code that is known to lead to a `_run` that is watched."""
        self._started = {
            Role.ENTRY: self._entry_started,
            Role.RUN: self._run_started,
            Role.ORCH: self._orch_started,
            Role.EXEC: self._exec_started,
            Role.PHASE: self._phase_started,
        }

    # What a probe tells.

    def started(self, piece: Machinery, frame: FrameType) -> None:
        """`frame` began to run `piece`."""
        react = self._started.get(piece.role)
        if react is not None:
            react(piece, frame)

    def calling(
        self, piece: Machinery, frame: FrameType, call: Call, code: CodeType | None, argument: object
    ) -> None:
        """`frame` makes `call` and so enters `code`, if Python; `argument` is the first one where it is known."""
        activation = self._activations.get(id(frame))
        role = call.role
        if role is Role.WARN:
            self._warning(piece, frame, argument)
        if activation is None:
            return
        if activation.phase is not None:
            self._end_phase(activation, frame)
        if role is Role.PHASE:
            if id(code) in self.anatomy.empty_phases or (not call.awaited and is_coroutine_code(code)):
                return
            self._begin_phase(activation, frame, call)
        elif piece.role is Role.ORCH:
            if activation.opaque is not None:
                self._end_opaque(activation, frame)
            if role is Role.RUN:
                self._meet(activation, frame, call, code)

    def moved(self, piece: Machinery, frame: FrameType) -> None:
        """`frame` came to another line, or yielded an item: what it called before is over."""
        activation = self._activations.get(id(frame))
        if activation is not None and activation.phase is not None:
            self._end_phase(activation, frame)

    def callee_returned(self, frame: FrameType, value: object) -> None:
        """What `frame` called returned `value` (only probes that see this tell it)."""
        activation = self._activations.get(id(frame))
        if activation is not None and activation.phase is not None:
            self._end_phase(activation, frame, result=(value,))

    def callee_raised(self, frame: FrameType, exception: BaseException | None) -> None:
        """What `frame` called raised (only probes that see this tell it)."""
        activation = self._activations.get(id(frame))
        if activation is not None and activation.phase is not None:
            self._end_phase(activation, frame, raised=exception, failed=True)

    def returned(self, piece: Machinery, frame: FrameType, value: object) -> None:
        """`frame` ended by returning `value`."""
        activation = self._activations.pop(id(frame), None)
        if activation is None:
            self._passed(piece, frame, value)
            return
        if activation.phase is not None:
            self._end_phase(activation, frame, result=(value,))
        if activation.opaque is not None:
            self._end_opaque(activation, frame)
        step = activation.step
        if activation.failed is not None:
            self._spans.settle(activation.failed, recovered=True)
        if piece.role is Role.EXEC:
            if piece.is_batch:
                step.items = None
            self._settle(step, recovered=True)
        top = activation.top
        if top is not None:
            self._close_step(activation, top, value, None)
        if self.when_idle is not None and self.is_idle():
            self.when_idle()

    def raised(self, piece: Machinery, frame: FrameType, exception: BaseException | None) -> None:
        """`frame` ended by an exception, None where the probe could not see which."""
        activation = self._activations.pop(id(frame), None)
        if activation is None:
            self._passed(piece, frame, None)
            return
        if activation.phase is not None:
            self._end_phase(activation, frame, raised=exception, failed=True)
        if activation.opaque is not None:
            self._end_opaque(activation, frame, exception)
        if activation.failed is not None:
            self._spans.settle(activation.failed, recovered=False)
        if piece.role is Role.EXEC:
            if piece.is_batch:
                activation.step.items = None
            self._settle(activation.step, recovered=False)
        top = activation.top
        if top is not None:
            self._close_step(activation, top, None, exception, failed=True)
        if self.when_idle is not None and self.is_idle():
            self.when_idle()

    def failed(self) -> None:
        """A callback failed: nothing is known any more about the frames under way."""
        for kept in (self._activations, self._muted, self._steps):
            kept.clear()
        self._spans.abandon()

    def sweep(self, trace: LiveTrace) -> None:
        """End what this thread left open of `trace`: frames that are gone without our being told.

        That happens when an interrupt lands in the recorder itself. Coroutines and other threads may
        well run on after their trace's root.
        """
        if not trace.open:
            return
        alive = _frames_of_this_thread()
        for activation in reversed(list(self._activations.values())):
            piece, frame = activation.machinery, activation.frame
            if activation.step.span.trace is not trace or activation.thread != get_ident():
                continue
            if id(frame) not in alive and not piece.is_suspendable:
                trace.complete = False
                self.raised(piece, frame, None)

    def is_idle(self) -> bool:
        """Whether no traced code is under way."""
        return not self._activations and not self._muted

    def forget(self) -> None:
        """Forget everything: no scope is open any more, or this is a new process."""
        for kept in (self._activations, self._muted, self._steps, self._warned, self._wrappers):
            kept.clear()

    # Frames of machinery.

    def _entry_started(self, piece: Machinery, frame: FrameType) -> None:
        span, scopes = self._scopes.locate()
        if span is None and not scopes and scopes is not None and not self._runs_inside(frame):
            self._scopes.note_missed()

    def _runs_inside(self, frame: FrameType) -> bool:
        """Whether an untraced run is under way further up this stack."""
        outer = frame.f_back
        for _ in range(1_000):
            if outer is None:
                return False
            piece = self.anatomy.machinery.get(id(outer.f_code))
            if piece is not None and piece.role in (Role.ENTRY, Role.RUN):
                return True
            outer = outer.f_back
        return False

    def _run_started(self, piece: Machinery, frame: FrameType) -> None:
        values = frame.f_locals
        owner = values.get(piece.owner_name)
        if owner is None:
            return
        span, scopes = self._scopes.locate()
        if scopes is None:
            return
        step: Step | None = span.step if span is not None else None
        if step is not None and step.owner is owner and span is step.span and step.walk is None:
            self._activations[id(frame)] = Activation(piece, frame, step)  # super()._run, or an inner function
            return
        if span is None and not scopes:
            return
        if not piece.arguments:
            return
        self._watch(self.anatomy.learn(type(owner)))
        shared = values.get(piece.arguments[0])
        self._open_run(piece, frame, owner, shared, span, scopes)

    def _open_run(
        self, piece: Machinery, frame: FrameType, owner: Any, shared: Any, parent: LiveSpan | None, scopes: Any
    ) -> Activation | None:
        before = here.get()
        kind = SpanKind.FLOW if self.anatomy.is_flow(owner) else SpanKind.NODE
        name = class_name(type(owner))
        span = self._spans.open(kind, name, parent, scopes, owner=owner)
        if span is None:
            self._muted[id(frame)] = (frame, before)
            return None
        key, visit = name, 1
        above: Step | None = parent.step if parent is not None else None
        if above is not None and above.walk is not None and parent is above.span:
            key, visit = above.walk.visit(owner)
        span.node_key = key
        step = Step(span, owner, span.capture)
        span.step = step
        step.shared = shared
        span.attributes = attributes = {"visit": visit}
        warnings = self._warned.pop(id(owner), None)
        if warnings:
            attributes["warnings"] = warnings
        self._spans.begin_step(step, above)
        params = read(owner, "params", None)
        if type(params) is dict and params:
            attributes["params"] = step.capture.value(params)
        self._steps.setdefault(id(owner), []).append(step)
        activation = Activation(piece, frame, step)
        activation.top = step
        activation.before = before
        self._activations[id(frame)] = activation
        here.set(span)
        return activation

    def _orch_started(self, piece: Machinery, frame: FrameType) -> None:
        values = frame.f_locals
        owner = values.get(piece.owner_name)
        if owner is None or not piece.arguments:
            return
        shared = values.get(piece.arguments[0])
        span, scopes = self._scopes.locate()
        if scopes is None or (span is None and not scopes):
            return
        step = self._step_of(owner, span)
        if step is None:  # `_orch` called by hand, or by a `run` of the user's own
            opened = self._open_run(piece, frame, owner, shared, span, scopes)
            if opened is None:
                return
            step = opened.step
        activation = self._activations.get(id(frame))
        if activation is None:
            activation = self._activations[id(frame)] = Activation(piece, frame, step)
        params = values.get(piece.arguments[1]) if len(piece.arguments) > 1 else None
        if params is not None and step.span.kind is not SpanKind.ITERATION and activation.top is None:
            step = self._open_iteration(activation, step, params)
        start = read(owner, "start_node", None)
        if start is None:  # PocketFlow 0.0.1
            start = read(owner, "start", None)
        keys: NodeKeys = keys_for(step.span, start, self.anatomy)
        step.walk = Walk(keys, start)

    def _open_iteration(self, activation: Activation, flow: Step, params: Any) -> Step:
        activation.before = here.get()
        item = next(flow.iterations)
        span = self._spans.open(SpanKind.ITERATION, f"{flow.span.name}[{item}]", flow.span, [])
        assert span is not None  # a span beneath an open one is never muted
        step = Step(span, flow.owner, flow.capture)
        span.step = step
        span.node_key = flow.span.node_key
        step.shared = flow.shared
        span.attributes = {"item": item, "params": step.capture.value(params)}
        self._spans.begin_step(step, flow)
        activation.top = activation.step = step
        self._steps.setdefault(id(flow.owner), []).append(step)
        here.set(span)
        return step

    def _exec_started(self, piece: Machinery, frame: FrameType) -> None:
        values = frame.f_locals
        owner = values.get(piece.owner_name)
        span, scopes = self._scopes.locate()
        if owner is None or scopes is None:
            return
        step = self._step_of(owner, span)
        if step is None:
            return
        activation = self._activations[id(frame)] = Activation(piece, frame, step)
        if piece.is_batch:
            step.items = count()
            return
        if piece.arguments:
            activation.given = values.get(piece.arguments[0])
        if piece.own and piece.arguments:
            if step.items is not None:
                activation.item = next(step.items)
            if step.max_attempts is None:
                limit = read(owner, "max_retries", 1)
                step.max_attempts = limit if type(limit) is int else 1

    def _phase_started(self, piece: Machinery, frame: FrameType) -> None:
        """The code of a phase runs: a step of its own unless the call of it was seen already."""
        owner = frame.f_locals.get(piece.owner_name)
        current = here.get()
        span, scopes = self._scopes.locate()
        if owner is None or scopes is None:
            return
        step = self._step_of(owner, span)
        if step is None or piece.kind is None:
            return
        if span is not None and span.kind is piece.kind and span.step is step:
            return
        parent = step.span if not step.span.end else span
        if parent is None or piece.kind in step.capture.hidden:
            return
        activation = Activation(piece, frame, step)
        activation.phase_before = current
        if len(piece.arguments) > 0:
            activation.given = frame.f_locals.get(piece.arguments[0])
        self._activations[id(frame)] = activation
        self._open_phase(activation, frame, piece.kind, piece.name, parent)

    def _passed(self, piece: Machinery, frame: FrameType, value: object) -> None:
        """A frame that is no activation ended: an import, the choice of the next node, a run that is muted."""
        if piece.role is Role.IMPORT:
            self._watch(self.anatomy.refresh())
        elif piece.role is Role.NEXT:
            span = here.get()
            if type(span) is LiveSpan and span.step is not None and span.step.walk is not None:
                span.step.walk.next = value
        elif id(frame) in self._muted:
            here.set(self._muted.pop(id(frame))[1])

    def _step_of(self, owner: object, span: LiveSpan | None) -> Step | None:
        """The step in which `owner` runs: by context, or, where that was lost, by the node itself."""
        current = here.get()
        above = current if type(current) is LiveSpan else span
        while above is not None:
            if above.step is not None and above.step.owner is owner:
                return above.step  # type: ignore[no-any-return]
            above = above.parent
        steps = self._steps.get(id(owner))
        return steps[-1] if steps else None

    # Phases.

    def _begin_phase(self, activation: Activation, frame: FrameType, call: Call) -> None:
        step = activation.step
        kind = call.kind
        if activation.failed is not None and kind is SpanKind.EXEC:
            self._spans.settle(activation.failed, recovered=True)
            activation.failed = None
        if kind is None or kind in step.capture.hidden:
            return
        activation.phase_before = here.get()
        activation.call = call
        self._open_phase(activation, frame, kind, call.name, step.span)

    def _open_phase(
        self, activation: Activation, frame: FrameType, kind: SpanKind, name: str, parent: LiveSpan
    ) -> None:
        step = activation.step
        span = self._spans.open_phase(step, kind, f"{class_name(type(step.owner))}.{name}", parent)
        if kind is SpanKind.EXEC:
            activation.attempt += 1
            step.attempts = max(step.attempts, activation.attempt)
            attributes: dict[str, Any] = {"attempt": activation.attempt}
            if activation.item is not None:
                attributes["item"] = activation.item
            if step.max_attempts is not None:
                attributes["max_attempts"] = step.max_attempts
            span.attributes = attributes
        if step.capture.inputs:
            span.input = self._spans.given(activation, frame, kind)
        if kind is SpanKind.POST:
            self._spans.before_post(step, span)
        activation.handled = sys.exc_info()[1]
        activation.phase = span
        here.set(span)

    def _end_phase(
        self,
        activation: Activation,
        frame: FrameType,
        *,
        result: tuple[object] | None = None,
        raised: BaseException | None = None,
        failed: bool = False,
    ) -> None:
        span = activation.phase
        assert span is not None
        activation.phase = None
        call = activation.call
        if result is None and not failed:
            raised = self._caught(activation, frame)
            if raised is not None:
                failed = True
            elif call is not None and call.result:
                result = (frame.f_locals.get(call.result),)
        activation.handled = None
        if here.get() is span:
            here.set(activation.phase_before)
        activation.phase_before = None
        self._spans.end_phase(activation, span, result, raised, failed=failed)

    def _caught(self, activation: Activation, frame: FrameType) -> BaseException | None:
        """The exception that ended the open phase, if the frame has just caught one."""
        caught = sys.exc_info()[1]
        if caught is None or caught is activation.handled:
            return None
        if activation.machinery.own:
            return caught
        # An override may do more than call the phase: blame the phase only for what came out of that call.
        trace = caught.__traceback__
        while trace is not None and trace.tb_frame is not frame:
            trace = trace.tb_next
        call = None if trace is None else activation.machinery.call_at(trace.tb_lasti)
        return caught if call is activation.call else None

    def _settle(self, step: Step, *, recovered: bool) -> None:
        """Deliver the failed attempts that were waiting for the outcome of `_exec`."""
        while step.failed:
            self._spans.settle(step.failed.pop(), recovered=recovered)

    # Steps.

    def _close_step(
        self,
        activation: Activation,
        step: Step,
        value: object,
        exception: BaseException | None,
        *,
        failed: bool = False,
    ) -> None:
        span = step.span
        self._settle(step, recovered=not failed)
        if here.get() is span:
            here.set(activation.before)
        steps = self._steps.get(id(step.owner))
        if steps is not None:
            if step in steps:
                steps.remove(step)
            if not steps:
                self._steps.pop(id(step.owner), None)
        self._spans.end_step(step, value, exception, failed=failed)

    def _meet(self, activation: Activation, frame: FrameType, call: Call, code: CodeType | None) -> None:
        """A flow is about to run a node: watch its class, or time it here if no code of it can be watched."""
        if code is not None and (id(code) in self.anatomy.machinery or id(code) in self._wrappers):
            return
        node = frame.f_locals.get(call.receiver) if call.receiver else None
        if node is None:
            return
        self._watch(self.anatomy.learn(type(node)))
        if any(functions_in(read(node, call.name, None), call.name)):
            if code is not None:
                self._wrappers[id(code)] = code
            return
        activation.opaque = self._open_opaque(activation, node)

    def _open_opaque(self, activation: Activation, node: object) -> Step | None:
        above = activation.step
        kind = SpanKind.FLOW if self.anatomy.is_flow(node) else SpanKind.NODE
        span = self._spans.open(kind, class_name(type(node)), above.span, [])
        if span is None:
            return None
        key, visit = above.walk.visit(node) if above.walk is not None else (span.name, 1)
        span.node_key = key
        span.attributes = {"visit": visit}
        step = Step(span, node, above.capture)
        span.step = step
        step.shared = above.shared
        self._spans.begin_step(step, above)
        activation.opaque_before = here.get()
        here.set(span)
        return step

    def _end_opaque(
        self, activation: Activation, frame: FrameType, exception: BaseException | None = None
    ) -> None:
        step = activation.opaque
        activation.opaque = None
        if here.get() is step.span:
            here.set(activation.opaque_before)
        value = frame.f_locals.get("last_action")
        self._spans.end_step(step, value, exception, failed=exception is not None)

    def _warning(self, piece: Machinery, frame: FrameType, message: object) -> None:
        """PocketFlow is about to warn: about how a flow is wired, or about how a node is run."""
        values = frame.f_locals
        owner = values.get(piece.owner_name)
        text = message if type(message) is str else _warning_text(piece, values)
        span, scopes = self._scopes.locate()
        if piece.role is Role.ENTRY:
            if span is not None or scopes:
                self._warned[id(owner)] = [text]
            return
        step = self._step_of(owner, span)
        while step is not None and step.span.kind is SpanKind.ITERATION and step.span.parent is not None:
            step = step.span.parent.step
        if step is not None:
            attributes = step.span.attributes = step.span.attributes or {}
            warnings = attributes.setdefault("warnings", [])
            if text not in warnings and len(warnings) < MAX_WARNINGS:
                warnings.append(text)

    def _watch(self, pieces: list[Machinery]) -> None:
        if pieces and self.watcher is not None:
            self.watcher.watch(pieces)


def _frames_of_this_thread() -> set[int]:
    frames: set[int] = set()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        frames.add(id(frame))
        frame = frame.f_back
    return frames


def _warning_text(piece: Machinery, values: Any) -> str:
    """PocketFlow's words, put together from the locals where the probe cannot see the message."""
    if piece.role is Role.ENTRY:
        return f"Node won't run successors. Use {'AsyncFlow' if piece.name == 'run_async' else 'Flow'}."
    action = values.get("action")
    wired = read(values.get("curr"), "successors", {})
    names = [name for name in wired if type(name) is str] if type(wired) is dict else []
    shown = action if type(action) is str else type(action).__name__ if action is not None else "None"
    return f"Flow ends: '{shown}' not found in {names}"


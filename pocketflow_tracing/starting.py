"""What happens when a frame of machinery begins: a step of its own, or a part of one that runs already."""

from __future__ import annotations

from itertools import count
from types import FrameType
from typing import Any, Protocol

from .anatomy import Anatomy, Machinery, Role
from .frames import Frames
from .live import LiveSpan
from .model import SpanKind
from .reading import fields_of, functions_in, read
from .scopes import Scope, Scopes, Settings, here
from .spans import Spans
from .steps import Activation, Step, Walk, keys_for

_ENTRY_DEPTH = 1_000


class Watcher(Protocol):
    """What can be asked to watch more code: the probe in use."""

    def watch(self, pieces: list[Machinery]) -> None:
        """Report the events of these code objects too."""


class Starting:
    """Opens steps as their frames begin, and finds the steps that other frames work for."""

    def __init__(self, anatomy: Anatomy, scopes: Scopes, spans: Spans, frames: Frames) -> None:
        self.anatomy = anatomy
        self.watcher: Watcher | None = None
        self._scopes = scopes
        self._spans = spans
        self._frames = frames
        self.warned: dict[int, list[str]] = {}
        """What PocketFlow warned of before a run began, by `id` of the node."""

    def started(self, piece: Machinery, frame: FrameType) -> Activation | None:
        """`frame` began to run `piece`; gives its activation, if it has one."""
        role = piece.role
        if role is Role.RUN:
            return self._run_started(piece, frame)
        if role is Role.EXEC:
            if piece.is_batch:
                return self._batch_started(piece, frame)
            return None if piece.is_lazy else self.exec_started(piece, frame)
        if role is Role.ORCH:
            return self._orch_started(piece, frame)
        if role is Role.PHASE:
            return self._phase_started(piece, frame)
        if role is Role.ENTRY:
            self._entry_started(frame)
        return None

    def clear(self) -> None:
        """Forget what was noted of runs under way."""
        self.warned.clear()

    def _entry_started(self, frame: FrameType) -> None:
        span, scopes = self._scopes.locate()
        if span is None and scopes == [] and not self._runs_inside(frame):
            self._scopes.note_missed()

    def _runs_inside(self, frame: FrameType) -> bool:
        """Whether an untraced run is under way further up this stack."""
        outer = frame.f_back
        for _ in range(_ENTRY_DEPTH):
            if outer is None:
                return False
            piece = self.anatomy.machinery.get(id(outer.f_code))
            if piece is not None and piece.role in (Role.ENTRY, Role.RUN):
                return True
            outer = outer.f_back
        return False

    def _locate(self, frame: FrameType) -> tuple[LiveSpan | None, list[Scope] | None]:
        """Where a run that begins in `frame` belongs; a trace that lost its end is ended first."""
        span, scopes = self._scopes.locate()
        outer = self._frames.active.get(id(frame.f_back))
        if span is not None and outer is not None and outer.step is span.step:
            return span, scopes  # called by a frame of that very step
        while span is not None and not self._frames.is_alive(span, frame):
            self._frames.forget(span.trace)
            self._spans.close_orphans(span.trace)
            span, scopes = self._scopes.locate()
        return span, scopes

    def _run_started(self, piece: Machinery, frame: FrameType) -> Activation | None:
        values = frame.f_locals
        owner = values.get(piece.owner_name)
        if owner is None:
            return None
        span, scopes = self._locate(frame)
        if scopes is None or (span is None and not scopes):
            return None
        step: Step | None = span.step if span is not None else None
        if step is not None and step.owner is owner and span is step.span and step.walk is None:
            # `super()._run`, or a function inside of an override.
            return self._join(piece, frame, step)
        if not piece.arguments:
            return None
        if not self.anatomy.is_known(type(owner)):
            self.watch(self.anatomy.learn(type(owner)))
        return self._open_run(piece, frame, owner, values.get(piece.arguments[0]), span, scopes)

    def _join(self, piece: Machinery, frame: FrameType, step: Step) -> Activation:
        activation = self._frames.active[id(frame)] = Activation(piece, frame, step)
        return activation

    def _open_run(
        self,
        piece: Machinery,
        frame: FrameType,
        owner: object,
        shared: object,
        parent: LiveSpan | None,
        scopes: list[Scope],
    ) -> Activation | None:
        before = here.get()
        step = self._open_step(owner, shared, parent, scopes)
        if step is None:
            self._frames.muted[id(frame)] = (frame, before)
            here.set(Scope(Settings(), before, muted=True))
            return None
        activation = self._frames.active[id(frame)] = Activation(piece, frame, step)
        activation.top = step
        activation.before = before
        step.activation = activation
        here.set(step.span)
        return activation

    def _open_step(
        self, owner: object, shared: object, parent: LiveSpan | None, scopes: list[Scope]
    ) -> Step | None:
        """The step of a node or flow that is about to run; None where its run is not to be traced."""
        node_type = self.anatomy.type_of(owner)
        name = node_type.name
        kind = SpanKind.FLOW if node_type.is_flow else SpanKind.NODE
        span = self._spans.open(kind, name, parent, scopes, owner=owner)
        if span is None:
            return None
        above: Step | None = parent.step if parent is not None else None
        key, visit = name, 1
        # A run by hand that outlived its phase stands beneath the flow, yet is no step of it.
        current = here.get()
        if above is not None and above.walk is not None and type(current) is LiveSpan:
            if current.step is above and (current is above.span or current.end):
                key, visit = above.walk.visit(owner)
        span.node_key = key
        attributes: dict[str, Any] = {"visit": visit}
        span.attributes = attributes
        if self.warned and id(owner) in self.warned:
            attributes["warnings"] = self.warned.pop(id(owner))
        step = Step(span, node_type, owner, shared)
        fields = fields_of(owner)
        params = fields.get("params")
        if type(params) is dict and params:
            attributes["params"] = step.capture.value(params)
        limit = fields.get("max_retries")
        step.max_attempts = limit if type(limit) is int else None
        self._spans.begin_step(step, above)
        return step

    def _orch_started(self, piece: Machinery, frame: FrameType) -> Activation | None:
        values = frame.f_locals
        owner = values.get(piece.owner_name)
        if owner is None or not piece.arguments:
            return None
        span, scopes = self._locate(frame)
        if scopes is None or (span is None and not scopes):
            return None
        step = self._frames.step_of(owner, span)
        if step is not None:
            activation = self._join(piece, frame, step)
        else:  # `_orch` called by hand, or by a `run` of the user's own
            shared = values.get(piece.arguments[0])
            opened = self._open_run(piece, frame, owner, shared, span, scopes)
            if opened is None:
                return None
            activation = opened
        params = values.get(piece.arguments[1]) if len(piece.arguments) > 1 else None
        if (
            params is not None
            and activation.step.span.kind is not SpanKind.ITERATION
            and activation.top is None
        ):
            self._open_iteration(activation, params)
        start = read(owner, "start_node", None)
        if start is None:  # PocketFlow 0.0.1
            start = read(owner, "start", None)
        walking = activation.step
        walking.walk = Walk(keys_for(walking.span, start, self.anatomy), start)
        if start is not None and not self.anatomy.is_plain(start):
            self.meet(activation, start)
        return activation

    def _open_iteration(self, activation: Activation, params: object) -> None:
        flow = activation.step
        if flow.iterations is None:
            flow.iterations = count()
        item = next(flow.iterations)
        span = self._spans.open(SpanKind.ITERATION, f"{flow.span.name}[{item}]", flow.span, [])
        if span is None:
            return
        span.node_key = flow.span.node_key
        step = Step(span, flow.type, flow.owner, flow.shared)
        span.attributes = {"item": item, "params": step.capture.value(params)}
        self._spans.begin_step(step, flow)
        activation.before = here.get()
        activation.top = activation.step = step
        step.activation = activation
        here.set(span)

    def _batch_started(self, piece: Machinery, frame: FrameType) -> Activation | None:
        step = self._step_at(piece, frame)
        if step is None:
            return None
        step.items = count()
        return self._join(piece, frame, step)

    def exec_started(self, piece: Machinery, frame: FrameType) -> Activation | None:
        """An `_exec` began; told of its first call that means something, where it hands out no items."""
        outer = self._frames.active.get(id(frame.f_back)) if piece.own else None
        is_direct = outer is not None and outer.machinery.own and outer.machinery.role is Role.RUN
        step = outer.step if outer is not None and is_direct else self._step_at(piece, frame)
        if step is None:
            return None
        activation = self._join(piece, frame, step)
        activation.is_direct = is_direct
        if piece.arguments:
            if step.capture.inputs:
                activation.given = frame.f_locals.get(piece.arguments[0])
            if piece.own and step.items is not None:
                activation.item = next(step.items)
        return activation

    def _step_at(self, piece: Machinery, frame: FrameType) -> Step | None:
        """The step that a frame of a node works for, None where that node's run is not traced."""
        owner = frame.f_locals.get(piece.owner_name)
        span, scopes = self._scopes.locate()
        if owner is None or scopes is None or (span is None and self._runs_inside(frame)):
            return None  # an untraced run, maybe of a node that a traced one has in use elsewhere
        return self._frames.step_of(owner, span)

    def _phase_started(self, piece: Machinery, frame: FrameType) -> Activation | None:
        """The code of a phase runs: a span of its own, unless the call of it was seen already."""
        step = self._step_at(piece, frame)
        if step is None or (step.capture.hidden and piece.kind in step.capture.hidden):
            return None
        span, _ = self._scopes.locate()
        if span is not None and span.kind is piece.kind and span.step is step:
            return None
        parent = span if step.span.end else step.span
        if parent is None:
            return None
        activation = self._join(piece, frame, step)
        activation.parent = parent
        if step.capture.inputs and piece.arguments:
            activation.given = frame.f_locals.get(piece.arguments[0])
        return activation

    def meet(self, activation: Activation, node: object) -> None:
        """A flow is about to run a node: watch its class, or time it here if no code of it can be watched."""
        if node is None or activation.opaque is not None:
            return
        if not self.anatomy.is_known(type(node)):
            self.watch(self.anatomy.learn(type(node)))
        names = [name for name in ("_run", "_run_async") if read(node, name, None) is not None]
        if any(True for name in names for _ in functions_in(read(node, name), name)):
            return
        flow = activation.step
        activation.opaque = step = self._open_step(node, flow.shared, flow.span, [])
        if step is not None:
            activation.opaque_before = here.get()
            here.set(step.span)

    def watch(self, pieces: list[Machinery]) -> None:
        """Have the probe watch what has come to light."""
        if pieces and self.watcher is not None:
            self.watcher.watch(pieces)

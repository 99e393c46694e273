"""What happens when a frame of machinery begins: a step of its own, or a part of one that runs already."""

from __future__ import annotations

from itertools import count
from threading import get_ident
from types import FrameType
from typing import Final, Protocol

from .anatomy import Anatomy, Machinery, NodeType, Role
from .frames import Frames
from .live import LiveSpan, clock, opened
from .model import SpanKind, Status
from .reading import UNKNOWN, arguments_of, fields_of, functions_in, read
from .scopes import Current, Scope, Scopes, Settings, get_here, set_here
from .spans import Spans
from .steps import Activation, Step, Walk, keys_for

_ENTRY_DEPTH = 1_000
_DRIVERS: Final = ("_run", "_run_async")
_NO_SCOPES: Final[list[Scope]] = []
# An attribute of an enum's class takes ten times as long to read as a global.
_ENTRY, _RUN, _ORCH, _EXEC, _PHASE = Role.ENTRY, Role.RUN, Role.ORCH, Role.EXEC, Role.PHASE


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
        if role is _RUN:
            return self.run_started(piece, frame)
        if role is _EXEC:
            if piece.is_batch:
                return self._batch_started(piece, frame)
            return None if piece.is_lazy else self.exec_started(piece, frame)
        if role is _ORCH:
            return self._orch_started(piece, frame)
        if role is _PHASE:
            return self._phase_started(piece, frame)
        if role is _ENTRY:
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
            if piece is not None and piece.role in (_ENTRY, _RUN):
                return outer not in self._frames.active  # a traced one whose context was left
            outer = outer.f_back
        return False

    def _locate(self, frame: FrameType) -> tuple[LiveSpan | None, list[Scope] | None]:
        """Where a run that begins in `frame` belongs; a trace that lost its end is ended first."""
        span, scopes = self._scopes.locate()
        outer = self._frames.active.get(frame.f_back)
        if span is not None and outer is not None and outer.step is span.step:
            return span, scopes  # called by a frame of that very step
        while span is not None and not self._frames.is_alive(span, frame):
            self._frames.forget(span.trace)
            self._spans.close_orphans(span.trace, Status.ERROR)
            span, scopes = self._scopes.locate()
        return span, scopes

    def run_started(self, piece: Machinery, frame: FrameType) -> Activation | None:
        """A `_run` began: a step of its own, or part of the one that called it."""
        values = frame.f_locals
        owner = values.get(piece.owner_name)
        if owner is None:
            return None
        current = get_here()
        outer = self._frames.active.get(frame.f_back)
        span: LiveSpan | None
        scopes: list[Scope] | None
        if (
            outer is not None
            and type(current) is LiveSpan
            and current.step is outer.step
            and not current.end
            and current.trace.pending
        ):
            span, scopes = current, _NO_SCOPES  # mostly: a flow has just called it
        else:
            span, scopes = self._locate(frame)
        if span is not None:
            step: Step | None = span.step
            if step is not None and step.owner is owner and span is step.span and step.walk is None:
                # `super()._run`, or a function inside of an override.
                return self._join(piece, frame, step)
        elif not scopes:
            return None
        if not piece.arguments:
            return None
        return self._open_run(piece, frame, owner, values.get(piece.arguments[0]), span, scopes, current)

    def _join(self, piece: Machinery, frame: FrameType, step: Step) -> Activation:
        activation = self._frames.active[frame] = Activation(piece, frame, step, get_here(), get_ident())
        return activation

    def _open_run(
        self,
        piece: Machinery,
        frame: FrameType,
        owner: object,
        shared: object,
        parent: LiveSpan | None,
        scopes: list[Scope] | None,
        current: Current,
    ) -> Activation | None:
        step = self._open_step(owner, shared, parent, scopes, current)
        if step is None:
            self._frames.muted[id(frame)] = (frame, current)
            set_here(Scope(Settings(), current, muted=True))
            return None
        activation = self._frames.active[frame] = Activation(piece, frame, step, current, get_ident())
        activation.is_top = True
        step.activation = activation
        set_here(step.span)
        return activation

    def _open_step(
        self,
        owner: object,
        shared: object,
        parent: LiveSpan | None,
        scopes: list[Scope] | None,
        current: Current,
    ) -> Step | None:
        """The step of a node or flow that is about to run; None where its run is not to be traced."""
        node_type = self.anatomy.types.get(id(type(owner))) or self._meet_type(type(owner))
        name = node_type.name
        if parent is not None and not scopes:
            span = opened(parent.trace, parent, node_type.kind, name, clock())
        else:
            first = self._spans.open(node_type.kind, name, parent, scopes, owner=owner)
            if first is None:
                return None
            span = first
        key, visit = name, 1
        above: Step | None = None if parent is None else parent.step
        if above is not None and above.walk is not None:
            if current is above.span or _was_called_by(above, current):
                key, visit = above.walk.visit(owner)
        step = Step(span, node_type, owner, shared, key)
        step.visit = visit
        if self.warned and id(owner) in self.warned:
            span.attributes = {"warnings": self.warned.pop(id(owner))}
        fields = fields_of(owner)
        params = fields.get("params")
        if params and type(params) is dict and step.capture.inputs:
            span.attributes = {**(span.attributes or {}), "params": step.capture.value(params)}
        limit = fields.get("max_retries")
        if type(limit) is int:
            step.max_attempts = limit
        if step.capture.inputs:
            self._spans.take_input(step, above)
        return step

    def _meet_type(self, cls: type) -> NodeType:
        """What there is to know of a class of nodes; its code is watched from now on."""
        if id(cls) not in self.anatomy.types:
            self.watch(self.anatomy.learn(cls))
        return self.anatomy.type_of(cls)

    def _orch_started(self, piece: Machinery, frame: FrameType) -> Activation | None:
        values = frame.f_locals
        owner = values.get(piece.owner_name)
        if owner is None or not piece.arguments:
            return None
        current = get_here()
        span, scopes = self._locate(frame)
        if span is None and not scopes:
            return None
        step = self._frames.step_of(owner, span)
        if step is not None:
            activation = self._join(piece, frame, step)
        else:  # `_orch` called by hand, or by a `run` of the user's own
            shared = values.get(piece.arguments[0])
            opened = self._open_run(piece, frame, owner, shared, span, scopes, current)
            if opened is None:
                return None
            activation = opened
        params = values.get(piece.arguments[1]) if len(piece.arguments) > 1 else None
        if (
            params is not None
            and activation.step.span.kind is not SpanKind.ITERATION
            and not activation.is_top
        ):
            self._open_iteration(activation, params)
        start = read(owner, "start_node", None)
        if start is None:  # PocketFlow 0.0.1
            start = read(owner, "start", None)
        walking = activation.step
        walk = walking.walk = Walk(keys_for(walking.span, start, self.anatomy), start)
        if piece.own and not walking.span.trace.debug and not walking.capture.is_partial:
            activation.walk = walk
        if start is not None and not self.anatomy.is_plain(start):
            self.meet(activation, start)
        return activation

    def _open_iteration(self, activation: Activation, params: object) -> None:
        flow = activation.step
        if flow.numbers is None:
            flow.numbers = count()
        item = next(flow.numbers)
        span = self._spans.open(SpanKind.ITERATION, f"{flow.span.name}[{item}]", flow.span, [])
        if span is None:
            return
        step = Step(span, flow.type, flow.owner, flow.shared, flow.key)
        span.attributes = {"item": item}
        if step.capture.inputs:
            span.attributes["params"] = step.capture.value(params)
            self._spans.take_input(step, flow)
        activation.before = get_here()
        activation.step = step
        activation.is_top = True
        step.activation = activation
        set_here(span)

    def _batch_started(self, piece: Machinery, frame: FrameType) -> Activation | None:
        step = self._step_at(piece, frame)
        if step is None:
            return None
        step.numbers = count()
        return self._join(piece, frame, step)

    def exec_started(self, piece: Machinery, frame: FrameType) -> Activation | None:
        """An `_exec` began; told of its first call that means something, where it hands out no items.

        Called by PocketFlow's own `_run`, it shares the activation: the phases of both are one sequence.
        """
        activation = self._frames.active.get(frame.f_back) if piece.own else None
        if activation is not None and (activation.phase is not None or activation.machinery.role is not _RUN):
            activation = None  # it is not called for itself, but as a phase, or for an item
        if activation is not None and activation.machinery.passes_on and activation.inner is None:
            self._frames.active[frame] = activation
            activation.inner = frame
        else:
            found = self._step_at(piece, frame)
            if found is None and activation is not None:
                found = activation.step  # a `_run` had another node do this part
            if found is None:
                return None
            activation = self._join(piece, frame, found)
        step = activation.step
        if step.capture.inputs and piece.arguments:
            activation.given = frame.f_locals.get(piece.arguments[0])
        if step.numbers is not None and piece.own and piece.arguments:
            activation.item = next(step.numbers)
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
        if step is None:
            return None
        span, _ = self._scopes.locate()
        is_hidden = bool(step.capture.hidden) and piece.kind in step.capture.hidden
        if is_hidden and _leads_to(span, step):
            if piece.kind is SpanKind.EXEC:
                step.attempts = step.attempts or 1
            return None
        if span is not None and span.kind is piece.kind and span.step is step:
            return None
        parent = span if step.span.end else step.span
        if parent is None:
            return None
        activation = self._join(piece, frame, step)
        activation.parent = parent
        if is_hidden:
            set_here(parent)  # in a thread of its own, what runs in it would not be found to be traced
        elif step.capture.inputs:
            activation.given = next(iter(arguments_of(frame, step.owner, piece.name)), UNKNOWN)
        return activation

    def meet(self, activation: Activation, node: object) -> None:
        """A flow is about to run a node: watch its class, or time it here if no code of it can be watched."""
        if node is None or activation.opaque is not None:
            return
        self._meet_type(type(node))
        if any(True for name in _DRIVERS for _ in functions_in(read(node, name, None), name)):
            return
        flow = activation.step
        before = get_here()
        activation.opaque = step = self._open_step(node, flow.shared, flow.span, _NO_SCOPES, before)
        if step is not None:
            activation.opaque_before = before
            set_here(step.span)

    def watch(self, pieces: list[Machinery]) -> None:
        """Have the probe watch what has come to light."""
        if pieces and self.watcher is not None:
            self.watcher.watch(pieces)


def _leads_to(span: LiveSpan | None, step: Step) -> bool:
    """Whether `span` is that of `step`, or stands beneath it."""
    while span is not None and span is not step.span:
        span = span.parent
    return span is not None


def _was_called_by(flow: Step, current: Current) -> bool:
    """Whether a run that finds `current` is the next step of `flow`, after one that left it so.

    A run by hand that outlived its phase stands beneath the flow, yet is no step of it.
    """
    return type(current) is LiveSpan and current.step is flow and current.end > 0

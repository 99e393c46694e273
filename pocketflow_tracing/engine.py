"""The one engine of a process: opens scopes, keeps the probe on while something is traced."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from .anatomy import Anatomy
from .bridge import attach, detach
from .delivery import delivery
from .errors import RECORDER, forget_told, log, report_failure
from .live import LiveSpan, LiveTrace, clock
from .model import SpanKind
from .probes import make_probe
from .probes.base import Probe
from .recorder import Recorder
from .scopes import Current, Scope, Scopes, Settings, here
from .spans import Outlet, Spans

P = ParamSpec("P")
R = TypeVar("R")


def _guarded(method: Callable[Concatenate[Engine, P], R]) -> Callable[Concatenate[Engine, P], R | None]:
    """`method`, but a failure of ours costs one line, and the traces under way; then it gives None."""

    @wraps(method)
    def call(self: Engine, /, *args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return method(self, *args, **kwargs)
        except Exception as failure:
            report_failure(RECORDER, failure)
            try:
                self.spans.abandon()
            except Exception as another:
                report_failure(RECORDER, another)
            return None

    return call


class Engine:
    """Scopes, recorder and probe, wired together. Everything here runs on the program's threads."""

    def __init__(self, outlet: Outlet) -> None:
        self.scopes = Scopes()
        self.spans = Spans(outlet)
        self._anatomy: Anatomy | None = None
        self._recorder: Recorder | None = None
        self._probe: Probe | None = None
        self._open: set[Scope] = set()
        # Re-entrant: a signal handler may open a scope while this thread is opening one.
        self._lock = threading.RLock()
        os.register_at_fork(after_in_child=self._forget_parent)

    # Scopes.

    @_guarded
    def enter(
        self, settings: Settings, *, owner: object = None, process: bool = False, announces: bool = False
    ) -> Scope:
        """Open a scope and make it current; begins to watch if it is the first."""
        scope = Scope(settings, here.get(), owner=owner)
        scope.announces = announces
        try:
            with self._lock:
                self._watch(every_thread=process)
                self._open.add(scope)
                if process:
                    self.scopes.process.append(scope)
                elif announces:
                    self.scopes.announcing.append(scope)
            scope.make_current()
        except BaseException:  # of a signal handler, say: nobody will leave what was not entered
            self.leave(scope)
            raise
        return scope

    @_guarded
    def mute(self, settings: Settings, owner: object = None) -> Scope | None:
        """A scope in which nothing is traced; None where nothing would be anyway."""
        outer = here.get()
        if outer is None and not self.scopes.process:
            return None
        scope = Scope(settings, outer, owner=owner, muted=True)
        try:
            with self._lock:
                self._open.add(scope)
            scope.make_current()
        except BaseException:
            self.leave(scope)
            raise
        return scope

    @_guarded
    def leave(self, scope: Scope) -> None:
        """Close a scope; stops watching if it was the last and nothing traced is under way."""
        scope.is_open = False
        try:
            scope.make_outer_current()
            self._sweep(scope)
        finally:
            with self._lock:
                self._open.discard(scope)
                for kept in (self.scopes.process, self.scopes.announcing):
                    if scope in kept:
                        kept.remove(scope)
            self.rest()

    @_guarded
    def rest(self) -> None:
        """Stop watching if no scope is open and no traced code is under way."""
        with self._lock:
            recorder = self._recorder
            if recorder is None or self._open:
                return
            if recorder.is_idle():
                self._stop()
            else:
                recorder.when_idle = self.rest

    def _watch(self, *, every_thread: bool) -> None:
        if self._probe is not None and not self._probe.is_lost():
            self._probe.join()
            return
        self._stop()  # another tool took our place, if anything: begin anew
        anatomy = self._anatomy = self._anatomy or Anatomy()
        anatomy.refresh()
        recorder = Recorder(anatomy, self.scopes, self.spans)
        probe = make_probe(anatomy.machinery, recorder)
        recorder.use(probe)
        try:
            is_on = probe.start(every_thread=every_thread)
        except BaseException:
            probe.stop()
            raise
        if is_on:
            self._recorder, self._probe = recorder, probe

    def _stop(self) -> None:
        probe, self._probe = self._probe, None
        recorder, self._recorder = self._recorder, None
        if probe is not None:
            if probe.is_lost():
                self._cut_short(recorder)
            probe.stop()
        if recorder is not None:
            recorder.forget()

    def _cut_short(self, recorder: Recorder | None) -> None:
        """Events stopped arriving: what is open never sees its end."""
        log.warning(
            "[TRACING] events stopped, for another tool, the recursion limit or a signal handler's "
            "exception; traces of this time are incomplete"
        )
        for trace in list(self.spans.running.values()):
            if recorder is not None:
                recorder.sweep(trace, is_known=False)
        self.spans.abandon()

    def _sweep(self, scope: Scope) -> None:
        is_known = self._probe is not None and (self._probe.was_hit or not self._probe.is_lost())
        for trace in list(self.spans.running.values()):
            if trace.origin is scope and self._recorder is not None:
                self._recorder.sweep(trace, is_known=is_known)

    # Spans of the program's own.

    @_guarded
    def begin(self, kind: SpanKind, name: str, owner: object = None) -> LiveSpan | None:
        """A span under what is current, made current; None outside of any scope."""
        parent, scopes = self.scopes.locate()
        if scopes is None or (parent is None and not scopes):
            return None
        span = self.spans.open(kind, name, parent, scopes, owner=owner)
        if span is not None:
            here.set(span)
            if span.trace.is_bridged:
                attach(span)
        return span

    @_guarded
    def end(self, span: LiveSpan, before: Current, exception: BaseException | None) -> None:
        """End a span that `begin` gave; what was current before is current again."""
        if here.get() is span:
            here.set(before)
        if span.trace.is_bridged:
            detach(span)
        self.spans.end(span, exception)

    @_guarded
    def current(self) -> LiveSpan | None:
        """The innermost open span of this context, None outside of any trace."""
        return self.scopes.locate()[0]

    # Ends.

    @_guarded
    def end_all(self) -> None:
        """The process ends: report the traces that are still open, as far as they came."""
        for trace in list(self.spans.running.values()):
            self.spans.end_trace(trace)

    def _forget_parent(self) -> None:
        """After a fork: the traces under way are the parent's to finish."""
        try:
            self._lock = threading.RLock()
            forget_told()
            for trace in list(self.spans.running.values()):
                _disown(trace)
            self.spans.running.clear()
            self.spans.stores.clear()
            if self._recorder is not None:
                self._recorder.disown()
        except Exception as failure:
            report_failure(RECORDER, failure)


def _disown(trace: LiveTrace) -> None:
    trace.pending.clear()
    for span in trace.under_way():
        span.end = clock()
    trace.open.clear()


engine = Engine(delivery)
delivery.before_exit = engine.end_all

"""What programs use: `trace_flow`, `tracing`, `span`, what is current, `flush`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from types import TracebackType
from typing import Any, TypeVar, overload

from .arguments import name_given, settings_of, sinks_given, timeout_given
from .bridge import traceparent
from .config import TracingConfig, resolve
from .current import CurrentSpan, CurrentTrace
from .decorating import decorate
from .delivery import delivery
from .engine import engine
from .errors import ArgumentValueError, contained, log
from .live import LiveSpan, LiveTrace, trace_hex
from .model import SpanKind, Trace
from .scopes import Current, Scope, here
from .sinks.base import Sink
from .sinks.memory import MemorySink

T = TypeVar("T")
B = TypeVar("B", bound="_Block")
RECENT_TRACES = 100
RECENT_SPANS = 10_000
"""How many spans of each of them are held in memory, where no store keeps them."""


@overload
def trace_flow(
    target: TracingConfig | None = None,
    /,
    *,
    config: TracingConfig | None = None,
    flow_name: str | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
    tags: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    variant: str | None = None,
    parent: str | None = None,
    node_types: Mapping[type | str, str] | None = None,
) -> Callable[[T], T]: ...
@overload
def trace_flow(target: T, /) -> T: ...
def trace_flow(
    target: Any = None,
    /,
    *,
    config: TracingConfig | None = None,
    flow_name: str | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
    tags: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    variant: str | None = None,
    parent: str | None = None,
    node_types: Mapping[type | str, str] | None = None,
) -> Any:
    """Trace every run of a flow: a class, an instance, a function or a coroutine function.

    Use it bare (`@trace_flow`), with settings (`@trace_flow(flow_name="Support")`), or on an
    instance (`flow = trace_flow()(Flow(start=node))`), which comes back as the same object. A
    `TracingConfig` may be given first, or as `config=`. A decorated function is one trace itself,
    and what it runs lies beneath it. Raises TracingError for what cannot be traced.
    """
    if isinstance(target, TracingConfig):
        config, target = config or target, None
    settings = settings_of(
        config=config,
        flow_name=flow_name,
        session_id=session_id,
        user_id=user_id,
        tags=tags,
        metadata=metadata,
        variant=variant,
        parent=parent,
        node_types=node_types,
    )

    def decorator(decorated: T) -> T:
        traced: T = decorate(decorated, settings)
        return traced

    return decorator if target is None else decorator(target)


class _Block(ABC):
    """What is used by `with` or by `async with`: neither its beginning nor its end waits for anything."""

    @abstractmethod
    def __enter__(self: B) -> B: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def __aenter__(self: B) -> B:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, exception, trace)


class tracing(_Block):
    """Trace the flows that run in a `with` or `async with` block, their classes untouched.

    `scope="context"` means this thread or task and what inherits its context, `"process"` every
    thread. `sinks` take the place of the store and whatever else is configured; inside another
    scope they are told as well as whatever that one uses. `traces` holds the last 100 traces that
    began in the block and have ended.
    """

    def __init__(
        self,
        config: TracingConfig | None = None,
        *,
        flow_name: str | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        variant: str | None = None,
        parent: str | None = None,
        node_types: Mapping[type | str, str] | None = None,
        scope: str = "context",
        sinks: Sequence[Sink] | None = None,
    ) -> None:
        if scope not in ("context", "process"):
            raise ArgumentValueError(f"scope must be 'context' or 'process'; it is {scope!r}")
        self._settings = settings_of(
            config=config,
            flow_name=flow_name,
            session_id=session_id,
            user_id=user_id,
            tags=tags,
            metadata=metadata,
            variant=variant,
            parent=parent,
            node_types=node_types,
        )
        if sinks is not None:
            self._settings.sinks = sinks_given(sinks)
            self._settings.store = False
        self._process = scope == "process"
        self._scopes: list[Scope | None] = []
        self._recent: deque[tuple[str, TracingConfig]] = deque(maxlen=RECENT_TRACES)
        self._memory: MemorySink | None = None

    def __enter__(self) -> tracing:
        scope: Scope | None = None
        with contained:
            scope = self._open()
        self._scopes.append(scope)
        return self

    def _open(self) -> Scope | None:
        if not resolve(self._settings.config).enabled:
            return engine.mute(self._settings)
        if self._memory is None and not self._is_stored():
            self._memory = MemorySink(keep=RECENT_TRACES, max_spans=RECENT_SPANS)
            self._settings.sinks = (*(self._settings.sinks or ()), self._memory)
        scope = engine.enter(self._settings, process=self._process, announces=not self._process)
        if scope is not None:
            scope.on_trace = self._ended
        return scope

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        scope = self._scopes.pop()
        if scope is None:
            return
        engine.leave(scope)
        if scope.missed:
            runs = "1 flow run" if scope.missed == 1 else f"{scope.missed} flow runs"
            were = "was" if scope.missed == 1 else "were"
            log.warning(
                "[TRACING] %s in other threads or tasks %s not traced; use scope='process'", runs, were
            )

    def _is_stored(self) -> bool:
        """Whether a store keeps what runs in here; the outermost scope decides that."""
        _, scopes = engine.scopes.locate()
        outermost = scopes[-1].settings if scopes else self._settings
        return outermost.store and resolve(outermost.config).store is not None

    def _ended(self, trace: LiveTrace) -> None:
        self._recent.append((trace_hex(trace.id), trace.config))

    @property
    def traces(self) -> list[Trace]:
        """The last 100 traces that began in this scope and have ended, oldest first."""
        delivery.flush(ships=False)
        held = {trace.id: trace for trace in self._memory.traces} if self._memory is not None else {}
        traces: list[Trace] = []
        for config, ended in groupby(list(self._recent), key=lambda one: one[1]):
            ids = [id for id, _ in ended]
            traces += [held[id] for id in ids if id in held] or delivery.load(ids, config)
        return traces

    def _repr_html_(self) -> str:
        """The traces as a notebook shows them."""
        from .view.notebook import all_framed

        return all_framed(self.traces)

    def flush(self, timeout: float | None = None) -> int:
        """Wait until all that was traced is written; returns how many records are still waiting."""
        return flush(timeout)


class span(_Block):
    """A step of your own in the trace: `with span("load documents"):`, also `async with`.

    At the top of a scope it is the root of a trace, and the flows run inside it are its children.
    Outside of any scope it does nothing. `update` adds attributes.
    """

    def __init__(self, name: str, **attributes: Any) -> None:
        self._name = name_given(name)
        self._attributes = attributes
        self._open: list[tuple[LiveSpan | None, Current]] = []

    def __enter__(self) -> span:
        before = here.get()
        live = engine.begin(SpanKind.SPAN, self._name)
        self._open.append((live, before))
        self.update(**self._attributes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        live, before = self._open.pop()
        if live is not None:
            engine.end(live, before, exception)

    def update(self, **attributes: Any) -> None:
        """Add attributes to this span."""
        live = self._open[-1][0] if self._open else None
        CurrentSpan(live).update(**attributes)


def current_span() -> CurrentSpan:
    """The innermost span of this task or thread that is still open."""
    return CurrentSpan(engine.current())


def current_trace() -> CurrentTrace:
    """The trace of the innermost open span of this task or thread."""
    live = engine.current()
    return CurrentTrace(None if live is None else live.trace)


def current_traceparent() -> str | None:
    """The W3C traceparent of the innermost open span, for requests to other machines; None outside of any.

    What it names joins this trace: `tracing(parent=…)` there, or any OpenTelemetry instrumentation.
    """
    live = engine.current()
    return None if live is None else traceparent(live)


def flush(timeout: float | None = None) -> int:
    """Wait up to `timeout` seconds until what was traced is written; returns how many records are left."""
    return delivery.flush(timeout_given(timeout))


def observe_process(*, console: Sink | None = None, **keywords: Any) -> tracing:
    """Every flow of this process, for the command line: traced as configured, and shown on `console`."""
    scope = tracing(scope="process", **keywords)
    if console is not None:
        scope._settings.sinks = (console,)
    return scope

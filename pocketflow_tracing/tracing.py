"""What programs use: `trace_flow`, `tracing`, `span`, what is current, `flush`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar, overload

from .config import TracingConfig, resolve
from .decorating import decorate
from .delivery import delivery
from .engine import engine
from .errors import TracingError, log
from .live import LiveSpan, LiveTrace, span_hex, trace_hex
from .model import SpanKind, Trace
from .scopes import Current, Scope, Settings, here
from .sinks.base import Sink
from .sinks.memory import MemorySink

T = TypeVar("T")
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
    )

    def decorator(decorated: T) -> T:
        traced: T = decorate(decorated, settings)
        return traced

    return decorator if target is None else decorator(target)


class tracing:
    """Trace the flows that run in a `with` or `async with` block, their classes untouched.

    `scope="context"` means this thread or task and what inherits its context, `"process"` every
    thread. `sinks` take the place of the store and whatever else is configured. Inside, `traces`
    holds the last 100 finished traces.
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
        scope: str = "context",
        sinks: Sequence[Sink] | None = None,
    ) -> None:
        if scope not in ("context", "process"):
            raise TracingError(f"scope must be 'context' or 'process'; it is {scope!r}")
        self._settings = settings_of(
            config=config,
            flow_name=flow_name,
            session_id=session_id,
            user_id=user_id,
            tags=tags,
            metadata=metadata,
            variant=variant,
        )
        if sinks is not None:
            self._settings.sinks = tuple(sinks)
            self._settings.store = False
        self._process = scope == "process"
        self._scopes: list[Scope | None] = []
        self._recent: deque[int] = deque(maxlen=RECENT_TRACES)
        self._memory: MemorySink | None = None

    def __enter__(self) -> tracing:
        config = resolve(self._settings.config)
        if not config.enabled:
            self._scopes.append(engine.mute(self._settings))
            return self
        if self._memory is None and (config.store is None or not self._settings.store):
            self._memory = MemorySink(keep=RECENT_TRACES, max_spans=RECENT_SPANS)
            self._settings.sinks = (*(self._settings.sinks or ()), self._memory)
        scope = engine.enter(self._settings, process=self._process, announces=not self._process)
        if scope is not None:
            scope.on_trace = self._ended
        self._scopes.append(scope)
        return self

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

    async def __aenter__(self) -> tracing:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, exception, trace)

    def _ended(self, trace: LiveTrace) -> None:
        self._recent.append(trace.id)

    @property
    def traces(self) -> list[Trace]:
        """The last 100 traces that ended in this scope, oldest first."""
        delivery.flush()
        if self._memory is not None:
            return list(self._memory.traces)
        return delivery.load(
            [trace_hex(trace_id) for trace_id in self._recent], resolve(self._settings.config)
        )

    def flush(self, timeout: float | None = None) -> int:
        """Wait until all that was traced is written; returns how many records are still waiting."""
        return flush(timeout)


class span:
    """A step of your own in the trace: `with span("load documents"):`, also `async with`.

    At the top of a scope it is the root of a trace, and the flows run inside it are its children.
    Outside of any scope it does nothing. `update` adds attributes.
    """

    def __init__(self, name: str, **attributes: Any) -> None:
        self._name = name
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

    async def __aenter__(self) -> span:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, exception, trace)

    def update(self, **attributes: Any) -> None:
        """Add attributes to this span."""
        live = self._open[-1][0] if self._open else None
        CurrentSpan(live).update(**attributes)


class CurrentSpan:
    """The span a program is in; false outside of any, where everything it does is nothing."""

    __slots__ = ("_live",)

    def __init__(self, live: LiveSpan | None) -> None:
        self._live = live

    def __bool__(self) -> bool:
        return self._live is not None

    @property
    def id(self) -> str | None:
        """The id of the span, 16 hex digits."""
        return None if self._live is None else span_hex(self._live.span_id)

    @property
    def name(self) -> str | None:
        """The name of the span, such as `Classify.exec`."""
        return None if self._live is None else self._live.name

    @property
    def kind(self) -> SpanKind | None:
        """What the span stands for."""
        return None if self._live is None else self._live.kind

    def update(self, **attributes: Any) -> None:
        """Add attributes to the span; values are captured as they are now."""
        live = self._live
        if live is None or not attributes:
            return
        taken = {name: live.capture.value(value) for name, value in attributes.items()}
        live.attributes = {**(live.attributes or {}), **taken}


class CurrentTrace:
    """The trace a program is in; false outside of any, where everything it does is nothing."""

    __slots__ = ("_live",)

    def __init__(self, live: LiveTrace | None) -> None:
        self._live = live

    def __bool__(self) -> bool:
        return self._live is not None

    @property
    def id(self) -> str | None:
        """The id under which `pocketflow-tracing show` finds the trace, 32 hex digits."""
        return None if self._live is None else trace_hex(self._live.id)

    @property
    def name(self) -> str | None:
        """The name of the trace."""
        return None if self._live is None else self._live.name

    def update(
        self,
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Fill in what is known only inside the run; tags and metadata are added."""
        live = self._live
        checked = settings_of(user_id=user_id, session_id=session_id, tags=tags, metadata=metadata)
        if live is None:
            return
        live.user_id = checked.user_id or live.user_id
        live.session_id = checked.session_id or live.session_id
        live.tags += [tag for tag in checked.tags if tag not in live.tags]
        taken = {name: live.capture.value(value) for name, value in checked.metadata.items()}
        live.metadata = {**live.metadata, **taken}


def current_span() -> CurrentSpan:
    """The innermost span of this task or thread that is still open."""
    return CurrentSpan(engine.current())


def current_trace() -> CurrentTrace:
    """The trace of the innermost open span of this task or thread."""
    live = engine.current()
    return CurrentTrace(None if live is None else live.trace)


def flush(timeout: float | None = None) -> int:
    """Wait up to `timeout` seconds until what was traced is written; returns how many records are left."""
    return delivery.flush(timeout)


def settings_of(
    *,
    config: TracingConfig | None = None,
    flow_name: str | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
    tags: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    variant: str | None = None,
) -> Settings:
    """The keywords that `trace_flow` and `tracing` share; raises TracingError, naming the bad one."""
    if config is not None and not isinstance(config, TracingConfig):
        raise TracingError(f"config must be a TracingConfig; it is {type(config).__name__}")
    texts = {"flow_name": flow_name, "session_id": session_id, "user_id": user_id, "variant": variant}
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise TracingError(f"{name} must be text; it is {type(text).__name__}")
    if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
        raise TracingError(f"tags must be a list of texts, like ['nightly']; it is {tags!r}")
    if metadata is not None and not isinstance(metadata, Mapping):
        raise TracingError(f"metadata must be a dict; it is {type(metadata).__name__}")
    return Settings(config, flow_name, session_id, user_id, tuple(tags), dict(metadata or {}), variant)


def observe_process(*, console: Sink | None = None, **keywords: Any) -> tracing:
    """Every flow of this process, for the command line: traced as configured, and shown on `console`."""
    scope = tracing(scope="process", **keywords)
    if console is not None:
        scope._settings.sinks = (console,)
    return scope

"""`trace_flow` applied: the entry points of a class or an instance, or a function, opened to tracing.

A class gets wrappers that delegate through `super(cls, self)`, or to the function they replace in
that same class, so that the method resolution order stays what it was. An instance gets bound
entries of its own, and a `__reduce_ex__` that gives copies and pickles entries bound to themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial, wraps
from types import CoroutineType, FunctionType, MethodType, TracebackType
from typing import Any

from .config import resolve
from .engine import engine
from .errors import ArgumentTypeError, contained
from .live import LiveSpan
from .model import SpanKind
from .reading import class_name, on_class
from .scopes import Scope, Settings, here

ENTRIES = ("run", "run_async", "_run", "_run_async")
_MARK = "__pocketflow_tracing__"
_COROUTINE_FUNCTION = 0x80  # inspect.CO_COROUTINE; importing inspect costs milliseconds
_GENERATOR_FUNCTION = 0x20 | 0x200


def decorate(target: Any, settings: Settings) -> Any:
    """`target`, traced; the same object, but for functions, which come back wrapped."""
    if isinstance(target, type):
        return _decorate_class(target, settings)
    if type(target) is FunctionType or type(target) is MethodType:
        return _decorate_function(target, settings)
    if any(on_class(type(target), name) is not None for name in ENTRIES):
        return _decorate_instance(target, settings)
    raise ArgumentTypeError(
        "trace_flow takes a flow class, a flow instance, a function or a coroutine function; "
        f"it was given {type(target).__name__}"
    )


class _Opened(AbstractContextManager[None]):
    """The scope of one run of something decorated; nothing at all where that scope is open already."""

    __slots__ = ("_owner", "_scope", "_settings")

    def __init__(self, owner: object, settings: Settings) -> None:
        self._owner = owner
        self._settings = settings
        self._scope: Scope | None = None

    def __enter__(self) -> None:
        with contained:
            self._scope = self._open()

    def _open(self) -> Scope | None:
        settings = self._settings
        current = here.get()
        while type(current) is Scope:
            if current.is_open and current.owner is self._owner and current.settings is settings:
                return None  # `run` opened it and now calls `_run`
            current = current.outer
        if not resolve(settings.config).enabled:
            return engine.mute(settings, self._owner)
        return engine.enter(settings, owner=self._owner)

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scope is not None:
            engine.leave(self._scope)


async def _awaited(opened: _Opened, result: Awaitable[Any]) -> Any:
    with opened:
        return await result


def _entry(original: Callable[..., Any], call: Callable[..., Any], settings: Settings) -> Any:
    """A method that runs `call` in a scope of its own and looks like `original` in every other way."""
    code = getattr(original, "__code__", None)
    if code is not None and code.co_flags & _COROUTINE_FUNCTION:

        @wraps(original)
        async def entry_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            with _Opened(self, settings):
                return await call(self, *args, **kwargs)

        entry_async.__dict__[_MARK] = True
        return entry_async

    @wraps(original)
    def entry(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _Opened(self, settings):
            result = call(self, *args, **kwargs)
        if type(result) is CoroutineType:  # a plain function that hands out a coroutine: it has not run yet
            return _awaited(_Opened(self, settings), result)
        return result

    entry.__dict__[_MARK] = True
    return entry


def _decorate_class(cls: type, settings: Settings) -> type:
    own = type.__getattribute__(cls, "__dict__")
    found = [name for name in ENTRIES if type(on_class(cls, name)) is FunctionType]
    if not found:
        raise ArgumentTypeError(
            f"trace_flow takes classes with a `run` method, such as Flow; {class_name(cls)} has none"
        )
    for name in found:
        if name in own:
            call = own[name]
        else:
            call = _through_super(cls, name)
        type.__setattr__(cls, name, _entry(on_class(cls, name), call, settings))
    return cls


def _through_super(cls: type, name: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(super(cls, self), name)(*args, **kwargs)

    return call


def _decorate_instance(instance: Any, settings: Settings) -> Any:
    fields = object.__getattribute__(instance, "__dict__")
    for name in ENTRIES:
        method = on_class(type(instance), name)
        if name not in fields and type(method) is FunctionType:
            fields[name] = MethodType(_entry(method, _of_class(name), settings), instance)
    # An instance attribute, which `copy` and `pickle` ask for before the method of the class.
    fields["__reduce_ex__"] = partial(_reduce, instance, settings)
    return instance


def _of_class(name: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(type(self), name)(self, *args, **kwargs)

    return call


def _reduce(instance: Any, settings: Settings, protocol: Any) -> Any:
    """What the class gives for copying and pickling, but the copy gets entries bound to itself."""
    cls: Any = type(instance)
    reduced = cls.__reduce_ex__(instance, protocol)
    if not isinstance(reduced, tuple):
        return reduced
    make, arguments, *rest = reduced
    if rest:
        rest[0] = _without_entries(instance, rest[0])
    return (_rebuild, (settings, make, arguments), *rest)


def _without_entries(instance: Any, state: Any) -> Any:
    if type(state) is tuple and len(state) == 2:
        return (_without_entries(instance, state[0]), state[1])
    if type(state) is not dict:
        return state
    return {
        name: value
        for name, value in state.items()
        if not (name in _INSTALLED and type(value) in (MethodType, partial) and _is_ours(value, instance))
    }


def _is_ours(value: Any, instance: Any) -> bool:
    if type(value) is partial:
        return value.func is _reduce
    return (
        value.__self__ is instance
        and value.__func__.__module__ is not None
        and _MARK in value.__func__.__dict__
    )


def _rebuild(settings: Settings | None, make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    made = make(*arguments)
    return made if settings is None else _decorate_instance(made, settings)


def _decorate_function(function: Any, settings: Settings) -> Any:
    code = function.__code__
    if code.co_flags & _GENERATOR_FUNCTION:
        raise ArgumentTypeError(
            f"trace_flow cannot trace the generator function {function.__name__}: it has no single end; "
            "use `with tracing():` or `with span(...)` inside it"
        )
    if code.co_flags & _COROUTINE_FUNCTION:

        @wraps(function)
        async def traced_async(*args: Any, **kwargs: Any) -> Any:
            with _Call(function, settings, args, kwargs) as call:
                return call.gave(await function(*args, **kwargs))

        return traced_async

    @wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        with _Call(function, settings, args, kwargs) as call:
            return call.gave(function(*args, **kwargs))

    return traced


class _Call:
    """One call of a decorated function: its scope, and a span with arguments and result."""

    __slots__ = ("_arguments", "_before", "_function", "_opened", "_span")

    def __init__(
        self, function: Any, settings: Settings, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._function = function
        self._opened = _Opened(function, settings)
        self._arguments = (args, kwargs)
        self._span: LiveSpan | None = None

    def __enter__(self) -> _Call:
        self._opened.__enter__()
        self._before = here.get()
        span = self._span = engine.begin(SpanKind.FUNCTION, self._function.__name__, self._function)
        if span is not None and span.capture.inputs:
            with contained:
                named = _by_name(self._function, *self._arguments)
                span.input = {name: span.capture.value(value) for name, value in named.items()}
        return self

    def gave(self, result: Any) -> Any:
        """Keep what the function returned, and pass it on."""
        span = self._span
        if span is not None and span.capture.outputs:
            with contained:
                span.output = span.capture.value(result)
        return result

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._span is not None:
            engine.end(self._span, self._before, exception)
        self._opened.__exit__(kind, exception, trace)


def _by_name(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by the names of the parameters, defaults included."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    named = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    named.update(function.__kwdefaults__ or {})
    named.update(zip(names, args, strict=False))
    if len(args) > len(names):
        named["args"] = args[len(names) :]
    return {**named, **kwargs}


_INSTALLED = frozenset({*ENTRIES, "__reduce_ex__"})

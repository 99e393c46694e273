"""What the functions of this package are given, checked where it is given: the message names the bad one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import NoneType
from typing import Any, TypeVar

from .bridge import Parent, parsed
from .config import TracingConfig
from .config.kinds import NODE_TYPES, read_node_types
from .errors import ArgumentTypeError, ArgumentValueError
from .scopes import Settings
from .sinks.base import Sink

T = TypeVar("T")


def settings_of(
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
) -> Settings:
    """The keywords that `trace_flow` and `tracing` share; raises ArgumentTypeError."""
    if config is not None and not isinstance(config, TracingConfig):
        raise ArgumentTypeError(f"config must be a TracingConfig; it is {_shown(config)}")
    texts = {"flow_name": flow_name, "session_id": session_id, "user_id": user_id, "variant": variant}
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise ArgumentTypeError(f"{name} must be text; it is {_shown(text)}")
    texts_of_tags = _several(tags, str, "tags must be a list of texts, like ['nightly']")
    return Settings(
        config,
        flow_name,
        session_id,
        user_id,
        texts_of_tags,
        _metadata(metadata),
        variant,
        _parent(parent),
        _node_types(node_types),
    )


def sinks_given(sinks: Iterable[Sink]) -> tuple[Sink, ...]:
    """Several sinks; raises ArgumentTypeError for anything else."""
    return _several(sinks, Sink, "sinks must be a list of instances of Sink, like [MySink()]")


def timeout_given(timeout: float | None) -> float | None:
    """Seconds, or None; raises ArgumentTypeError for anything else."""
    if timeout is not None and not isinstance(timeout, (int, float)):
        raise ArgumentTypeError(f"timeout must be a number of seconds, like 5; it is {_shown(timeout)}")
    return timeout


def name_given(name: str) -> str:
    """The name of a span; raises ArgumentTypeError for what is no text."""
    if not isinstance(name, str):
        raise ArgumentTypeError(f"the name of a span must be text; it is {_shown(name)}")
    return name


def _parent(parent: Any) -> Parent | None:
    if parent is None:
        return None
    found = parsed(parent) if isinstance(parent, str) else None
    if found is None:
        raise ArgumentValueError(
            "parent must be a W3C traceparent, like 00-<32 hex digits>-<16 hex digits>-01; "
            f"it is {_shown(parent)}"
        )
    return found


def _node_types(node_types: Any) -> dict[type | str, str]:
    try:
        return {} if node_types is None else dict(read_node_types(node_types))
    except ValueError:
        found = repr(node_types) if isinstance(node_types, Mapping) else _shown(node_types)
        raise ArgumentValueError(f"node_types must be {NODE_TYPES.wanted}; it is {found[:80]}") from None


def _metadata(metadata: Any) -> dict[str, Any]:
    if metadata is not None and not isinstance(metadata, Mapping):
        raise ArgumentTypeError(f"metadata must be a dict; it is {_shown(metadata)}")
    given = dict(metadata or {})
    for name in given:
        if not isinstance(name, str):
            raise ArgumentTypeError(f"metadata must be a dict with texts as keys; one is {_shown(name)}")
    return given


def _several(values: Any, wanted: type[T], must_be: str) -> tuple[T, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ArgumentTypeError(f"{must_be}; it is {_shown(values)}")
    given = tuple(values)
    for value in given:
        if not isinstance(value, wanted):
            raise ArgumentTypeError(f"{must_be}; one is {_shown(value)}")
    return given


def _shown(value: object) -> str:
    """What something is, in few words, running none of its own code."""
    if type(value) in (str, int, float, bool, NoneType):
        return repr(value)[:80]
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__

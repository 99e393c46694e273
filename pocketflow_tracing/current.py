"""The span and the trace that a program is in, for it to name and to add to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from .arguments import settings_of
from .errors import contained
from .live import LiveSpan, LiveTrace, span_hex, trace_hex
from .model import SpanKind

L = TypeVar("L", LiveSpan, LiveTrace)


class _Current(Generic[L]):
    """False outside of any trace, where everything it does is nothing."""

    __slots__ = ("_live",)

    def __init__(self, live: L | None) -> None:
        self._live: L | None = live

    def __bool__(self) -> bool:
        return self._live is not None

    @property
    def name(self) -> str | None:
        """Its name, such as `Classify.exec` for a span; None outside of any trace."""
        return None if self._live is None else self._live.name


class CurrentSpan(_Current[LiveSpan]):
    """The span a program is in; false outside of any, where everything it does is nothing."""

    __slots__ = ()

    @property
    def id(self) -> str | None:
        """The id of the span, 16 hex digits."""
        return None if self._live is None else span_hex(self._live.span_id)

    @property
    def kind(self) -> SpanKind | None:
        """What the span stands for."""
        return None if self._live is None else self._live.kind

    def update(self, **attributes: Any) -> None:
        """Add attributes to the span; values are captured as they are now."""
        live = self._live
        if live is None or not attributes:
            return
        with contained:
            taken = {name: live.capture.value(value) for name, value in attributes.items()}
            live.attributes = {**(live.attributes or {}), **taken}


class CurrentTrace(_Current[LiveTrace]):
    """The trace a program is in; false outside of any, where everything it does is nothing."""

    __slots__ = ()

    @property
    def id(self) -> str | None:
        """The id under which `pocketflow-tracing show` finds the trace, 32 hex digits."""
        return None if self._live is None else trace_hex(self._live.id)

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
        with contained:
            taken = {name: live.capture.value(value) for name, value in checked.metadata.items()}
            live.metadata = {**live.metadata, **taken}

"""Where tracing is on: scopes, and the one context variable that says where the program is."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from .live import LiveSpan

if TYPE_CHECKING:
    from .config import TracingConfig
    from .sinks.base import Sink


class Settings:
    """What a `trace_flow` or `tracing` was given; None and empty mean: left open."""

    __slots__ = (
        "config", "flow_name", "metadata", "node_types", "parent", "session_id", "sinks", "store", "tags",
        "user_id", "variant",
    )  # fmt: skip

    def __init__(
        self,
        config: TracingConfig | None = None,
        flow_name: str | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        tags: tuple[str, ...] = (),
        metadata: dict[str, Any] | None = None,
        variant: str | None = None,
        parent: tuple[int, int] | None = None,
        node_types: dict[type | str, str] | None = None,
    ) -> None:
        self.config = config
        self.flow_name = flow_name
        self.session_id = session_id
        self.user_id = user_id
        self.tags = tags
        self.metadata: dict[str, Any] = {} if metadata is None else metadata
        self.variant = variant
        self.parent = parent
        """The ids of the trace and the span, maybe of another machine, that runs belong beneath."""
        self.node_types: dict[type | str, str] = {} if node_types is None else node_types
        """What the nodes of a class, or of a class of that name, are declared as."""
        self.sinks: tuple[Sink, ...] | None = None
        self.store = True
        """Whether the local store keeps the traces too; off where sinks were given in its place."""

    def __deepcopy__(self, memo: object) -> Settings:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles of decorated flows carry their settings, or none where these cannot be pickled."""
        named = (self.flow_name, self.session_id, self.user_id)
        rest = (self.tags, self.metadata, self.variant, self.parent, self.node_types)
        values = (self.config, *named, *rest)
        import pickle  # only programs that pickle pay for it

        try:
            pickle.dumps(values)
        except Exception:
            return (_no_settings, ())
        return (Settings, values)


def _no_settings() -> None:
    return None


class Scope:
    """A stretch of the program in which flows are traced.

    `outer` is what was current before: scopes and spans form one chain through the context.
    `owner` is the decorated object the settings belong to, None for `tracing()`.
    """

    __slots__ = (
        "announces", "is_open", "missed", "muted", "on_trace", "outer", "owner", "settings", "token",
    )  # fmt: skip

    def __init__(
        self, settings: Settings, outer: Current, *, owner: object = None, muted: bool = False
    ) -> None:
        self.settings = settings
        self.outer = outer
        self.owner = owner
        self.muted = muted
        """Whether flows in here are left alone: switched off, or not in the sample."""
        self.is_open = True
        self.announces = False
        """Whether runs that were missed are told of at the end."""
        self.missed = 0
        self.on_trace: Any = None
        """Called with each trace that began in this scope, when it ends."""
        self.token: Token[Current] | None = None
        """Makes the context what it was before; None where this scope is not the current one of any."""

    def make_current(self) -> None:
        """Begin: this is where the program is now."""
        self.token = here.set(self)

    def make_outer_current(self) -> None:
        """End: the program is where it was before, and its context has no more entries than before."""
        token, self.token = self.token, None
        if token is None or here.get() is not self:
            return
        try:
            here.reset(token)
        except ValueError:  # it began in another context, of which this is a copy
            here.set(self.outer)


Current = LiveSpan | Scope | None

here: ContextVar[Current] = ContextVar("pocketflow_tracing_here", default=None)
"""The innermost span or scope of this task or thread. It may have ended: readers climb."""
get_here, set_here = here.get, here.set  # looked up once: each look-up makes an object


def sinks_of(scopes: list[Scope]) -> tuple[Sink, ...]:
    """The sinks of all these scopes, each once: every scope that names some is told of what ran in it."""
    sinks = [sink for scope in reversed(scopes) for sink in scope.settings.sinks or ()]
    return tuple({id(sink): sink for sink in sinks}.values())


class Scopes:
    """Every scope that is open, and where a new span belongs."""

    def __init__(self) -> None:
        self.process: list[Scope] = []
        """The open scopes that hold for every thread, the innermost last."""
        self.announcing: list[Scope] = []
        """The open scopes that count the runs they did not see."""

    def locate(self) -> tuple[LiveSpan | None, list[Scope] | None]:
        """The nearest open span with the scopes inside it, or no span and the scopes around, innermost first.

        `(None, [])` is outside of any scope; `(None, None)` where tracing is muted.
        """
        current = get_here()
        scopes: list[Scope] = []
        while current is not None:
            if type(current) is LiveSpan:
                if not current.end and current.trace.pending:
                    return current, scopes
                current = current.parent or current.trace.origin
                continue
            assert isinstance(current, Scope)
            if current.is_open:
                if current.muted:
                    return None, None
                scopes.append(current)
            current = current.outer
        for scope in reversed(self.process):
            if scope.muted:
                return None, None
            scopes.append(scope)
        return None, scopes

    def note_missed(self) -> None:
        """Count a run that no scope saw."""
        for scope in self.announcing:
            scope.missed += 1

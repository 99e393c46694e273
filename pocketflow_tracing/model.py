"""What a trace is: the one currency of recorder, store, sinks, views and tests."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum
from functools import cache
from typing import Any

SCHEMA = 1
"""Version of the JSON form that `Trace.to_dict` gives and `Trace.from_dict` reads."""

JSON = Any
"""A value that `json.dumps` takes as it is: None, bool, int, float, str, list, dict with str keys."""


class SpanKind(str, Enum):
    """What a span stands for."""

    FLOW = "flow"
    ITERATION = "iteration"
    NODE = "node"
    PREP = "prep"
    EXEC = "exec"
    FALLBACK = "fallback"
    POST = "post"
    GENERATION = "generation"
    FUNCTION = "function"
    SPAN = "span"


class Status(str, Enum):
    """How a span or a trace ended; `unset` while it runs, `interrupted` when its process died."""

    UNSET = "unset"
    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(slots=True)
class ErrorInfo:
    """An exception as it passed one span.

    The stack trace is kept once, on the innermost span it passed; the spans above have an empty
    `stacktrace` and name that span in `raised_in`. `causes` holds the chained exceptions as
    "Type: message", nearest first. `locals` are the local variables of the program's innermost frame,
    None unless `capture_locals` is on.
    """

    type: str
    message: str
    stacktrace: str = ""
    notes: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    raised_in: str | None = None
    locals: JSON = None


@dataclass(slots=True)
class Generation:
    """One call of a model: tokens in `usage` by kind, cost in `cost` by kind, in US dollars."""

    model: str | None = None
    parameters: dict[str, JSON] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class GraphNode:
    """A node as wired: `key` is unique within `flow`, the path of keys of the flow that holds it."""

    key: str
    type: str
    label: str
    kind: str
    flow: str


@dataclass(slots=True)
class GraphEdge:
    """A successor as wired: `action` leads from one node to another of the same `flow`."""

    action: str
    source: str
    target: str
    flow: str


@dataclass(slots=True)
class Graph:
    """The flows of a trace as they were wired when the run saw them."""

    nodes: list[GraphNode] = field(default_factory=list)
    edges: list[GraphEdge] = field(default_factory=list)


@dataclass(slots=True)
class Span:
    """One step of a run. Times are nanoseconds since the epoch; `end_ns` is None while it runs.

    `redacted` and `truncated` hold the paths, such as `input.shared.api_key`, at which something
    was masked or left out. `seq` is the start order within the trace, for spans of equal start.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int | None = None
    status: Status = Status.UNSET
    status_message: str = ""
    node_key: str | None = None
    input: JSON = None
    output: JSON = None
    changes: JSON = None
    attributes: dict[str, JSON] = field(default_factory=dict)
    error: ErrorInfo | None = None
    generation: Generation | None = None
    redacted: list[str] = field(default_factory=list)
    truncated: list[str] = field(default_factory=list)
    seq: int = 0

    @property
    def duration_ns(self) -> int | None:
        """Nanoseconds from start to end, or None while the span runs."""
        return None if self.end_ns is None else self.end_ns - self.start_ns

    def to_dict(self) -> dict[str, JSON]:
        """The JSON form of this span."""
        form = _plain(self)
        form["error"] = None if self.error is None else _plain(self.error)
        form["generation"] = None if self.generation is None else _plain(self.generation)
        return form

    @classmethod
    def from_dict(cls, form: dict[str, JSON]) -> Span:
        """The span that `to_dict` turned into `form`."""
        values = _known(cls, form)
        values["kind"] = SpanKind(values["kind"])
        values["status"] = Status(values["status"])
        if values.get("error") is not None:
            values["error"] = ErrorInfo(**_known(ErrorInfo, values["error"]))
        if values.get("generation") is not None:
            values["generation"] = Generation(**_known(Generation, values["generation"]))
        return cls(**values)


@dataclass(slots=True)
class Trace:
    """One outermost run. `spans` is in start order and `spans[0]` is the root.

    `id` is ours (32 hex digits). `trace_id` is the OpenTelemetry id: the same, unless the run
    joined another trace. `span_count` counts the spans that ended, also where `spans` holds only
    some of them. `complete` is False when a span was lost or never saw its end.
    """

    id: str
    trace_id: str
    name: str
    start_ns: int
    end_ns: int | None = None
    status: Status = Status.UNSET
    parent_span_id: str | None = None
    graph: Graph = field(default_factory=Graph)
    input: JSON = None
    output: JSON = None
    session_id: str | None = None
    user_id: str | None = None
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, JSON] = field(default_factory=dict)
    variant: str | None = None
    environment: str = "default"
    release: str | None = None
    project: str | None = None
    spans: list[Span] = field(default_factory=list)
    scores: list[dict[str, JSON]] = field(default_factory=list)
    span_count: int = 0
    dropped_spans: int = 0
    complete: bool = True

    @property
    def duration_ns(self) -> int | None:
        """Nanoseconds from start to end, or None while the run goes on."""
        return None if self.end_ns is None else self.end_ns - self.start_ns

    @property
    def root(self) -> Span | None:
        """The span of the outermost run, or None where no span was kept."""
        return self.spans[0] if self.spans else None

    def children(self, span: Span | None) -> list[Span]:
        """The spans directly beneath `span` in start order; beneath None, those without a parent here.

        A span whose parent was lost stands at the top, so that nothing that was kept goes unseen.
        """
        if span is not None:
            return [child for child in self.spans if child.parent_id == span.span_id]
        known = {kept.span_id for kept in self.spans}
        return [child for child in self.spans if child.parent_id not in known]

    def _repr_html_(self) -> str:
        """This trace as a notebook shows it."""
        from .view.notebook import framed  # upwards, for what only notebooks ask for

        return framed(self)

    def to_dict(self) -> dict[str, JSON]:
        """The JSON form of this trace; its first key is the schema version."""
        form = _plain(self)
        form["graph"] = {
            "nodes": [_plain(node) for node in self.graph.nodes],
            "edges": [_plain(edge) for edge in self.graph.edges],
        }
        form["spans"] = [span.to_dict() for span in self.spans]
        return {"schema": SCHEMA, **form}

    @classmethod
    def from_dict(cls, form: dict[str, JSON]) -> Trace:
        """The trace that `to_dict` turned into `form`; raises ValueError for another schema."""
        if form.get("schema") != SCHEMA:
            raise ValueError(f"a trace of schema {SCHEMA} is wanted; this one has {form.get('schema')!r}")
        values = _known(cls, form)
        values["status"] = Status(values["status"])
        graph = values.get("graph") or {}
        values["graph"] = Graph(
            [GraphNode(**_known(GraphNode, node)) for node in graph.get("nodes", ())],
            [GraphEdge(**_known(GraphEdge, edge)) for edge in graph.get("edges", ())],
        )
        values["spans"] = [Span.from_dict(span) for span in values.get("spans", ())]
        return cls(**values)


def _plain(record: Any) -> dict[str, JSON]:
    form: dict[str, JSON] = {}
    for column in fields(record):
        value = getattr(record, column.name)
        form[column.name] = value.value if isinstance(value, Enum) else value
    return form


def _known(cls: Any, form: dict[str, JSON]) -> dict[str, JSON]:
    """The entries of `form` that `cls` has fields for: a newer minor version may have written more."""
    names = _names(cls)
    return {name: value for name, value in form.items() if name in names}


@cache
def _names(cls: Any) -> frozenset[str]:
    return frozenset(column.name for column in fields(cls))

"""The flows of a trace as they are wired, with the way that the run took through them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Literal

from ..model import GraphNode, Span, SpanKind, Status, Trace
from .index import Index

MAX_STEPS = 4
"""How many of its places in the way a node or an edge names; the rest is counted."""
DEFAULT = "default"
MISWIRED = re.compile(r"Flow ends: '(?P<action>.*)' not found in ", re.DOTALL)
_WALKING = (SpanKind.NODE, SpanKind.FLOW)


@dataclass(slots=True)
class WalkedNode:
    """A node as wired, and what came of it; `id` is the path of its flow and its own key."""

    id: str
    key: str
    label: str
    kind: str
    flow: str
    runs: int = 0
    steps: list[int] = field(default_factory=list)
    """Its places in the first way through its flow, at most `MAX_STEPS` of them."""
    failed: int = 0
    running: int = 0
    stopped: int = 0
    """Runs that were cancelled, or whose process died."""
    retries: int = 0
    caught: int = 0
    """Runs in which an attempt failed and the node was well in the end."""
    items: int = 0
    iterations: int = 0


@dataclass(slots=True)
class WalkedEdge:
    """What leads, by `action`, from one node to another: `count` times, 0 for a branch not taken.

    Without a target the flow ended there: as it should (`end`), or since nothing was wired for the
    action (`lost`).
    """

    flow: str
    source: str
    target: str | None
    action: str
    kind: Literal["wired", "end", "lost"] = "wired"
    count: int = 0
    steps: list[int] = field(default_factory=list)


@dataclass(slots=True)
class WalkedFlow:
    """A flow; `holder` is the node of the outer flow that it is, None at the top."""

    path: str
    label: str
    holder: str | None
    nodes: list[WalkedNode] = field(default_factory=list)
    edges: list[WalkedEdge] = field(default_factory=list)
    walks: int = 0


class Walked:
    """All flows of a trace, outer ones first; `place_of` names the node that a span is a run of."""

    def __init__(self, trace: Trace) -> None:
        self.flows: dict[str, WalkedFlow] = {}
        self.nodes: dict[str, WalkedNode] = {}
        self.place_of: dict[str, str] = {}
        self._index = Index(trace)
        self._paths: dict[str | None, str] = {None: ""}
        self._edges: dict[tuple[str, str, str | None, str], WalkedEdge] = {}
        self._draw(trace)
        for span in trace.spans:
            self._count(span)
        for span in trace.spans:
            self._walk(span)

    def _draw(self, trace: Trace) -> None:
        for node in trace.graph.nodes:
            self._node(node)
        for edge in trace.graph.edges:
            source, target = f"{edge.flow}/{edge.source}", f"{edge.flow}/{edge.target}"
            if source in self.nodes and target in self.nodes:
                self._edge(edge.flow, source, target, edge.action)

    def _node(self, wired: GraphNode) -> WalkedNode:
        id = f"{wired.flow}/{wired.key}"
        node = self.nodes.get(id)
        if node is None:
            node = WalkedNode(id, wired.key, wired.key, wired.kind, wired.flow)
            self.nodes[id] = node
            self._flow(wired.flow).nodes.append(node)
        return node

    def _flow(self, path: str) -> WalkedFlow:
        flow = self.flows.get(path)
        if flow is None:
            holder = path if path in self.nodes else None
            flow = self.flows[path] = WalkedFlow(path, path.rpartition("/")[2], holder)
        return flow

    def _edge(self, flow: str, source: str, target: str | None, action: str) -> WalkedEdge:
        key = (flow, source, target, action)
        edge = self._edges.get(key)
        if edge is None:
            edge = self._edges[key] = WalkedEdge(flow, source, target, action)
            self._flow(flow).edges.append(edge)
        return edge

    def _path(self, span: Span | None) -> str:
        """The keys of the flows around what lies beneath `span`, as "Outer/Inner"."""
        inner: list[Span] = []
        while span is not None and span.span_id not in self._paths:
            inner.append(span)
            span = self._index.parent(span)
        path = self._paths[None if span is None else span.span_id]
        for one in reversed(inner):
            if one.kind is SpanKind.FLOW:
                key = one.node_key or one.name
                path = f"{path}/{key}" if path else key
            self._paths[one.span_id] = path
        return path

    def _count(self, span: Span) -> None:
        if span.kind is SpanKind.ITERATION:
            self._flow(self._path(span))
            holder = self.nodes.get(self._path(span))
            if holder is not None:
                holder.iterations += 1
            return
        if span.kind not in _WALKING:
            return
        parent = self._index.parent(span)
        if span.kind is SpanKind.FLOW and (parent is None or parent.kind not in _HOLDING):
            self._flow(self._path(span)).label = span.name
            return
        node = self._node_of(span, parent)
        self.place_of[span.span_id] = node.id
        node.runs += 1
        node.failed += span.status is Status.ERROR
        node.running += span.status is Status.UNSET
        node.stopped += span.status in (Status.CANCELLED, Status.INTERRUPTED)
        node.items += self._index.items(span)
        failed = [child for child in self._index.children(span) if child.attributes.get("recovered") is True]
        node.retries += sum(self._index.tried_again(attempt) for attempt in failed)
        node.caught += bool(failed) and span.status is Status.OK

    def _node_of(self, span: Span, parent: Span | None) -> WalkedNode:
        key = span.node_key or span.name
        return self._node(GraphNode(key, span.name, key, span.kind.value, self._path(parent)))

    def _walk(self, holder: Span) -> None:
        """Count the way through a flow, which is the children of `holder` one after the other."""
        if holder.kind not in _HOLDING:
            return
        steps = [child for child in self._index.children(holder) if child.span_id in self.place_of]
        flow = self._flow(self._path(holder))
        flow.walks += bool(steps)
        for step, (span, following) in enumerate(zip_longest(steps, steps[1:]), start=1):
            source = self.nodes[self.place_of[span.span_id]]
            edge = self._taken(holder, flow, span, following)
            told = [source.steps] if edge is None else [source.steps, edge.steps]
            for numbers in told if flow.walks == 1 else ():
                if len(numbers) < MAX_STEPS:
                    numbers.append(step)
            if edge is not None:
                edge.count += 1

    def _taken(self, holder: Span, flow: WalkedFlow, span: Span, following: Span | None) -> WalkedEdge | None:
        source = self.place_of[span.span_id]
        action = _action(span)
        if following is not None:
            return self._edge(flow.path, source, self.place_of[following.span_id], action)
        if span.status is not Status.OK or holder.end_ns is None:
            return None
        edge = self._edge(flow.path, source, None, action)
        edge.kind = "lost" if self._is_lost(holder, span) else "end"
        return edge

    def _is_lost(self, holder: Span, last: Span) -> bool:
        """Whether PocketFlow warned that the action of the last node leads nowhere."""
        flow = self._index.parent(holder) if holder.kind is SpanKind.ITERATION else holder
        action = last.attributes.get("action")
        for span in {id(one): one for one in (holder, flow) if one is not None}.values():
            for text in _texts(span.attributes.get("warnings")):
                match = MISWIRED.match(text)
                if match and match["action"] == str(action):
                    return True
        return False


_HOLDING = (SpanKind.FLOW, SpanKind.ITERATION)


def _action(span: Span) -> str:
    action = span.attributes.get("action")
    return DEFAULT if action is None or action == "" else str(action)


def _texts(warnings: object) -> Iterable[str]:
    return map(str, warnings) if isinstance(warnings, list) else ()

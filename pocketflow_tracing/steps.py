"""What the recorder remembers while code runs: steps, the walk through a flow, running frames."""

from __future__ import annotations

from itertools import count
from threading import get_ident
from types import FrameType
from typing import TYPE_CHECKING, Any

from .anatomy import Anatomy, Call, Machinery, NodeType
from .live import LiveSpan
from .model import Graph, GraphEdge, GraphNode, SpanKind
from .reading import class_name, read

if TYPE_CHECKING:
    from .capture import Capture
    from .values import ChangeSet, Snapshot

MAX_GRAPH_NODES = 2_000
NOTHING = object()


class Step:
    """One run of a node, flow or iteration: its span and what its phases need to know."""

    # Most steps never have these; a class attribute costs nothing until one does.
    activation: Activation | None = None
    """The frame that opened this step and ends it; None where a frame of its flow's does."""
    store_before: Any = None
    """The store as it was before the step."""
    latest: Any = None
    """The last picture of the store, from which the next one takes over what is unchanged."""
    prep_out: tuple[object, Snapshot] | None = None
    """What prep returned, and the picture taken of it then."""
    exec_out: tuple[object, Snapshot] | None = None
    """What exec or its fallback returned where nothing else handles it before post, and its picture."""
    post_out: tuple[object, Snapshot] | None = None
    """What post returned where nothing else of the step runs after it, and its picture."""
    post_changes: tuple[Snapshot, Snapshot, ChangeSet | None] | None = None
    """The store before and after that post, and what it changed."""
    attempts = 0
    max_attempts: int | None = None
    items: count[int] | None = None
    """Numbers the items while a batch `_exec` hands them out."""
    iterations: count[int] | None = None
    """Numbers the iterations of a batch flow."""
    failed: tuple[LiveSpan, ...] = ()
    """Failed attempts that ran outside of an `_exec` we know, waiting for the outcome."""
    walk: Walk | None = None

    def __init__(self, span: LiveSpan, kind: NodeType, owner: object, shared: object) -> None:
        span.step = self
        self.type = kind
        self.span = span
        self.owner = owner
        self.shared = shared
        self.capture: Capture = span.capture

    def picture(self, value: object, kept: tuple[object, Snapshot] | None) -> Snapshot:
        """A picture of `value`: the `kept` one, where it was taken of this very object a moment ago."""
        return kept[1] if kept is not None and kept[0] is value else self.capture.value(value)

    def forget_values(self) -> None:
        """Let go of the program's objects, and of the pictures of them: the step is over."""
        self.shared = self.activation = self.store_before = self.latest = None
        self.prep_out = self.exec_out = self.post_out = self.post_changes = None


class Walk:
    """One way through a flow: which original node comes next, and how often each was visited."""

    __slots__ = ("keys", "next", "visits")

    def __init__(self, keys: NodeKeys, start: object) -> None:
        self.keys = keys
        self.next = start
        self.visits: dict[str, int] = {}

    def visit(self, owner: object) -> tuple[str, int]:
        """The key of the node whose copy `owner` is about to run, and the how-manieth visit this is."""
        original = self.next if type(self.next) is type(owner) else owner
        key = self.keys.known.get(id(original)) or self.keys.of(original)
        visit = self.visits[key] = self.visits.get(key, 0) + 1
        return key, visit


class NodeKeys:
    """The names of the nodes of one flow: class name, then `#2`, `#3`, in the order they are wired."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.known: dict[int, str] = {}
        self._counts: dict[str, int] = {}
        # Keeps the originals alive, so that an id stands for one object only.
        self._nodes: list[object] = []

    def of(self, node: object) -> str:
        """The key of an original node; a new one is named at once."""
        key = self.known.get(id(node))
        if key is None:
            name = class_name(type(node))
            number = self._counts[name] = self._counts.get(name, 0) + 1
            key = self.known[id(node)] = name if number == 1 else f"{name}#{number}"
            self._nodes.append(node)
        return key

    def draw(self, start: object, graph: Graph, anatomy: Anatomy) -> None:
        """Add the nodes reachable from `start`, and what leads from one to another, to `graph`."""
        waiting = [start]
        seen = {id(start)}
        for node in waiting:
            kind = "flow" if anatomy.type_of(node).is_flow else "node"
            name = class_name(type(node))
            graph.nodes.append(GraphNode(self.of(node), name, name, kind, self.path))
            for action, target in _successors(node):
                if id(target) not in seen and len(waiting) < MAX_GRAPH_NODES:
                    seen.add(id(target))
                    waiting.append(target)
                if id(target) in seen:
                    graph.edges.append(GraphEdge(action, self.of(node), self.of(target), self.path))


def _successors(node: object) -> list[tuple[str, object]]:
    wired = read(node, "successors", None)
    if not issubclass(type(wired), dict):
        return []
    try:
        pairs = list(dict.items(wired))
    except RuntimeError:  # another thread is wiring it right now
        return []
    return [(str(action) if type(action) is str else type(action).__name__, node) for action, node in pairs]


class Activation:
    """One running frame of machinery."""

    # Most frames never have these; a class attribute costs nothing until one does.
    top: Step | None = None
    """The step this frame opened and closes when it ends."""
    before: Any = None
    """What was current before `top` began."""
    phase: LiveSpan | None = None
    """The phase that a call of this frame began and that has not ended."""
    phase_before: Any = NOTHING
    """What was current before the first phase of this frame, `NOTHING` where it had none."""
    call: Call | None = None
    """The call that began `phase`."""
    handled: BaseException | None = None
    """The exception being handled when `phase` began: not one that `phase` raised."""
    given: Any = None
    """What `_exec` was given: the input of its attempts."""
    is_direct = False
    """Whether PocketFlow's own `_run` called this `_exec`, so that nothing stands between their phases."""
    store_before: Any = None
    """The store as it was before the phase, where that is a post."""
    item: int | None = None
    attempt = 0
    failed: LiveSpan | None = None
    """A failed attempt of which it is not known yet whether the program recovers from it."""
    parent: Any = None
    """Where the phase belongs whose code this frame runs."""
    opaque: Any = None
    """The step of a node whose `_run` has no code to watch: it ends with this frame's next call."""
    opaque_before: Any = None

    def __init__(self, machinery: Machinery, frame: FrameType, step: Step) -> None:
        self.machinery = machinery
        self.frame = frame
        self.step = step
        self.thread = get_ident()

    @property
    def runs_alone(self) -> bool:
        """Whether this is PocketFlow's own `_run`, with no override around it."""
        return self.top is not None and self.machinery.own


def keys_for(flow: LiveSpan, start: object, anatomy: Anatomy) -> NodeKeys:
    """The names of the nodes of the flow that begins at `start`, drawn into the trace's graph once."""
    path = _path(flow)
    walks: dict[tuple[int, str], NodeKeys] = flow.trace.flows
    keys = walks.get((id(start), path))
    if keys is None:
        keys = walks[id(start), path] = NodeKeys(path)
        if start is not None:
            keys.draw(start, flow.trace.graph, anatomy)
    return keys


def _path(span: LiveSpan | None) -> str:
    """The node keys of a flow and the flows it runs in, as "Outer/Inner"."""
    keys: list[str] = []
    while span is not None:
        if span.kind is SpanKind.FLOW and span.node_key is not None:
            keys.append(span.node_key)
        span = span.parent
    return "/".join(reversed(keys))

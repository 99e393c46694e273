"""What the recorder remembers while code runs: steps, the walk through a flow, running frames."""

from __future__ import annotations

from itertools import count
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ref

from .anatomy import Anatomy, Call, Machinery, NodeType
from .live import PHASE_FIELDS, LiveSpan
from .model import Graph, GraphEdge, GraphNode, SpanKind
from .reading import class_name, read

if TYPE_CHECKING:
    from .capture import Capture
    from .scopes import Current
    from .sharing import Sharing
    from .values import Difference, Snapshot

MAX_GRAPH_NODES = 2_000
NOTHING = object()
Kept: TypeAlias = "tuple[object, Snapshot]"
"""A value that passes from one phase to the next, and the picture taken of it."""


class Pictures:
    """What was seen of the values of a step, while it runs and values are captured."""

    __slots__ = (
        "alone", "around", "before", "depth", "exec_out", "latest", "post_alone", "post_changes", "post_out",
        "prep_out", "sharing", "size", "within",
    )  # fmt: skip

    # Set as the step begins to work on its store.
    sharing: Sharing
    """Who else works on it."""
    around: Pictures | None
    """Those of the step around it that works on the same store."""
    depth: int
    """How many such steps are around it, itself included."""
    alone: int
    """What tells whether it worked on its store alone since it began."""
    post_alone: int
    """The same since its post began."""

    def __init__(self, store: Snapshot) -> None:
        self.before = store
        """The store as it was before the step."""
        self.latest = store
        """The last picture of the store, from which the next one takes over what is unchanged."""
        self.prep_out: Kept | None = None
        """What prep returned."""
        self.exec_out: Kept | None = None
        """What exec or its fallback returned where nothing else handles it before post."""
        self.post_out: Kept | None = None
        """What post returned where nothing else of the step runs after it."""
        self.post_changes: tuple[Snapshot, Snapshot, Difference | None] | None = None
        """The store before and after that post, and what it changed."""
        self.size = 0
        """What the pictures of what prep and exec returned keep, in bytes, on the ordinary way."""
        self.within = 0
        """How many steps on the same store began and ended within this one."""


class Step:
    """One run of a node, flow or iteration: its span and what its phases need to know."""

    # Slots, filled at once: what only the class has takes ten times as long to read. The rest is rare.
    __slots__ = (
        "__dict__", "action", "activation", "attempts", "capture", "key", "max_attempts", "owner", "phases",
        "pictures", "shared", "span", "type", "visit",
    )  # fmt: skip

    numbers: count[int] | None = None
    """Numbers the items while a batch `_exec` hands them out, or the iterations of a batch flow."""
    failed: tuple[LiveSpan, ...] = ()
    """Failed attempts that ran outside of an `_exec` we know, waiting for the outcome."""
    walk: Walk | None = None
    """The way through the nodes of this step, where it is a flow or an iteration."""

    def __init__(self, span: LiveSpan, kind: NodeType, owner: object, shared: object, key: str) -> None:
        span.step = self
        self.span = span
        self.type = kind
        self.owner = owner
        """The node; a weak reference to it once the step has ended."""
        self.shared = shared
        self.key = key
        """The node's name within its flow: what a trace calls `node_key`."""
        self.capture: Capture = span.capture
        self.activation: Activation | None = None
        """The frame that opened this step and ends it; None where a frame of its flow's does."""
        self.visit = 0
        """The how-manieth run of this node in its flow, 0 for an iteration."""
        self.attempts = 0
        self.max_attempts: int | None = None
        self.action: object = NOTHING
        """What a node or flow returned; the name of its class where that is neither text nor None."""
        self.pictures: Pictures | None = None
        self.phases: tuple[Any, ...] = ()
        """The phases that ended as they nearly always do, one after another, for `LiveSpan.phases`."""

    def is_of(self, owner: object) -> bool:
        """Whether `owner` is the node that this step runs, or ran."""
        known = self.owner
        return known is owner or (type(known) is ref and known() is owner)

    def let_go(self) -> None:
        """Keep nothing of the program's alive any more; the node stays known for as long as it lives."""
        self.shared = self.activation = self.pictures = None
        if self.walk is not None:
            self.walk = None
        try:
            self.owner = ref(self.owner)
        except TypeError:  # of a class that has no room for weak references
            self.owner = None

    def drop_values(self) -> None:
        """Forget the values of the phases kept here, and say so in them."""
        kept = list(self.phases)
        for at in range(0, len(kept), PHASE_FIELDS):
            dropped = {**(kept[at + 8] or {}), "values_dropped": True}
            kept[at + 5 : at + PHASE_FIELDS] = [None, None, None, dropped]
        self.phases = tuple(kept)

    def attributes(self) -> dict[str, Any]:
        """What the span of this step says of it."""
        said: dict[str, Any] = {}
        if self.visit:
            said["visit"] = self.visit
        if self.attempts:
            said["attempts"] = self.attempts
            said["max_attempts"] = self.max_attempts or self.attempts
        if self.action is not NOTHING:
            said["action"] = self.action
        declared = self.span.trace.node_types
        if declared and self.span.kind is not SpanKind.ITERATION:
            kind = next((declared[key] for key in self.type.lineage if key in declared), None)
            if kind is not None:
                said["type"] = kind
        return said


class Walk:
    """One way through a flow: which original node comes next, and how often each was visited."""

    __slots__ = ("is_fresh", "is_quiet", "keys", "next", "visits")

    def __init__(self, keys: NodeKeys, start: object) -> None:
        self.keys = keys
        self.next = start
        self.visits: dict[str, int] = {}
        self.is_quiet = False
        """Whether the step before ended, and nothing of the program's runs as its node goes."""
        self.is_fresh = False
        """Whether no code of the program's ran since the step before took its last picture of the store."""

    def visit(self, owner: object) -> tuple[str, int]:
        """The key of the node whose copy `owner` is about to run, and the how-manieth visit this is."""
        self.is_fresh = self.is_quiet = False
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
            kind = anatomy.kind_of(type(node))
            name = class_name(type(node))
            graph.nodes.append(GraphNode(self.of(node), name, name, kind.value, self.path))
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
    return [(action if type(action) is str else class_name(type(action)), node) for action, node in pairs]


FIRST_ATTEMPT: dict[int | None, dict[str, Any]] = {}
"""What the first attempt says of itself where there are no items, by `max_attempts`; never changed."""


def first_attempt(max_attempts: int | None) -> dict[str, Any]:
    """What the first attempt of so many says of itself."""
    said: dict[str, Any] = {"attempt": 1}
    if max_attempts is not None:
        said["max_attempts"] = max_attempts
    if len(FIRST_ATTEMPT) < 100:
        FIRST_ATTEMPT[max_attempts] = said
    return said


class Activation:
    """One running frame of machinery, together with the `_exec` that it calls directly, if it does."""

    __slots__ = (
        "__dict__", "attempt", "before", "call", "frame", "given", "handled", "inner", "is_ordinary",
        "is_top", "machinery", "parent", "phase", "step", "store_before", "thread",
    )  # fmt: skip

    # Set by whoever opens what they are about; nobody reads them before.
    call: Call
    """The call that began `phase`."""
    handled: BaseException | None
    """The exception being handled when `phase` began: not one that `phase` raised."""
    store_before: Snapshot
    """The store as it was before the phase, where that is a post."""
    parent: LiveSpan
    """Where the phase belongs whose code this frame runs."""

    item: int | None = None
    failed: LiveSpan | None = None
    """A failed attempt of which it is not known yet whether the program recovers from it."""
    opaque: Step | None = None
    """The step of a node whose `_run` has no code to watch: it ends with this frame's next call."""
    opaque_before: Any
    entered: FrameType | None = None
    """The frame of the phase that an override calls, while it runs, if it is of code that is watched."""
    returned: tuple[object] | None = None
    """What that frame returned."""
    walk: Walk | None = None
    """The walk of this frame, where the nodes on it may take the ordinary way."""

    def __init__(
        self, machinery: Machinery, frame: FrameType, step: Step, before: Current, thread: int
    ) -> None:
        self.machinery = machinery
        self.frame = frame
        self.step = step
        self.before = before
        """What was current when this frame began."""
        self.thread = thread
        self.is_top = False
        """Whether this frame opened `step`, and closes it when it ends."""
        self.is_ordinary = False
        """Whether all went so far as it nearly always does."""
        self.inner: FrameType | None = None
        """The frame of PocketFlow's own `_exec`, while its own `_run`, which this frame runs, is in it."""
        self.phase: LiveSpan | None = None
        """The phase that a call of this frame began and that has not ended."""
        self.attempt = 0
        self.given: Any = None
        """What `_exec` was given: the input of its attempts; UNKNOWN where that cannot be told."""


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
        if span.kind is SpanKind.FLOW and span.step is not None:
            keys.append(span.step.key)
        span = span.parent
    return "/".join(reversed(keys))

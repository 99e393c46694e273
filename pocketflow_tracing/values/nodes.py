"""What a captured value is made of: a tree of plain builtins and marks, touching no user object.

A node is an exact `str`, `int`, `float`, `None`, a `dict` with `str` keys and a `list`, both private
copies, or a `Mark` for everything JSON has no word for. All of these compare, copy and die without
running a line of the user's code, which is what makes a capture safe to hold, compare and drop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..config import TracingConfig

Node = Any
"""A captured value: str, int, float, None, dict[str, Node], list[Node] or Mark."""


Reader = Callable[[Any, int], Node]
"""Reads an object into a node with at most so many raw entries, or so many characters of text."""


class Mark(tuple[Any, ...]):
    """A node that JSON has no word for: a tag first, what belongs to it after."""

    __slots__ = ()


# Tags, and what follows each in its mark.
BOOL = "bool"  # True or False; apart from ints because True == 1 would hide a change
TEXT = "text"  # a str that we wrote: a date, a path, a descriptor
STUB = "stub"  # a str that we wrote in place of a container that was not opened
CUT = "cut"  # head (with some text beyond the cut), characters to show, characters in all
BYTES = "bytes"  # type name, first bytes (some beyond the cut), bytes to show, number of bytes in all
ITEMS = "items"  # type name, list of nodes: a tuple, a set, a deque
PAIRS = "pairs"  # type name, list of key, value, key, value…: a mapping whose keys are not all str
FIELDS = "fields"  # type name, dict of nodes: an object read field by field
HEAD = "head"  # entries left out, the node that holds the first ones

TRUE = Mark((BOOL, True))
FALSE = Mark((BOOL, False))

# What an entry of a container is charged, in bytes. At most twice the JSON of the smallest such
# entry, so that what takes 32 KiB as JSON always fits the 64 KiB that are the default budget.
ENTRY_COST = 4
FLOAT_COST = 8
KEY_COST = 4
BASE_COST = 48
"""Bytes a snapshot is taken to hold beside its entries."""
LOOKAHEAD = 4096
"""Characters kept beyond the cut of a text, so that a secret that touches the cut is recognised."""

MAX_DEPTH = 100
"""The deepest nesting any setting gives: rendering and encoding recurse, and must not overflow."""


_BUILTINS = (object, type(None), str, int, bool, float, dict, list)


class Limits:
    """What one value may cost: nesting, bytes, and the user's serializers by type."""

    __slots__ = (
        "depth", "max_bytes", "max_depth", "nothing", "plain", "serializers", "serializes_builtins", "words",
    )  # fmt: skip

    def __init__(
        self,
        max_depth: int = 20,
        max_bytes: int = 65536,
        serializers: Mapping[type, Callable[[Any], Any]] | None = None,
    ) -> None:
        self.max_depth = max_depth
        self.depth = min(max_depth, MAX_DEPTH)
        """The deepest nesting that is really walked."""
        self.max_bytes = max_bytes
        self.serializers = {} if serializers is None else serializers
        self.plain = not self.serializers
        """Whether no type has a serializer."""
        self.serializes_builtins = any(any(kind is known for known in _BUILTINS) for kind in self.serializers)
        """Whether a serializer speaks for str, int, dict and the like, which otherwise need no look-up."""
        self.nothing = Snapshot(None, BASE_COST, self)
        """The capture of None, which is the commonest value of all."""
        self.words: dict[str, Snapshot] = {}
        """The captures of short texts that came by."""

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is Limits
            and self.max_depth == other.max_depth
            and self.max_bytes == other.max_bytes
            and self.serializers == other.serializers
        )

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(cls, config: TracingConfig) -> Limits:
        """The limits that the settings of a run ask for."""
        serializers = getattr(config, "serializers", None) or {}
        return cls(config.max_depth, config.max_value_bytes, dict(serializers))


class Part:
    """What one entry of a store was charged, as long as it is the same: captures hand it on to the next."""

    __slots__ = ("cost", "rendered", "share")

    def __init__(self, cost: int, share: int = 0) -> None:
        self.cost = cost
        self.share = share
        """The room there was for it when it was cut, 0 where it is whole."""
        self.rendered: Any = None
        """The worker's cache."""


class Snapshot:
    """A value as it was at one moment. Immutable, and independent of the value from then on."""

    __slots__ = ("limits", "parts", "rendered", "root", "size", "whole")

    def __init__(
        self, root: Node, size: int, limits: Limits, whole: bool = True, parts: dict[str, Part] | None = None
    ) -> None:
        self.root = root
        self.size = size
        """Bytes this capture is estimated to hold on to."""
        self.limits = limits
        self.whole = whole
        """Whether nothing was left out."""
        self.parts = parts
        """For a dict with str keys: what belongs to its entries that are no plain scalars, by key."""
        self.rendered: Any = None
        """The worker's cache: one value is shown by many spans."""

    def __repr__(self) -> str:
        return f"<Snapshot {self.size} bytes{'' if self.whole else ' (partial)'}>"


def inner(node: Node) -> dict[str, Node] | list[Node] | None:
    """The container whose entries `node` stands for, or None for a leaf."""
    while type(node) is Mark:
        if node[0] not in (HEAD, ITEMS, PAIRS, FIELDS):
            return None
        node = node[-1]
    return node if type(node) is dict or type(node) is list else None


def omitted(node: Node) -> int:
    """How many entries of a container were left out of `node`."""
    count = 0
    while type(node) is Mark and node[0] is HEAD:
        count += node[1]
        node = node[2]
    return count


def identical(one: Node, other: Node) -> bool:
    """Whether two nodes are equal and look alike, too: 1 equals 1.0, and is another value."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is float:
        return str(one) == str(other)
    if kind is dict:
        return one.keys() == other.keys() and all(identical(item, other[key]) for key, item in one.items())
    if kind is list or kind is Mark:
        return len(one) == len(other) and all(map(identical, one, other))
    return bool(one == other)

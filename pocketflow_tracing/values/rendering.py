"""Captured values → masked JSON within the budget, on the worker's thread."""

from __future__ import annotations

import json
from typing import Any

from ..jsontext import PIECE, to_json, to_json_in_pieces, utf8_size
from ..model import JSON
from .briefs import brief_changes
from .changes import ChangeSet
from .heads import heads
from .nodes import Limits, Node, Part, Snapshot
from .redaction import FAILED, OPEN, Policy
from .snapshot import snapshot
from .writing import Writer, learn

_BIG = 512
"""Entries of a store that were charged more bytes than these are written once while they stay the same."""
_NO_PATHS: list[str] = []
_AS_IT_IS = Policy(redact=False)


class Rendered:
    """A value as JSON, with the paths at which something was masked or left out. Read only: shared."""

    __slots__ = ("redacted", "text", "truncated", "value")

    def __init__(
        self,
        value: JSON,
        text: str | None = None,
        redacted: list[str] = _NO_PATHS,
        truncated: list[str] = _NO_PATHS,
    ) -> None:
        self.value = value
        self.text = to_json(value) if text is None else text
        """`value` as JSON text."""
        self.redacted = redacted
        self.truncated = truncated


def render(value: Any, policy: Policy, path: str) -> Rendered:
    """The JSON form of a snapshot, of snapshots by name, of a change set, or of plain metadata."""
    try:
        found = _rendered(value, policy, path)
        return found if policy.whole_mask is None else _masked_whole(found, policy.whole_mask, policy, path)
    except Exception:  # whatever is wrong with it, nothing goes out unmasked
        return Rendered(FAILED, redacted=[path])


def _rendered(value: Any, policy: Policy, path: str) -> Rendered:
    kind = type(value)
    if kind is ChangeSet:
        return _changes(value, policy, path)
    if kind is dict and value and all(type(part) is Snapshot for part in value.values()):
        return _named(value, policy, path)
    return _alone(value if kind is Snapshot else snapshot(value, Limits()), policy, path)


def _masked_whole(found: Rendered, mask: Any, policy: Policy, path: str) -> Rendered:
    """What a mask of whole values makes of one that is masked already; it gets a copy of its own."""
    limits = Limits(max_depth=100, max_bytes=max(Limits().max_bytes, 2 * utf8_size(found.text)))
    shown = _alone(snapshot(mask(data=json.loads(found.text)), limits), policy, path)
    if shown.text == found.text:
        return found
    return Rendered(shown.value, shown.text, [*found.redacted, path], [*found.truncated, *shown.truncated])


def _alone(captured: Snapshot, policy: Policy, path: str) -> Rendered:
    found = _part(captured, policy, path, OPEN)
    if utf8_size(found.text) > captured.limits.max_bytes:
        return _shrunk({"": captured.root}, captured.limits.max_bytes, policy, path, alone=True)
    return found


def _named(parts: dict[str, Snapshot], policy: Policy, path: str) -> Rendered:
    """The parts of one field, made smaller together where they are too big as JSON."""
    shown: dict[str, JSON] = {}
    texts: list[str] = []
    redacted = truncated = _NO_PATHS
    size = 2
    for name, part in parts.items():
        known, secret = policy.name(name)
        if secret != OPEN:
            learn(part.root, policy, secret)
        single = _part(part, policy, f"{path}.{known}", secret)
        shown[known] = single.value
        texts.append(f"{to_json(known)}:{single.text}")
        size += utf8_size(texts[-1]) + 1
        redacted = redacted + single.redacted if single.redacted else redacted
        truncated = truncated + single.truncated if single.truncated else truncated
    budget = max(part.limits.max_bytes for part in parts.values())
    if size > budget:
        roots = {name: part.root for name, part in parts.items()}
        return _shrunk(roots, budget, policy, path, alone=False)
    return Rendered(shown, "{" + ",".join(texts) + "}", redacted, truncated)


def _part(part: Snapshot, policy: Policy, path: str, secret: int) -> Rendered:
    """One snapshot, rendered once for all the spans that show it."""
    if policy.mask is not None or secret != OPEN:
        return _written(part.root, policy, path, secret, part.size)
    known = part.rendered
    if known is None or known[0] is not policy.state:
        state = policy.state  # before: where something is learned meanwhile, this is masked again
        made = _by_parts(part, policy) or _written(part.root, policy, "", OPEN, part.size)
        known = part.rendered = (state, made)
    found: Rendered = known[1]
    if not found.redacted and not found.truncated:
        return found
    return Rendered(
        found.value,
        found.text,
        [path + rest for rest in found.redacted],
        [path + rest for rest in found.truncated],
    )


def _by_parts(captured: Snapshot, policy: Policy) -> Rendered | None:
    """A store, what its big entries look like taken from the capture before; None where that is no use.

    The entries between two big ones are written together.
    """
    root, parts = captured.root, captured.parts
    if captured.size < _BIG or not parts:
        return None
    if "value" in root or "Value" in root:  # that may belong to a "name" beside it
        return None
    pieces: list[Rendered] = []
    between: dict[str, Node] = {}
    for key, node in root.items():
        part = parts.get(key)
        name, secret = policy.name(key)
        if part is None or part.cost < _BIG or secret != OPEN:
            between[key] = node
            continue
        if between:
            pieces.append(_written(between, policy, "", OPEN, captured.size))
            between = {}
        pieces.append(_entry(name, node, part, policy))
    if between:
        pieces.append(_written(between, policy, "", OPEN, captured.size))
    shown = _joined(pieces)
    return shown if len(shown.value) == len(root) else None  # names that are alike once they are masked


def _entry(name: str, node: Node, part: Part, policy: Policy) -> Rendered:
    known = part.rendered
    if known is None or known[0] is not policy.state:
        state = policy.state
        known = part.rendered = (state, _written(node, policy, "", OPEN))
    found: Rendered = known[1]
    redacted = [f".{name}{path}" for path in found.redacted]
    truncated = [f".{name}{path}" for path in found.truncated]
    return Rendered({name: found.value}, f"{{{to_json(name)}:{found.text}}}", redacted, truncated)


def _joined(pieces: list[Rendered]) -> Rendered:
    """Several objects as one."""
    shown: dict[str, JSON] = {}
    for piece in pieces:
        shown.update(piece.value)
    return Rendered(
        shown,
        "{" + ",".join(piece.text[1:-1] for piece in pieces) + "}",
        [path for piece in pieces for path in piece.redacted],
        [path for piece in pieces for path in piece.truncated],
    )


def head_of(found: Rendered, most: int, path: str) -> Rendered:
    """What is shown of a value, which is masked already, in at most so many bytes of JSON."""
    head = _shrunk({"": found.value}, most, _AS_IT_IS, path, alone=True)
    return Rendered(head.value, head.text, found.redacted, [*found.truncated, path])


def _written(node: Node, policy: Policy, path: str, secret: int, size: int = 0) -> Rendered:
    """A node of about so many bytes."""
    writer = Writer(policy, path)
    value = writer.node(node, None, secret)
    writer.finish()
    text = to_json_in_pieces(value) if size > PIECE * 4 else None
    return Rendered(value, text, writer.redacted, writer.truncated)


def _shrunk(nodes: dict[str, Node], budget: int, policy: Policy, path: str, *, alone: bool) -> Rendered:
    """The nodes with less and less of them until their JSON fits."""
    allowed = budget
    for _ in range(8):
        kept, _, _ = heads(nodes, Limits(max_depth=100, max_bytes=allowed))
        writer = Writer(policy, path)
        shown: dict[str, JSON] = {}
        for name, node in kept.items() if type(kept) is dict else ():
            known, secret = policy.name(name) if name else (name, OPEN)
            shown[known] = writer.node(node, (None, name) if name else None, secret)
        writer.finish()
        found = Rendered(shown.get("") if alone else shown, None, writer.redacted, writer.truncated)
        size = utf8_size(found.text)
        if shown and size <= budget:
            return found
        allowed = min(allowed * 3 // 4, allowed * budget // max(size, 1))
    return Rendered("…", truncated=[path])


def _changes(changes: ChangeSet, policy: Policy, path: str) -> Rendered:
    writer = Writer(policy, path)
    value = brief_changes(writer, changes)
    writer.finish()
    return Rendered(value, None, writer.redacted)

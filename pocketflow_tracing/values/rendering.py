"""Captured values → masked JSON within the budget, on the worker's thread."""

from __future__ import annotations

import json
from typing import Any

from ..model import JSON
from .changes import ChangeSet
from .heads import heads
from .nodes import Limits, Node, Snapshot
from .redaction import FAILED, Policy
from .snapshot import snapshot
from .writing import OPEN, Writer, secrecy


class Rendered:
    """A value as JSON, with the paths at which something was masked or left out. Read only: shared."""

    __slots__ = ("redacted", "size", "truncated", "value")

    def __init__(
        self,
        value: JSON,
        redacted: list[str] | None = None,
        truncated: list[str] | None = None,
        size: int = 0,
    ) -> None:
        self.value = value
        self.redacted: list[str] = [] if redacted is None else redacted
        self.truncated: list[str] = [] if truncated is None else truncated
        self.size = size


def render(value: Any, policy: Policy, path: str) -> Rendered:
    """The JSON form of a snapshot, of snapshots by name, of a change set, or of plain metadata."""
    try:
        if type(value) is ChangeSet:
            return _changes(value, policy, path)
        if type(value) is dict and value and all(type(part) is Snapshot for part in value.values()):
            return _named(value, policy, path)
        captured = value if type(value) is Snapshot else snapshot(value, Limits())
        return _fitted({"": captured}, policy, path, lambda shown: shown[""])
    except Exception:  # whatever is wrong with it, nothing goes out unmasked
        return Rendered(FAILED, redacted=[path])


def _named(parts: dict[str, Snapshot], policy: Policy, path: str) -> Rendered:
    return _fitted(parts, policy, path, lambda shown: shown)


def _fitted(parts: dict[str, Snapshot], policy: Policy, path: str, pick: Any) -> Rendered:
    """The parts of one field, made smaller together where they are too big as JSON."""
    shown: dict[str, JSON] = {}
    whole = Rendered(None)
    for name, part in parts.items():
        single = _snapshot(name, part, policy, path)
        shown[policy.mask_text(name)] = single.value
        whole.redacted += single.redacted
        whole.truncated += single.truncated
        whole.size += single.size + len(name) + 6
    budget = max(part.limits.max_bytes for part in parts.values())
    if whole.size > budget:
        return _shrunk({name: part.root for name, part in parts.items()}, budget, policy, path, pick)
    whole.value = pick(shown)
    return whole


def _snapshot(name: str, part: Snapshot, policy: Policy, path: str) -> Rendered:
    """One snapshot, rendered once for all the spans that show it."""
    secret = secrecy(name, policy, OPEN) if name else OPEN
    relative: Rendered | None = None
    cacheable = policy.mask is None and secret == OPEN
    if cacheable and part.rendered is not None and part.rendered[0] is policy:
        relative = part.rendered[1]
    where = f"{path}.{policy.mask_text(name)}" if name else path
    if relative is None:
        writer = Writer(policy, "" if cacheable else where)
        value = writer.node(part.root, None, secret)
        writer.finish()
        relative = Rendered(value, writer.redacted, writer.truncated, _json_size(value))
        if cacheable:
            part.rendered = (policy, relative)
        else:
            return relative
    return Rendered(
        relative.value,
        [where + rest for rest in relative.redacted],
        [where + rest for rest in relative.truncated],
        relative.size,
    )


def _shrunk(nodes: dict[str, Node], budget: int, policy: Policy, path: str, pick: Any) -> Rendered:
    """The nodes with less and less of them until their JSON fits."""
    allowed = budget
    for _ in range(8):
        kept, _, _ = heads(nodes, Limits(max_depth=100, max_bytes=allowed))
        writer = Writer(policy, path)
        shown = {
            policy.mask_text(name): writer.node(
                node, (None, name) if name else None, secrecy(name, policy, OPEN) if name else OPEN
            )
            for name, node in (kept.items() if type(kept) is dict else ())
        }
        writer.finish()
        size = _json_size(shown)
        if shown and size <= budget:
            return Rendered(pick(shown), writer.redacted, writer.truncated, size)
        allowed = min(allowed * 3 // 4, allowed * budget // max(size, 1))
    return Rendered("…", truncated=[path])


def _json_size(value: JSON) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def _changes(changes: ChangeSet, policy: Policy, path: str) -> Rendered:
    writer = Writer(policy, path)
    value = writer.changes(changes, None, OPEN)
    writer.finish()
    return Rendered(value, writer.redacted, [], 0)

"""Change sets → JSON: what was added, changed and removed, each shown shortly."""

from __future__ import annotations

from itertools import islice

from ..model import JSON
from .changes import ChangeSet
from .heads import heads
from .nodes import Limits, Node
from .redaction import OPEN
from .walk import TooMuch, whole
from .wording import free
from .writing import Path, Writer, learn

_MOST_CHANGES = 50
_BRIEF = Limits(max_depth=3, max_bytes=480)


def brief_changes(writer: Writer, changes: ChangeSet, path: Path = None, secret: int = OPEN) -> JSON:
    """The JSON form of a change set, for `writer` to mask; changed is (before, after) by key."""
    changed: dict[str, JSON] = {}
    for key, change in islice(changes.changed.items(), _MOST_CHANGES):
        name, under = writer.key(key, changed)
        where: Path = ((path, "changed"), name)
        if type(change) is ChangeSet:
            changed[name] = brief_changes(writer, change, where, max(secret, under))
        else:
            changed[name] = [_brief(writer, node, where, secret, under) for node in change]  # type: ignore[union-attr]
    _note_rest(changed, len(changes.changed))
    form: dict[str, JSON] = {
        "added": _brief_entries(writer, changes.added, (path, "added"), secret),
        "changed": changed,
        "removed": _brief_entries(writer, changes.removed, (path, "removed"), secret),
    }
    if changes.concurrent:
        form["concurrent"] = True
    if changes.partial:
        form["partial"] = True
    return form


def _brief_entries(writer: Writer, entries: dict[str, Node], path: Path, secret: int) -> dict[str, JSON]:
    shown: dict[str, JSON] = {}
    for key, node in islice(entries.items(), _MOST_CHANGES):
        name, under = writer.key(key, shown)
        shown[name] = _brief(writer, node, (path, name), secret, under)
    _note_rest(shown, len(entries))
    return shown


def _brief(writer: Writer, node: Node, path: Path, secret: int, under: int) -> JSON:
    """A node cut to what a glance takes in, within something `secret`, and `under` a secret name or not."""
    if under != OPEN:
        learn(node, writer.policy, under)
        secret = max(secret, under)
    if type(node) is int or node is None or (type(node) is str and len(node) <= _BRIEF.max_bytes):
        return writer.node(node, path, secret)
    try:
        node = whole(node, _BRIEF.max_bytes, _BRIEF.max_depth, _BRIEF)[0]
    except TooMuch:
        node = heads(node, _BRIEF)[0]
    return writer.node(node, path, secret)


def _note_rest(shown: dict[str, JSON], count: int) -> None:
    if count > _MOST_CHANGES:
        shown[free("…", shown)] = f"+{count - _MOST_CHANGES:,} more"

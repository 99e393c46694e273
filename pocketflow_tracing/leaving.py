"""What a node leaves as it ends: what its post changed in the store, and whether anything runs after it."""

from __future__ import annotations

from weakref import getweakrefcount

from .live import LiveSpan
from .model import SpanKind
from .reading import fields_of
from .sharing import was_alone_in_post
from .steps import Activation, Kept, Pictures, Step
from .values import Difference, snapshot

_NODE = SpanKind.NODE
_FRAMEWORK = frozenset({"params", "successors", "max_retries", "wait", "cur_retry"})
"""The fields that PocketFlow itself gives a node."""


def take_changes(activation: Activation, step: Step, seen: Pictures, phase: LiveSpan, value: object) -> int:
    """Take what post returned, and what it changed in the store; how many bytes that keeps."""
    limits = phase.capture.limits
    phase.output = output = snapshot(value, limits)
    seen.post_out = (value, output)
    before = activation.store_before
    seen.latest = after = snapshot(step.shared, limits, before)
    size = output.size
    changes = None
    if after is not before:
        phase.changes = changes = Difference(before, after, not was_alone_in_post(seen))
        size += after.size + changes.size
    seen.post_changes = (before, after, changes)
    return size if before is seen.before else size + before.size


def leaves_quietly(step: Step, seen: Pictures, original: object, value: object) -> bool:
    """Whether no code of the program runs between the end of a node, a copy of `original`, and the next.

    PocketFlow then looks up the action, `value`; and the copy dies, with all that only it and its
    phases had: that may run finalisers.
    """
    kind, owner = step.type, step.owner
    if not kind.starts_plainly or kind.kind is not _NODE or (value is not None and type(value) is not str):
        return False
    if not (_dies_quietly(seen.prep_out) and _dies_quietly(seen.exec_out)) or getweakrefcount(owner):
        return False
    fields = fields_of(owner)
    if type(fields.get("successors")) is not dict:
        return False
    return fields.keys() <= _FRAMEWORK or _lives_on(fields, fields_of(original))


def _dies_quietly(kept: Kept | None) -> bool:
    """Whether no finaliser runs with the end of what a phase returned."""
    if kept is None:
        return True
    value = kept[0]
    kind = type(value)
    if kind is dict:
        parts = kept[1].parts
        return parts is not None and not parts
    return kind is str or value is None or kind is int or kind is float or kind is bool


def _lives_on(fields: dict[str, object], originals: dict[str, object]) -> bool:
    """Whether what the program put into a node is in the original too, or has no finaliser."""
    for name, value in fields.items():
        if name in _FRAMEWORK or value is None or originals.get(name) is value:
            continue
        kind = type(value)
        if not (kind is str or kind is int or kind is float or kind is bool):
            return False
    return True

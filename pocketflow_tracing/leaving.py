"""What a node leaves as it ends: what its post changed in the store, and whether anything runs after it."""

from __future__ import annotations

from typing import Any
from weakref import getweakrefcount

from .live import LiveSpan
from .model import SpanKind
from .reading import fields_of
from .sharing import was_alone_in_post
from .steps import Activation, Kept, Pictures, Step
from .values import Difference, snapshot

SMALL_BYTES = 1024
"""To look at a store of no more than this once more costs less than to find out whether one has to."""
_NODE = SpanKind.NODE
_FEW = 64
"""More entries than these are not looked at for finalisers: the store is, once more."""


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
    return type(fields.get("successors")) is dict and _lives_on(fields, fields_of(original))


def _dies_quietly(kept: Kept | None) -> bool:
    """Whether no finaliser runs with the end of what a phase returned; a dict may have come to hold more."""
    if kept is None:
        return True
    value: Any = kept[0]
    kind = type(value)
    if kind is dict:
        return _holds_scalars(value)
    return kind is str or value is None or kind is int or kind is float or kind is bool


def _lives_on(fields: dict[str, Any], originals: dict[str, Any]) -> bool:
    """Whether what is in a node is in the original too, or has no finaliser."""
    for name, value in list(fields.items()):  # a copy: another thread may change it
        kind = type(value)
        if kind is int or kind is str or value is None or originals.get(name) is value:
            continue
        if kind is dict:
            if value and not _holds_scalars(value):
                return False
        elif not (kind is float or kind is bool):
            return False
    return True


def _holds_scalars(value: dict[Any, Any]) -> bool:
    """Whether nothing in a dict has a finaliser, as far as a short look tells."""
    if len(value) > _FEW:
        return False
    for key, item in list(value.items()):  # a copy: another thread may change it
        kind = type(item)
        if type(key) is not str or not (
            kind is str or item is None or kind is int or kind is float or kind is bool
        ):
            return False
    return True

"""What a node finds in its store, what it leaves there, and whether anything runs before the next one."""

from __future__ import annotations

from typing import Any
from weakref import getweakrefcount

from .errors import is_the_programs
from .live import LiveSpan
from .model import SpanKind
from .sharing import Stores, was_alone_in_post
from .steps import Pictures, Step, Walk
from .values import Difference, Snapshot, snapshot

SMALL_BYTES = 128
"""To look at a store of no more than this once more costs less than to find out whether one has to."""
_NODE = SpanKind.NODE
_FEW = 64
"""More entries than these are not looked at for finalisers: the store is, once more."""


def arrive(
    stores: Stores, step: Step, above: Step, walk: Walk, fields: dict[str, Any]
) -> tuple[Snapshot, ...]:
    """Take the store as the input of a node and of its prep; also its params, which are in its `fields`."""
    shared, limits = step.shared, step.capture.limits
    store = None if above.pictures is None else above.pictures.latest
    is_fresh, walk.is_fresh = walk.is_fresh, False
    if (
        not is_fresh
        or store is None
        or above.shared is not shared
        or not step.type.starts_plainly
        or "set_params" in fields
    ):
        store = snapshot(shared, limits, store)
    seen = Pictures(store)
    stores.enter(step, seen, above)
    step.pictures = seen
    params = fields.get("params")
    if params and type(params) is dict:
        step.span.attributes = {"params": snapshot(params, limits)}
    step.span.input = given = (store,)
    return given


def leave(stores: Stores, step: Step, seen: Pictures, post: LiveSpan, value: object, before: Snapshot) -> int:
    """Take what a node and its post returned, and what they changed in the store; how many bytes that keeps.

    `before` is the store as it was before the post.
    """
    span = step.span
    limits = post.capture.limits
    post.output = output = snapshot(value, limits)
    seen.latest = after = snapshot(step.shared, limits, before)
    span.output = (output, after)
    size = output.size if before is seen.before else output.size + before.size
    changes = None
    if after is not before:
        post.changes = changes = Difference(before, after, not was_alone_in_post(seen))
        size += after.size + changes.size
    above: Step | None = span.parent.step if span.parent is not None else None
    if above is not None and above.shared is step.shared and above.pictures is not None:
        above.pictures.latest = after
    if before is not seen.before:
        changes = None if after is seen.before else Difference(seen.before, after)
    if stores.leave(seen) and changes is not None:
        changes = changes.marked_concurrent()
    span.changes = changes
    return size


def leaves_quietly(step: Step, seen: Pictures, original: object, value: object) -> bool:
    """Whether no code of the program runs between the end of a node, a copy of `original`, and the next.

    PocketFlow then looks up the action, `value`; and the copy dies, with all that only it and its
    phases had: that may run finalisers.
    """
    kind, owner = step.type, step.owner
    if not kind.starts_plainly or kind.kind is not _NODE or (value is not None and type(value) is not str):
        return False
    for kept in (seen.prep_out, seen.exec_out):
        # The picture of most scalars is the scalar; a dict may have come to hold more since.
        if kept is not None and kept[1].root is not kept[0] and not _dies_quietly(kept[0]):
            return False
    # A program may have given them another class since.
    if type(original) is not type(owner) or kind.lineage[0] != id(type(owner)) or getweakrefcount(owner):
        return False
    fields, originals = owner.__dict__, original.__dict__  # of a class that has no code for that
    return type(fields.get("successors")) is dict and _lives_on(fields, originals)


def _dies_quietly(value: Any) -> bool:
    """Whether no finaliser runs with the end of what a phase returned."""
    kind = type(value)
    return kind is str or kind is bool or (kind is dict and _holds_scalars(value))


def _lives_on(fields: dict[str, Any], originals: dict[str, Any]) -> bool:
    """Whether what is in a node is in the original too, or has no finaliser."""
    try:
        for name, value in fields.items():
            kind = type(value)
            if kind is int or kind is str or value is None or originals.get(name) is value:
                continue
            if kind is dict:
                if value and not _holds_scalars(value):
                    return False
            elif not (kind is float or kind is bool):
                return False
    except RuntimeError as failure:  # another thread changes it
        if is_the_programs(failure):
            raise
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

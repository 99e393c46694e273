"""Captures a value as it is now, on the program's own thread: bounded, silent, running no user code.

Most values fit their budget, and are walked once, by `walk`. A store that turns out too big is given
out in shares by `shares`; what is too deep or cyclic is walked level by level by `heads`.
"""

from __future__ import annotations

from typing import Any

from ..errors import is_the_programs, report_failure
from .heads import heads
from .nodes import (
    BASE_COST,
    ENTRY_COST,
    FALSE,
    FLOAT_COST,
    HEAD,
    TEXT,
    TRUE,
    Limits,
    Mark,
    Node,
    Part,
    Snapshot,
)
from .sameness import same, same_entries
from .shares import FEW, first_items, in_shares
from .walk import TooMuch, fill_list, whole

_ATTEMPTS = 3


def snapshot(value: Any, limits: Limits, previous: Snapshot | None = None) -> Snapshot:
    """A capture of `value`, independent of it from then on.

    `previous` may be an earlier capture of the same thing: what has not changed since is taken
    over, and when nothing has, `previous` itself comes back.
    """
    try:
        if limits.plain:
            kind = type(value)
            if value is None:
                return limits.nothing
            if previous is not None and previous.limits is not limits and previous.limits != limits:
                previous = None
            if kind is dict:
                return _dict(value, limits, previous)
            if previous is not None and same(value, previous.root, limits):
                return previous
            if kind is str and len(value) <= limits.max_bytes:
                return Snapshot(value, len(value) + BASE_COST, limits)
            if kind is int or kind is float:
                return Snapshot(value, BASE_COST, limits)
            if kind is bool:
                return Snapshot(TRUE if value else FALSE, BASE_COST, limits)
        return _capture(value, limits)
    except RuntimeError as failure:  # a RecursionError near the user's own limit, or a container in motion
        if is_the_programs(failure):
            raise
        return _nothing(limits) if isinstance(failure, RecursionError) else _capture_in_motion(value, limits)
    except MemoryError:
        return _nothing(limits)
    except Exception as failure:
        report_failure("values.snapshot", failure)
        return _nothing(limits)


def _nothing(limits: Limits) -> Snapshot:
    return Snapshot(Mark((TEXT, "<not captured>")), BASE_COST, limits, whole=False)


def _capture(value: Any, limits: Limits) -> Snapshot:
    if limits.plain and type(value) is dict:
        return _dict(value, limits, None)
    try:
        if limits.plain and type(value) is list:
            return _items(value, limits)
        return _all(value, limits)
    except TooMuch:
        return _heads(value, limits)


def _dict(value: dict[Any, Any], limits: Limits, previous: Snapshot | None) -> Snapshot:
    """A dict, what did not change of it taken over from `previous`."""
    may_fit = previous is None or previous.whole
    unchanged = 0
    if previous is not None:
        if previous.parts is None:
            if same(value, previous.root, limits):
                return previous
            previous = None
        else:
            unchanged = same_entries(value, previous.root, limits)
            if unchanged == len(value) == len(previous.root):
                return previous
    try:
        if may_fit:
            return _store(value, limits, previous, unchanged)
    except TooMuch:
        pass
    try:
        return in_shares(value, limits, previous, unchanged)
    except TooMuch:
        return _heads(value, limits)


def _all(value: Any, limits: Limits) -> Snapshot:
    node, room = whole(value, limits.max_bytes, limits.depth, limits)
    return Snapshot(node, limits.max_bytes - room + BASE_COST, limits)


def _heads(value: Any, limits: Limits) -> Snapshot:
    node, size, is_whole = heads(value, limits)
    return Snapshot(node, size + BASE_COST, limits, is_whole)


def _items(value: list[Any], limits: Limits) -> Snapshot:
    """A list, or as many items of it as there is room for."""
    kept, room, is_whole = first_items(value, limits.max_bytes, limits.depth, limits, None)
    left_out = len(value) - len(kept)
    if left_out > 0 and len(kept) < FEW:
        return _heads(value, limits)
    node = Mark((HEAD, left_out, kept)) if left_out > 0 else kept
    return Snapshot(node, limits.max_bytes - room + BASE_COST, limits, is_whole and left_out <= 0)


def _capture_in_motion(value: Any, limits: Limits) -> Snapshot:
    """A capture of what another thread changes meanwhile, tried again until a walk gets through."""
    for _ in range(_ATTEMPTS):
        try:
            return _capture(value, limits)
        except RuntimeError as failure:
            if is_the_programs(failure):
                raise
            if isinstance(failure, RecursionError):
                break
    try:
        # This walk copies each container in one step, so that it has no iterator to lose.
        return _heads(value, limits)
    except Exception as failure:
        report_failure("values.snapshot", failure)
        return _nothing(limits)


def _store(value: dict[Any, Any], limits: Limits, previous: Snapshot | None, unchanged: int) -> Snapshot:
    """All of a dict; its first entries are known to be `unchanged` since `previous`, others may be, too."""
    known: dict[str, Node] = {}
    known_parts: dict[str, Part] = {}
    if previous is not None and previous.parts is not None:
        known, known_parts = previous.root, previous.parts
    room = limits.max_bytes
    depth = limits.depth
    target: dict[str, Node] = {}
    parts: dict[str, Part] = {}
    if len(value) * 8 > room or depth <= 0:  # KEY_COST + ENTRY_COST
        raise TooMuch
    for key, item in value.items():
        if type(key) is not str:
            return _all(value, limits)
        kind = type(item)
        room -= len(key) + 8  # KEY_COST + ENTRY_COST
        unchanged -= 1
        if kind is str:
            target[key] = item
            room -= len(item)
        elif kind is int or item is None:
            target[key] = item
        elif kind is float:
            target[key] = item
            room -= FLOAT_COST - ENTRY_COST
        elif kind is bool:
            target[key] = TRUE if item else FALSE
        elif key in known_parts and (unchanged >= 0 or same(item, known[key], limits)):
            target[key] = known[key]
            parts[key] = part = known_parts[key]
            room -= part.cost
        else:
            before = room
            if kind is list:
                target[key] = copied = item[: room // ENTRY_COST + 1] if room > 0 else []
                room = fill_list(copied, room, depth - 1, limits)
            else:
                target[key], room = whole(item, room, depth - 1, limits)
            parts[key] = Part(before - room)
    if room < 0:
        raise TooMuch
    return Snapshot(target, limits.max_bytes - room + BASE_COST, limits, True, parts)

"""Captures a value as it is now, on the program's own thread: bounded, silent, running no user code.

Most values fit their budget, and are walked once, by `walk`. A store that turns out too big is given
out in shares by `shares`; what is too deep or cyclic is walked level by level by `heads`.
"""

from __future__ import annotations

from typing import Any

from ..errors import is_the_programs, report_failure
from .heads import heads
from .nodes import BASE_COST, ENTRY_COST, HEAD, MAX_DEPTH, TEXT, Limits, Mark, Node, Snapshot
from .shares import FEW, first_items, in_shares
from .walk import TooMuch, fill_list, same, same_dict, whole

_ATTEMPTS = 3


def snapshot(value: Any, limits: Limits, previous: Snapshot | None = None) -> Snapshot:
    """A capture of `value`, independent of it from then on.

    `previous` may be an earlier capture of the same thing: what has not changed since is taken
    over, and when nothing has, `previous` itself comes back.
    """
    try:
        kind = type(value)
        if kind is str and len(value) <= limits.max_bytes and not limits.serializers:
            if previous is not None and previous.root is value:
                return previous
            return Snapshot(value, len(value) + BASE_COST, limits)
        if kind is dict and previous is not None and previous.parts is not None and previous.whole:
            if previous.limits is not limits and previous.limits != limits:
                previous = None
            elif same_dict(value, previous.root, limits):
                return previous
        return _capture(value, limits, previous)
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


def _capture(value: Any, limits: Limits, previous: Snapshot | None) -> Snapshot:
    plain = not limits.serializers
    try:
        if plain and type(value) is dict and (previous is None or previous.whole):
            return _store(value, limits, previous)
        if plain and type(value) is list:
            return _items(value, limits)
        if not plain or type(value) is not dict:
            node, room = whole(value, limits.max_bytes, min(limits.max_depth, MAX_DEPTH), limits)
            return Snapshot(node, limits.max_bytes - room + BASE_COST, limits)
    except TooMuch:
        pass
    if plain and type(value) is dict:
        try:
            return in_shares(value, limits, previous)
        except TooMuch:
            pass
    return _heads(value, limits)


def _heads(value: Any, limits: Limits) -> Snapshot:
    node, size, is_whole = heads(value, limits)
    return Snapshot(node, size + BASE_COST, limits, is_whole)


def _items(value: list[Any], limits: Limits) -> Snapshot:
    """A list, or as many items of it as there is room for."""
    kept, room, is_whole = first_items(
        value, limits.max_bytes, min(limits.max_depth, MAX_DEPTH), limits, None
    )
    left_out = len(value) - len(kept)
    if left_out > 0 and len(kept) < FEW:
        return _heads(value, limits)
    node = Mark((HEAD, left_out, kept)) if left_out > 0 else kept
    return Snapshot(node, limits.max_bytes - room + BASE_COST, limits, is_whole and left_out <= 0)


def _capture_in_motion(value: Any, limits: Limits) -> Snapshot:
    """A capture of what another thread changes meanwhile, tried again until a walk gets through."""
    for _ in range(_ATTEMPTS):
        try:
            return _capture(value, limits, None)
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


def _store(value: dict[Any, Any], limits: Limits, previous: Snapshot | None) -> Snapshot:
    """A dict, its entries that did not change taken over from `previous`."""
    known: dict[str, Node] = {}
    known_parts: dict[str, int] = {}
    if previous is not None and previous.parts is not None:
        known, known_parts = previous.root, previous.parts
    room = limits.max_bytes
    depth = min(limits.max_depth, MAX_DEPTH)
    target: dict[str, Node] = {}
    parts: dict[str, int] = {}
    if len(value) * 8 > room or depth <= 0:  # KEY_COST + ENTRY_COST
        raise TooMuch
    for key, item in value.items():
        if type(key) is not str:
            node, room = whole(value, limits.max_bytes, depth, limits)
            return Snapshot(node, limits.max_bytes - room + BASE_COST, limits)
        kind = type(item)
        room -= len(key) + 8  # KEY_COST + ENTRY_COST
        if kind is str:
            target[key] = item
            room -= len(item)
        elif kind is int or item is None:
            target[key] = item
        elif key in known_parts and same(item, known[key], limits):
            target[key] = known[key]
            parts[key] = cost = known_parts[key]
            room -= cost
        else:
            before = room
            if kind is list:
                target[key] = copied = item[: room // ENTRY_COST + 1] if room > 0 else []
                room = fill_list(copied, room, depth - 1, limits)
            else:
                target[key], room = whole(item, room, depth - 1, limits)
            parts[key] = before - room
    if room < 0:
        raise TooMuch
    return Snapshot(target, limits.max_bytes - room + BASE_COST, limits, True, parts)

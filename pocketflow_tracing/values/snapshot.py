"""Captures a value as it is now, on the program's own thread: bounded, silent, running no user code.

Most values fit their budget, and are walked once, by `walk`. A store that turns out too big is given
out in shares by `shares`; what is too deep or cyclic is walked level by level by `heads`.
"""

from __future__ import annotations

from collections.abc import Iterable
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
from .sameness import END, NO_KEY, same, same_dict, same_entries
from .shares import FEW, first_items, in_shares
from .walk import TooMuch, fill_list, whole

_ATTEMPTS = 3
_WORD, _WORDS = 32, 100
_NOTHING: dict[str, Any] = {}


def snapshot(value: Any, limits: Limits, previous: Snapshot | None = None) -> Snapshot:
    """A capture of `value`, independent of it from then on.

    `previous` may be an earlier capture of the same thing: what has not changed since is taken
    over, and when nothing has, `previous` itself comes back.
    """
    try:
        if limits.plain:
            if value is None:
                return limits.nothing
            if previous is not None and previous.limits is not limits and previous.limits != limits:
                previous = None
            kind = type(value)
            if kind is dict:
                try:
                    if previous is None:
                        return _filled(value, value.items(), {}, {}, limits.max_bytes, limits)
                    if previous.whole and previous.parts is not None:
                        return _updated(value, limits, previous)
                except TooMuch:
                    return _over_budget(value, limits, previous)
                return _dict(value, limits, previous)
            if previous is not None and same(value, previous.root, limits):
                return previous
            if kind is str and len(value) <= limits.max_bytes:
                return limits.words.get(value) or _text(value, limits)
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


def _text(value: str, limits: Limits) -> Snapshot:
    """A text; one for all times that it comes, where it is as short as actions and categories are."""
    taken = Snapshot(value, len(value) + BASE_COST, limits)
    if len(value) <= _WORD and len(limits.words) < _WORDS:
        limits.words[value] = taken
    return taken


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
    """A dict of which no whole picture entry by entry was taken before."""
    may_fit = previous is None or previous.whole
    if previous is not None and previous.parts is None:
        if same(value, previous.root, limits):
            return previous
        previous = None
    if may_fit:
        try:
            return _filled(value, value.items(), {}, {}, limits.max_bytes, limits)
        except TooMuch:
            pass
    return _over_budget(value, limits, previous)


def _over_budget(value: dict[Any, Any], limits: Limits, previous: Snapshot | None) -> Snapshot:
    """As much as there is room for, what did not change of it taken over from `previous`."""
    unchanged = 0
    if previous is not None:
        unchanged = same_entries(value, previous.root, limits)
        if unchanged == len(value) == len(previous.root):
            return previous
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


def _updated(value: dict[Any, Any], limits: Limits, previous: Snapshot) -> Snapshot:
    """`previous`, which is whole, with what changed or came since."""
    known: dict[str, Node] = previous.root
    if len(value) * 8 > limits.max_bytes:  # KEY_COST + ENTRY_COST
        raise TooMuch
    if len(value) < len(known):
        return _refilled(value, limits, previous)
    changed: list[tuple[Any, Any]] = []
    entries = iter(known.items())
    for key, item in value.items():
        old_key, old = next(entries, END)
        if key is not old_key:
            if old_key is not NO_KEY:
                return _refilled(value, limits, previous)
            break
        if item is old:
            continue
        kind = type(item)
        if kind is list and type(old) is list and len(item) == len(old) < FEW:
            rest = iter(old)
            for one in item:
                if one is not next(rest, END):
                    break
            else:
                continue
        if kind is dict and type(old) is dict:
            if len(item) == len(old) and same_dict(item, old, limits):
                continue
        elif same(item, old, limits):
            continue
        changed.append((key, item))
    came = list(value.items())[len(known) :] if len(value) > len(known) else []
    if not changed and not came:
        return previous
    target, parts = known.copy(), dict(previous.parts) if previous.parts else {}
    room = limits.max_bytes + BASE_COST - previous.size
    for key, _ in changed:
        old, part = known[key], parts.pop(key, None)
        room += len(key) + 8  # KEY_COST + ENTRY_COST
        if part is not None:
            room += part.cost
        elif type(old) is str:
            room += len(old)
        elif type(old) is float:
            room += FLOAT_COST - ENTRY_COST
    return _filled(value, changed + came, target, parts, room, limits)


def _refilled(value: dict[Any, Any], limits: Limits, previous: Snapshot) -> Snapshot:
    """All of a dict of which entries went or moved, with what is still as it was taken over."""
    known_parts = previous.parts or _NOTHING
    return _filled(value, value.items(), {}, {}, limits.max_bytes, limits, previous.root, known_parts)


def _filled(
    value: dict[Any, Any],
    entries: Iterable[tuple[Any, Any]],
    target: dict[str, Node],
    parts: dict[str, Part],
    room: int,
    limits: Limits,
    known: dict[str, Node] = _NOTHING,
    known_parts: dict[str, Part] = _NOTHING,
) -> Snapshot:
    """The capture of `value`, of which `target` has all but `entries`; what is as `known` is taken over."""
    depth = limits.depth
    if len(value) * 8 > limits.max_bytes or depth <= 0:  # KEY_COST + ENTRY_COST
        raise TooMuch
    cost = 0  # Python keeps small numbers ready, and makes each of the others anew
    for key, item in entries:
        if type(key) is not str:
            return _all(value, limits)
        kind = type(item)
        cost += len(key) + 8  # KEY_COST + ENTRY_COST
        if kind is str:
            target[key] = item
            cost += len(item)
        elif kind is int or item is None:
            target[key] = item
        elif kind is float:
            target[key] = item
            cost += FLOAT_COST - ENTRY_COST
        elif kind is bool:
            target[key] = TRUE if item else FALSE
        elif key in known_parts and same(item, known[key], limits):
            target[key] = known[key]
            parts[key] = part = known_parts[key]
            cost += part.cost
        else:
            before = left = room - cost
            if kind is list:
                target[key] = copied = item[: left // ENTRY_COST + 1] if left > 0 else []
                left = fill_list(copied, left, depth - 1, limits)
            else:
                target[key], left = whole(item, left, depth - 1, limits)
            parts[key] = Part(before - left)
            cost = room - left
    if cost > room:
        raise TooMuch
    return Snapshot(target, limits.max_bytes - room + cost + BASE_COST, limits, True, parts)

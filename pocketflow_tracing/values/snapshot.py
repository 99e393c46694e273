"""Captures a value as it is now, on the program's own thread: bounded, silent, running no user code.

Most values fit their budget, and are walked once, as fast as Python allows. What turns out too big,
too deep or cyclic is walked again by `heads`, which spends the budget fairly.
"""

from __future__ import annotations

from typing import Any

from ..errors import report_failure
from .heads import heads
from .nodes import (
    CUT,
    ENTRY_COST,
    FALSE,
    FLOAT_COST,
    HEAD,
    ITEMS,
    KEY_COST,
    MAX_DEPTH,
    TEXT,
    TRUE,
    Limits,
    Mark,
    Node,
    Snapshot,
    inner,
)  # fmt: skip
from .shapes import leaf_cost, serialized, shape

_ATTEMPTS = 3
_BASE_COST = 48
"""Bytes a snapshot is taken to hold beside its entries."""


class _TooMuch(Exception):
    """The value is over its budget, too deep, or a cycle."""


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
            return Snapshot(value, len(value) + _BASE_COST, limits)
        if previous is not None and previous.parts is not None and kind is dict:
            if previous.limits is not limits and previous.limits != limits:
                previous = None
            elif _same_dict(value, previous.root, limits):
                return previous
        return _capture(value, limits, previous)
    except RuntimeError as failure:  # a RecursionError near the user's own limit, or a container in motion
        if not isinstance(failure, RecursionError):
            return _capture_in_motion(value, limits)
        return _nothing(limits)
    except Exception as failure:
        if not isinstance(failure, MemoryError):
            report_failure("values.snapshot", failure)
        return _nothing(limits)


def _nothing(limits: Limits) -> Snapshot:
    return Snapshot(Mark((TEXT, "<not captured>")), _BASE_COST, limits, whole=False)


def _capture(value: Any, limits: Limits, previous: Snapshot | None) -> Snapshot:
    try:
        if type(value) is dict and not limits.serializers:
            return _store(value, limits, previous)
        node, room = _whole(value, limits.max_bytes, min(limits.max_depth, MAX_DEPTH), limits)
        return Snapshot(node, limits.max_bytes - room + _BASE_COST, limits)
    except _TooMuch:
        node, size, whole = heads(value, limits)
        return Snapshot(node, size + _BASE_COST, limits, whole)


def _capture_in_motion(value: Any, limits: Limits) -> Snapshot:
    """A capture of what another thread changes meanwhile, tried again until a walk gets through."""
    for _ in range(_ATTEMPTS):
        try:
            return _capture(value, limits, None)
        except RecursionError:
            break
        except RuntimeError:
            continue
    try:
        # This walk copies each container in one step, so that it has no iterator to lose.
        node, size, whole = heads(value, limits)
        return Snapshot(node, size + _BASE_COST, limits, whole)
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
        raise _TooMuch
    for key, item in value.items():
        if type(key) is not str:
            node, room = _whole(value, limits.max_bytes, depth, limits)
            return Snapshot(node, limits.max_bytes - room + _BASE_COST, limits)
        kind = type(item)
        room -= len(key) + 8  # KEY_COST + ENTRY_COST
        if kind is str:
            target[key] = item
            room -= len(item)
        elif kind is int or item is None:
            target[key] = item
        elif key in known_parts and _same(item, known[key], limits):
            target[key] = known[key]
            parts[key] = cost = known_parts[key]
            room -= cost
        else:
            before = room
            if kind is list:
                target[key] = copied = item[: room // ENTRY_COST + 1] if room > 0 else []
                room = _fill_list(copied, room, depth - 1, limits)
            else:
                target[key], room = _whole(item, room, depth - 1, limits)
            parts[key] = before - room
    if room < 0:
        raise _TooMuch
    return Snapshot(target, limits.max_bytes - room + _BASE_COST, limits, True, parts)


def _whole(item: Any, room: int, depth: int, limits: Limits) -> tuple[Node, int]:
    """The node for all of `item`, and the room left; raises _TooMuch where it does not fit."""
    if limits.serializers:
        item = serialized(item, limits)
        if limits.serializes_builtins:
            return _each_serialized(item, room, depth, limits)
    kind = type(item)
    if kind is dict:
        target: dict[str, Node] = {}
        left = _fill_dict(item, target, room, depth, limits)
        if left >= 0:
            return target, left
    elif kind is list:
        copied = item[: room // ENTRY_COST + 1] if room > 0 else []
        return copied, _fill_list(copied, room, depth, limits)
    node = shape(item, max(0, room) // ENTRY_COST if kind is not str else max(0, room))
    entries = inner(node)
    if entries is None:
        room -= leaf_cost(node)
        if room < 0 or _is_cut(node):
            raise _TooMuch
        return node, room
    if _is_cut(node):
        raise _TooMuch
    if type(entries) is list:
        return node, _fill_list(entries, room, depth, limits)
    return node, _fill_dict(entries, entries, room, depth, limits)  # type: ignore[arg-type]


def _each_serialized(item: Any, room: int, depth: int, limits: Limits) -> tuple[Node, int]:
    """As `_whole`, where even a str or a dict has to be offered to the user's serializers."""
    node = shape(item, max(0, room))
    entries: Any = inner(node)
    key: Any
    if entries is None:
        room -= leaf_cost(node)
    elif depth > 0:
        named = type(entries) is dict
        for key, entry in list(entries.items()) if named else enumerate(entries):
            entries[key], room = _whole(entry, room - ENTRY_COST, depth - 1, limits)
            room -= len(key) + KEY_COST if named else 0
    if room < 0 or _is_cut(node) or (entries and depth <= 0):
        raise _TooMuch
    return node, room


def _is_cut(node: Node) -> bool:
    return type(node) is Mark and (node[0] is HEAD or node[0] is CUT)


# The two loops below are where the time goes: most frequent types first, no calls for plain entries.


def _fill_dict(source: dict[Any, Any], target: dict[str, Node], room: int, depth: int, limits: Limits) -> int:
    """Put the nodes of the entries of `source` into `target`; the room left, or -1 where a key is no str."""
    if len(source) * 8 > room or depth <= 0:  # KEY_COST + ENTRY_COST
        raise _TooMuch
    for key, item in source.items():
        if type(key) is not str:
            return -1
        kind = type(item)
        room -= len(key) + 8  # KEY_COST + ENTRY_COST
        if kind is str:
            target[key] = item
            room -= len(item)
        elif kind is int or item is None:
            target[key] = item
        elif kind is float:
            target[key] = item
            room -= 4  # FLOAT_COST - ENTRY_COST
        elif kind is bool:
            target[key] = TRUE if item else FALSE
        elif kind is list:
            target[key] = copied = item[: room // ENTRY_COST + 1] if room > 0 else []
            room = _fill_list(copied, room, depth - 1, limits)
        else:
            target[key], room = _whole(item, room, depth - 1, limits)
    if room < 0:
        raise _TooMuch
    return room


def _fill_list(target: list[Any], room: int, depth: int, limits: Limits) -> int:
    """Turn the raw entries of `target`, a private copy, into nodes; the room left."""
    if len(target) * ENTRY_COST > room or depth <= 0:
        raise _TooMuch
    for index, item in enumerate(target):
        kind = type(item)
        room -= ENTRY_COST
        if kind is str:
            room -= len(item)
        elif kind is int or item is None:
            continue
        elif kind is float:
            room -= FLOAT_COST - ENTRY_COST
        elif kind is bool:
            target[index] = TRUE if item else FALSE
        elif kind is dict:
            fresh: dict[str, Node] = {}
            left = _fill_dict(item, fresh, room, depth - 1, limits)
            if left < 0:
                target[index], room = _whole(item, room, depth - 1, limits)
            else:
                target[index] = fresh
                room = left
        else:
            target[index], room = _whole(item, room, depth - 1, limits)
    if room < 0:
        raise _TooMuch
    return room


# The two below decide whether a capture can be taken over. They look at identity first: what a
# program left alone is the same object, and asking for that costs less than any copy.


def _same_dict(value: dict[Any, Any], known: dict[str, Node], limits: Limits) -> bool:
    if len(value) != len(known):
        return False
    for (key, item), (old_key, old) in zip(value.items(), known.items()):  # noqa: B905
        if item is old and key is old_key:
            continue
        if key is not old_key and (type(key) is not str or key != old_key):
            return False
        kind = type(item)
        if kind is list:
            if type(old) is not list or not _same_list(item, old, limits):
                return False
        elif kind is dict:
            if type(old) is not dict or not _same_dict(item, old, limits):
                return False
        elif kind is bool:
            if old is not (TRUE if item else FALSE):
                return False
        elif not _same(item, old, limits):
            return False
    return True


def _same_list(value: Any, known: list[Node], limits: Limits) -> bool:
    if len(value) != len(known):
        return False
    for item, old in zip(value, known):  # noqa: B905
        if item is old:
            continue
        if type(item) is dict:
            if type(old) is not dict or not _same_dict(item, old, limits):
                return False
        elif not _same(item, old, limits):
            return False
    return True


def _same(item: Any, old: Node, limits: Limits) -> bool:
    """Whether `item` still is what the node `old` says; costs no more than `old` is big."""
    kind = type(item)
    if kind is str or kind is int or kind is float:
        return type(old) is kind and bool(item == old)
    if kind is dict and type(old) is dict:
        return _same_dict(item, old, limits)
    if kind is list and type(old) is list:
        return _same_list(item, old, limits)
    if item is None or type(old) is not Mark:
        return item is old
    if kind is bool:
        return old is (TRUE if item else FALSE)
    if kind is tuple and old[0] is ITEMS and old[1] == "tuple":
        return _same_list(item, old[2], limits)
    try:
        return bool(_whole(item, limits.max_bytes, min(limits.max_depth, MAX_DEPTH), limits)[0] == old)
    except _TooMuch:
        return False

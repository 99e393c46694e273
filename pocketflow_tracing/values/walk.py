"""Walks a value that is taken to fit its budget, as fast as Python allows; what does not fit raises."""

from __future__ import annotations

from typing import Any

from .nodes import (
    CUT,
    ENTRY_COST,
    FALSE,
    FLOAT_COST,
    HEAD,
    ITEMS,
    KEY_COST,
    TRUE,
    Limits,
    Mark,
    Node,
    inner,
)
from .shapes import leaf_cost, serialized, shape


class TooMuch(Exception):
    """The value is over its budget."""


class TooDeep(TooMuch):
    """The value is nested too deep, or a cycle."""


def whole(item: Any, room: int, depth: int, limits: Limits) -> tuple[Node, int]:
    """The node for all of `item`, and the room left; raises TooMuch where it does not fit."""
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
        return copied, fill_list(copied, room, depth, limits)
    elif kind is tuple:
        copied = list(item[: room // ENTRY_COST + 1]) if room > 0 else []
        return Mark((ITEMS, "tuple", copied)), fill_list(copied, room, depth, limits)
    node = shape(item, max(0, room) // ENTRY_COST if kind is not str else max(0, room))
    entries = inner(node)
    if entries is None:
        room -= leaf_cost(node)
        if room < 0 or _is_cut(node):
            raise TooMuch
        return node, room
    if _is_cut(node):
        raise TooMuch
    if type(entries) is list:
        return node, fill_list(entries, room, depth, limits)
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
            entries[key], room = whole(entry, room - ENTRY_COST, depth - 1, limits)
            room -= len(key) + KEY_COST if named else 0
    if room < 0 or _is_cut(node):
        raise TooMuch
    if entries and depth <= 0:
        raise TooDeep
    return node, room


def _is_cut(node: Node) -> bool:
    return type(node) is Mark and (node[0] is HEAD or node[0] is CUT)


# The two loops below are where the time goes: most frequent types first, no calls for plain entries.


def _fill_dict(source: dict[Any, Any], target: dict[str, Node], room: int, depth: int, limits: Limits) -> int:
    """Put the nodes of the entries of `source` into `target`; the room left, or -1 where a key is no str."""
    if len(source) * 8 > room:  # KEY_COST + ENTRY_COST
        raise TooMuch
    if depth <= 0 and source:
        raise TooDeep
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
            room = fill_list(copied, room, depth - 1, limits)
        else:
            target[key], room = whole(item, room, depth - 1, limits)
    if room < 0:
        raise TooMuch
    return room


def fill_list(target: list[Any], room: int, depth: int, limits: Limits) -> int:
    """Turn the raw entries of `target`, a private copy, into nodes; the room left."""
    if len(target) * ENTRY_COST > room:
        raise TooMuch
    if depth <= 0 and target:
        raise TooDeep
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
                target[index], room = whole(item, room, depth - 1, limits)
            else:
                target[index] = fresh
                room = left
        else:
            target[index], room = whole(item, room, depth - 1, limits)
    if room < 0:
        raise TooMuch
    return room

"""Whether a value still is what was captured of it, so that the capture can be taken over.

Identity comes first: what a program left alone is the same object, and to ask for that costs less than
any copy. Where a capture shows a part only, that part is what counts.
"""

from __future__ import annotations

from operator import is_
from typing import Any

from .nodes import CUT, FALSE, FIELDS, HEAD, ITEMS, STUB, TRUE, Limits, Mark, Node, identical
from .shapes import plain_fields, stub
from .walk import TooMuch, whole

NO_KEY = object()
END = (NO_KEY, None)
"""What comes after the last entry, for `next` on two dicts side by side: that takes half as long as `zip`."""


def same_entries(value: dict[Any, Any], known: dict[str, Node], limits: Limits) -> int:
    """How many of the first entries of `value` are those of `known`, in the same order."""
    count = 0
    entries = iter(known.items())
    for key, item in value.items():
        old_key, old = next(entries, END)
        if key is not old_key and (type(key) is not str or key != old_key):
            break
        if item is not old and not same(item, old, limits):
            break
        count += 1
    return count


# The two loops below are where the time goes: no calls for plain entries.


def same_dict(value: dict[Any, Any], known: dict[str, Node], limits: Limits) -> bool:
    """Whether the entries that `known` has are the first ones of `value`."""
    entries = iter(known.items())
    for key, item in value.items():
        old_key, old = next(entries, END)
        if key is not old_key and (type(key) is not str or key != old_key):
            return old_key is NO_KEY
        if item is old:
            continue
        kind = type(item)
        if kind is list and type(old) is list:
            if len(item) != len(old) or not _same_list(item, old, limits):
                return False
        elif kind is dict and type(old) is dict:
            if len(item) != len(old) or not same_dict(item, old, limits):
                return False
        elif kind is bool:
            if old is not (TRUE if item else FALSE):
                return False
        elif not same(item, old, limits):
            return False
    return True


def _same_list(value: Any, known: list[Node], limits: Limits) -> bool:
    for item, old in zip(value, known):  # noqa: B905
        if item is old:
            continue
        if type(item) is dict and type(old) is dict:
            if len(item) != len(old) or not same_dict(item, old, limits):
                return False
        elif not same(item, old, limits):
            return False
    return True


def same(item: Any, old: Node, limits: Limits) -> bool:
    """Whether `item` still is what the node `old` says; costs no more than `old` is big."""
    kind = type(item)
    if kind is type(old) and (kind is str or kind is int or kind is float):
        return bool(item == old) and (kind is not float or item != 0.0 or identical(item, old))
    if kind is dict and type(old) is dict:
        return len(item) == len(old) and same_dict(item, old, limits)
    if kind is list and type(old) is list:
        return len(item) == len(old) and (all(map(is_, item, old)) or _same_list(item, old, limits))
    if item is None or type(old) is not Mark:
        return item is old
    if kind is bool:
        return old is (TRUE if item else FALSE)
    tag = old[0]
    if tag is CUT:
        return kind is str and len(item) == old[3] and item.startswith(old[1])
    if tag is HEAD:
        return _same_head(item, old[1], old[2], limits)
    if tag is STUB:
        return (kind is dict or kind is list) and stub(item) == old
    if kind is tuple and tag is ITEMS and old[1] == "tuple":
        return len(item) == len(old[2]) and _same_list(item, old[2], limits)
    if tag is FIELDS and (fields := plain_fields(item, old[1])) is not None:
        return len(fields) == len(old[2]) and same_dict(fields, old[2], limits)
    try:
        node = whole(item, limits.max_bytes, limits.depth, limits)[0]
    except TooMuch:
        return False
    return identical(node, old) and _in_order(node, old)


def _in_order(node: Node, old: Node) -> bool:
    """Whether the entries of two identical nodes also come in the same order."""
    kind = type(node)
    if kind is dict:
        return list(node) == list(old) and all(map(_in_order, node.values(), old.values()))
    return (kind is not list and kind is not Mark) or all(map(_in_order, node, old))


def _same_head(item: Any, left_out: int, shown: Node, limits: Limits) -> bool:
    kind = type(item)
    if kind is not type(shown) or (kind is not list and kind is not dict):
        return False
    if len(item) != left_out + len(shown):
        return False
    return _same_list(item, shown, limits) if kind is list else same_dict(item, shown, limits)

"""A store over its budget: every entry gets a fair share of it, and what the small ones leave goes on.

The entries are taken from the smallest to the biggest, as their lengths go, so that each may have an
equal part of the room that is left then. One walk in all, whatever the size of the store.
"""

from __future__ import annotations

from typing import Any

from .heads import heads
from .nodes import (
    BASE_COST,
    ENTRY_COST,
    FLOAT_COST,
    HEAD,
    KEY_COST,
    MAX_DEPTH,
    Limits,
    Mark,
    Node,
    Snapshot,
)
from .scalars import cut
from .walk import TooDeep, TooMuch, same, whole

FEW = 4
"""Fewer items than these are no head of a list: its first ones are too big, and cut in their turn."""
_SHORT = 128
_ITEM_BYTES = 24


def in_shares(value: dict[Any, Any], limits: Limits, previous: Snapshot | None) -> Snapshot:
    """As much of a dict as fits; raises TooMuch where the keys alone are too many, or are no str."""
    return _Shares(value, limits, previous).captured()


def first_items(
    value: list[Any], room: int, depth: int, limits: Limits, inside: Any
) -> tuple[list[Node], int, bool]:
    """The nodes of as many items of a list, from the first on, as there is room for.

    Also the room left, and whether those items are whole: one that is too deep is cut, and the next
    ones go on. `inside` is what the list itself is an entry of.
    """
    kept = value[: max(0, room) // ENTRY_COST]
    is_whole = depth > 0
    for index, item in enumerate(kept):
        before = room
        room -= ENTRY_COST
        kind = type(item)
        if kind is str:
            room -= len(item)
        elif kind is not int and item is not None:
            try:
                kept[index], room = whole(item, room, depth - 1, limits)
            except TooDeep:
                smaller = Limits(max(0, depth - 1), max(ENTRY_COST, room), limits.serializers)
                kept[index], cost, _ = heads(item, smaller, (value, inside))
                room -= cost
                is_whole = False
            except TooMuch:
                room = -1
        if room < 0:
            del kept[index:]
            return kept, before, is_whole
    return kept, room, is_whole


class _Shares:
    def __init__(self, value: dict[Any, Any], limits: Limits, previous: Snapshot | None) -> None:
        self.value = value
        self.limits = limits
        self.depth = min(limits.max_depth, MAX_DEPTH) - 1
        self.room = limits.max_bytes
        self.target: dict[str, Node] = {}
        self.parts: dict[str, int] = {}
        self.whole = True
        self.known: dict[str, Node] = {}
        self.known_parts: dict[str, int] = {}
        if previous is not None and previous.parts is not None:
            self.known, self.known_parts = previous.root, previous.parts

    def captured(self) -> Snapshot:
        waiting = self._plain_entries()
        if self.room < 0:
            raise TooMuch
        waiting.sort(key=_weight)
        too_big: list[tuple[int, str, Any]] = []
        for index, entry in enumerate(waiting):
            left = len(waiting) - index
            # The last one may have all the room there is: a list is then cut where it ends, in one walk.
            if (left == 1 and type(entry[2]) is list) or not self._fits(entry, self.room // left):
                too_big.append(entry)
        # Where it is sure that not all fits, a quarter of the budget goes to what takes time to walk.
        sure = sum(_least(item) for _, _, item in too_big) > self.room
        walked = self.limits.max_bytes // 4 if sure else self.room
        for index, (_, key, item) in enumerate(too_big):
            left, before = len(too_big) - index, self.room
            share = self.room // left
            if type(item) is str:
                self._cut_text(key, item, share)
            else:
                self._cut_to(key, item, min(share, walked // left))
                walked -= before - self.room
        size = self.limits.max_bytes - self.room + BASE_COST
        return Snapshot(self.target, size, self.limits, self.whole, self.parts)

    def _plain_entries(self) -> list[tuple[int, str, Any]]:
        """Take what is short as it is; the length, key and value of what is not."""
        if len(self.value) * (KEY_COST + ENTRY_COST) > self.room // 2 or self.depth < 0:
            raise TooMuch
        waiting: list[tuple[int, str, Any]] = []
        for key, item in self.value.items():
            if type(key) is not str:
                raise TooMuch
            self.room -= len(key) + KEY_COST + ENTRY_COST
            self.target[key] = item  # so that the order of the keys stays
            kind = type(item)
            if kind is str:
                if len(item) <= _SHORT:
                    self.room -= len(item)
                else:
                    waiting.append((len(item) // _ITEM_BYTES, key, item))
            elif kind is float:
                self.room -= FLOAT_COST - ENTRY_COST
            elif kind is not int and item is not None:
                waiting.append((len(item) if kind is list or kind is dict else 1, key, item))
        return waiting

    def _fits(self, entry: tuple[int, str, Any], share: int) -> bool:
        """Take the whole of an entry, unless it is bigger than its share."""
        weight, key, item = entry
        if type(item) is str:
            if len(item) <= share:
                self.room -= len(item)
                return True
            return False
        if weight * _ITEM_BYTES > share:
            return False
        if (
            key in self.known_parts
            and self.known_parts[key] <= share
            and same(item, self.known[key], self.limits)
        ):
            self._put(key, self.known[key], self.known_parts[key])
            return True
        try:
            node, left = whole(item, share, self.depth, self.limits)
        except TooMuch:
            return False
        self._put(key, node, share - left)
        return True

    def _put(self, key: str, node: Node, cost: int) -> None:
        self.target[key] = node
        self.parts[key] = cost
        self.room -= cost

    def _cut_text(self, key: str, item: str, share: int) -> None:
        """Take a text, or its head."""
        if len(item) > share:
            share -= share % _SHORT  # the same cut again, where little else has changed
            self.target[key] = cut(item, share, len(item))
            self.whole = False
        self.room -= min(len(item), share)

    def _cut_to(self, key: str, item: Any, share: int) -> None:
        """Take of an entry what its share allows, which may turn out to be all."""
        if type(item) is list:
            kept, left, is_whole = first_items(item, share, self.depth, self.limits, (self.value, None))
            left_out = len(item) - len(kept)
            if left_out <= 0 and is_whole:
                self._put(key, kept, share - left)
                return
            if len(kept) >= FEW:
                self.target[key] = Mark((HEAD, left_out, kept)) if left_out > 0 else kept
                self.room -= share - left
                self.whole = False
                return
        smaller = Limits(self.depth, max(ENTRY_COST, share), self.limits.serializers)
        self.target[key], cost, is_whole = heads(item, smaller, (self.value, None))
        self.room -= cost
        self.whole = self.whole and is_whole


def _least(item: Any) -> int:
    """What an entry costs at least, as far as its length tells."""
    kind = type(item)
    if kind is str:
        return len(item)
    return len(item) * ENTRY_COST if kind is list or kind is dict else 0


def _weight(entry: tuple[int, str, Any]) -> int:
    return entry[0]

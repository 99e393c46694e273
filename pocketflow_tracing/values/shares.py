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
    Limits,
    Mark,
    Node,
    Part,
    Snapshot,
    inner,
)
from .sameness import same
from .scalars import cut
from .shapes import stub
from .walk import TooDeep, TooMuch, whole

FEW = 4
"""Fewer items than these are no head of a list: its first ones are too big, and cut in their turn."""
_SHORT = 128
_ITEM_BYTES = 24
_MOST = 1024
"""More entries to look at than these are too many to share the room among them."""
_MANY = 16
"""More entries that are too big than these are cut together, in one walk."""


def in_shares(value: dict[Any, Any], limits: Limits, previous: Snapshot | None, unchanged: int) -> Snapshot:
    """As much of a dict as fits; raises TooMuch where the keys alone are too many, or are no str.

    Its first entries are known to be `unchanged` since `previous`.
    """
    return _Shares(value, limits, previous).captured(unchanged)


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


class _Entry:
    """An entry that takes time to look at; `weight` is what its length tells."""

    __slots__ = ("item", "key", "known", "weight")

    def __init__(self, weight: int, key: str, item: Any, known: Part | None) -> None:
        self.weight = weight
        self.key = key
        self.item = item
        self.known = known
        """What is known of it, where it has not changed since the capture before."""


class _Shares:
    def __init__(self, value: dict[Any, Any], limits: Limits, previous: Snapshot | None) -> None:
        self.value = value
        self.limits = limits
        self.depth = limits.depth - 1
        self.room = limits.max_bytes
        self.target: dict[str, Node] = {}
        self.parts: dict[str, Part] = {}
        self.whole = True
        self.known: dict[str, Node] = {}
        self.known_parts: dict[str, Part] = {}
        if previous is not None and previous.parts is not None:
            self.known, self.known_parts = previous.root, previous.parts
        self.fair = 0
        """The room for each, if it were shared alike."""
        self.patience = limits.max_bytes // 4
        """Bytes that may be walked to no avail, to see whether entries fit."""

    def captured(self, unchanged: int) -> Snapshot:
        waiting = self._plain_entries(unchanged)
        if self.room < 0:
            raise TooMuch
        if not self._all_known(waiting):
            waiting.sort(key=_weight)
            self.fair = self.room // len(waiting)
            too_big: list[_Entry] = []
            for index, entry in enumerate(waiting):
                left = len(waiting) - index
                # The last may have all the room there is: a list is then cut where it ends, in one walk.
                is_last_list = left == 1 and type(entry.item) is list
                if is_last_list or not self._fits(entry, self.room // left):
                    too_big.append(entry)
            if len(too_big) > _MANY:
                self._cut_together(too_big)
            else:
                self._cut_each(too_big)
        size = self.limits.max_bytes - self.room + BASE_COST
        return Snapshot(self.target, size, self.limits, self.whole, self.parts)

    def _plain_entries(self, unchanged: int) -> list[_Entry]:
        """Take what is short as it is; what is not is left to look at."""
        if len(self.value) * (KEY_COST + ENTRY_COST) > self.room // 2 or self.depth < 0:
            raise TooMuch
        waiting: list[_Entry] = []
        for key, item in self.value.items():
            if type(key) is not str:
                raise TooMuch
            self.room -= len(key) + KEY_COST + ENTRY_COST
            self.target[key] = item  # so that the order of the keys stays
            kind = type(item)
            unchanged -= 1
            if kind is str and len(item) <= _SHORT:
                self.room -= len(item)
            elif kind is float:
                self.room -= FLOAT_COST - ENTRY_COST
            elif kind is not int and item is not None:
                known = self.known_parts.get(key)
                if known is not None and unchanged < 0 and not same(item, self.known[key], self.limits):
                    known = None
                waiting.append(_Entry(_length(item), key, item, known))
                if len(waiting) > _MOST:
                    raise TooMuch
        return waiting

    def _all_known(self, waiting: list[_Entry]) -> bool:
        """Take over everything, where it was captured before, unless there is much more room now."""
        parts = [(entry.key, entry.known) for entry in waiting if entry.known is not None]
        cut = [part.share for _, part in parts if part.share]
        if (
            len(parts) < len(waiting)
            or sum(part.cost for _, part in parts) > self.room
            or (cut and self.room // len(cut) > 2 * min(cut))
        ):
            return False
        for key, part in parts:
            self._put(key, self.known[key], part)
        return True

    def _fits(self, entry: _Entry, share: int) -> bool:
        """Take the whole of an entry, or what is known of it, unless that is bigger than its share."""
        known = entry.known
        if known is not None and known.cost <= share and (not known.share or self.fair <= 2 * known.share):
            self._put(entry.key, self.known[entry.key], known)
            return True
        if entry.weight * _ITEM_BYTES > share or share > self.patience:
            return False
        try:
            node, left = whole(entry.item, share, self.depth, self.limits)
        except TooMuch:
            self.patience -= share
            return False
        self._put(entry.key, node, Part(share - left))
        return True

    def _put(self, key: str, node: Node, part: Part) -> None:
        self.target[key] = node
        self.parts[key] = part
        self.room -= part.cost
        self.whole = self.whole and not part.share

    def _cut_each(self, too_big: list[_Entry]) -> None:
        """Cut a few entries, each to its share of the room."""
        # What takes time to walk gets half of it, and a quarter where it is sure that not all fits.
        sure = sum(_least(entry.item) for entry in too_big) > self.room
        walked = self.limits.max_bytes // 4 if sure else self.room // 2
        for index, entry in enumerate(too_big):
            left, before = len(too_big) - index, self.room
            share = self.room // left
            if type(entry.item) is str:
                self._cut_text(entry.key, entry.item, share)
            else:
                self._cut_to(entry.key, entry.item, min(share, walked // left), share)
                walked -= before - self.room

    def _cut_text(self, key: str, item: str, share: int) -> None:
        """Take a text, or its head."""
        if len(item) <= share:
            self.room -= len(item)
            return
        share -= share % _SHORT  # the same cut again, where little else has changed
        self._put(key, cut(item, share, len(item)), Part(share, share or 1))

    def _cut_to(self, key: str, item: Any, room: int, share: int) -> None:
        """Take of an entry as much as there is room for, which may turn out to be all."""
        if type(item) is list:
            kept, left, is_whole = first_items(item, room, self.depth, self.limits, (self.value, None))
            left_out = len(item) - len(kept)
            if left_out <= 0 or len(kept) >= FEW:
                node = Mark((HEAD, left_out, kept)) if left_out > 0 else kept
                self._put(key, node, Part(room - left, 0 if is_whole and left_out <= 0 else share))
                return
        smaller = Limits(self.depth, max(ENTRY_COST, room), self.limits.serializers)
        node, cost, is_whole = heads(item, smaller, (self.value, None))
        self._put(key, node, Part(cost, 0 if is_whole else share))

    def _cut_together(self, too_big: list[_Entry]) -> None:
        """Cut many entries in one walk, which shares what room and patience there is among them."""
        smaller = Limits(self.depth + 1, max(ENTRY_COST, self.room // 2), self.limits.serializers)
        found, cost, _ = heads({entry.key: entry.item for entry in too_big}, smaller, (self.value, None))
        shown: Any = inner(found)
        cost, share = cost // len(too_big), self.room // len(too_big)
        for entry in too_big:
            node = shown[entry.key] if entry.key in shown else stub(entry.item)
            self._put(entry.key, node, Part(cost, max(1, share)))


def _least(item: Any) -> int:
    """What an entry costs at least, as far as its length tells."""
    kind = type(item)
    if kind is str:
        return len(item)
    return len(item) * ENTRY_COST if kind is list or kind is dict else 0


def _length(item: Any) -> int:
    """About how many entries an item has."""
    kind = type(item)
    if kind is str:
        return len(item) // _ITEM_BYTES
    return len(item) if kind is list or kind is dict else 1


def _weight(entry: _Entry) -> int:
    return entry.weight

"""What is kept of a value over its budget: its shape, its heads, and a count of what was left out.

The value is walked level by level, so that a small entry is never starved by a big sibling, and only
so many entries are looked at in all, so that the time does not depend on the size of the value.
"""

from __future__ import annotations

from typing import Any

from .nodes import CUT, ENTRY_COST, HEAD, KEY_COST, LOOKAHEAD, MAX_DEPTH, TEXT, Limits, Mark, Node, inner
from .scalars import cut
from .shapes import is_plain, leaf_cost, serialized, shape, stub

_BYTES_AN_ENTRY = 64
"""Entries looked at are at most one for so many bytes of the budget, however big the value is."""
_FEW = 8
_LOOKAHEAD_IN_ALL = 16 * LOOKAHEAD
_SHORT = 64
"""Text up to this many characters is kept where it stands; longer text shares what room there is."""


class _Place:
    """Where a node belongs: the entry `key` of `holder`, and the values it is nested in."""

    __slots__ = ("above", "holder", "key", "value")

    def __init__(self, holder: Any, key: Any, value: Any, above: _Place | None) -> None:
        self.holder = holder
        self.key = key
        self.value = value
        self.above = above

    def is_inside_itself(self) -> bool:
        """Whether the value is one of those it is nested in."""
        above = self.above
        while above is not None:
            if above.value is self.value:
                return True
            above = above.above
        return False


def heads(value: Any, limits: Limits, inside: Any = None) -> tuple[Node, int, bool]:
    """The node for what fits of `value`, the bytes it is charged, and whether that is all of it.

    `inside` is a pair of the value that holds it and what that one is inside of, or None.
    """
    return _Walk(limits).of(value, _above(inside))


def _above(inside: Any) -> _Place | None:
    return None if inside is None else _Place(None, None, inside[0], _above(inside[1]))


class _Walk:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.room = limits.max_bytes
        self.entries = max(16, limits.max_bytes // _BYTES_AN_ENTRY)
        self.texts: list[tuple[Any, Any, Any]] = []
        self.whole = True
        self.serializes_all = bool(limits.serializers) and limits.serializes_builtins

    def of(self, value: Any, above: _Place | None) -> tuple[Node, int, bool]:
        top: list[Any] = [value]
        level = self._sort_out(top, above)
        for _ in range(min(self.limits.max_depth, MAX_DEPTH)):
            if not level:
                break
            level = self._one_level(level)
        for place in level:
            self._stub(place)
        self._share_room_among_texts()
        return top[0], self.limits.max_bytes - self.room, self.whole

    def _one_level(self, level: list[_Place]) -> list[_Place]:
        """Open every value of one level; what is nested in them is the next."""
        shares = self._shares(level)
        deeper: list[_Place] = []
        for place, share in zip(level, shares):  # noqa: B905
            if (share <= 0 or self.room <= 0) and not is_plain(place.value):
                self._stub(place)
            elif place.is_inside_itself():
                place.holder[place.key] = Mark((TEXT, "<cycle>"))
            else:
                deeper += self._open(place, share)
        return deeper

    def _shares(self, level: list[_Place]) -> list[int]:
        """How many entries each value of a level may show: alike for all, none for those too many."""
        affordable = max(0, self.room) // (KEY_COST + ENTRY_COST)
        quota = min(affordable, max(self.entries // 2, _FEW))
        open_now = min(len(level), max(1, quota // _FEW)) if len(level) > quota else len(level)
        share = max(_FEW, quota // max(1, open_now)) if affordable >= _FEW else affordable
        return [share] * open_now + [0] * (len(level) - open_now)

    def _open(self, place: _Place, share: int) -> list[_Place]:
        value = serialized(place.value, self.limits) if self.limits.serializers else place.value
        if is_plain(value):
            place.holder[place.key] = value
            return self._sort_out_one(place.holder, place.key, value, place.above)
        node = shape(value, share)
        nested = inner(node)
        if nested is not None and place.above is not None and _holds_containers(nested):
            # A head of a few complete records says more than many records without content.
            node = shape(value, max(_FEW, share // 8))
            nested = inner(node)
        place.holder[place.key] = node
        if type(node) is Mark and (node[0] is HEAD or node[0] is CUT):
            self.whole = False
        if nested is None:
            self.room -= leaf_cost(node)
            return []
        self.entries -= len(nested)
        return self._sort_out(nested, place)

    def _sort_out(self, nested: Any, above: _Place | None) -> list[_Place]:
        """Charge the plain entries of an opened container; the places of those still to open."""
        deeper: list[_Place] = []
        named = type(nested) is dict
        key: Any
        room = self.room - len(nested) * (ENTRY_COST + KEY_COST if named else ENTRY_COST)
        for key, item in nested.items() if named else enumerate(nested):
            if named:
                room -= len(key)
            kind = type(item)
            if self.serializes_all:
                deeper.append(_Place(nested, key, item, above))
            elif kind is str and len(item) <= _SHORT:
                room -= len(item)
            elif kind is not int and kind is not float and item is not None:
                self.room = room
                deeper += self._sort_out_one(nested, key, item, above)
                room = self.room
        self.room = room
        return deeper

    def _sort_out_one(self, holder: Any, key: Any, item: Any, above: _Place | None) -> list[_Place]:
        length = _shown_length(item)
        if length is not None:
            if length > _SHORT:
                self.texts.append((holder, key, item))
            self.room -= min(length, _SHORT)
            return []
        if is_plain(item):
            return []
        return [_Place(holder, key, item, above)]

    def _stub(self, place: _Place) -> None:
        place.holder[place.key] = node = stub(place.value)
        self.room -= leaf_cost(node)
        self.whole = False

    def _share_room_among_texts(self) -> None:
        """Give the room that is left to the long texts, alike; what the short ones leave goes on."""
        self.texts.sort(key=lambda entry: _shown_length(entry[2]) or 0)
        left = len(self.texts)
        beyond = min(LOOKAHEAD, max(_SHORT * 4, _LOOKAHEAD_IN_ALL // max(1, left)))
        for holder, key, text in self.texts:
            share = max(_SHORT, self.room // left + _SHORT)
            left -= 1
            length = _shown_length(text) or 0
            if length <= share:
                self.room -= length - _SHORT
                continue
            share -= share % _SHORT  # the same cut again, where little else has changed
            holder[key] = _cut(text, share, beyond)
            self.room -= share - _SHORT
            self.whole = False


def _shown_length(item: Any) -> int | None:
    """How many characters of a text are to be shown; None where it is no text."""
    if type(item) is str:
        return len(item)
    if type(item) is Mark and item[0] is CUT:
        return int(item[2])
    return None


def _cut(text: Any, keep: int, beyond: int) -> Mark:
    if type(text) is str:
        return cut(text, keep, len(text), beyond)
    return Mark((CUT, text[1][: keep + beyond], keep, text[3]))


def _holds_containers(nested: Any) -> bool:
    """Whether the first entry is something to open in its turn."""
    for item in nested.values() if type(nested) is dict else nested:
        return not is_plain(item)
    return False

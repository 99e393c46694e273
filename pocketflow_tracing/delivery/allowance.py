"""What the values of one trace may take: past it, a value shrinks to its head."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..jsontext import utf8_size
from ..values.rendering import Rendered, head_of

T = TypeVar("T")
HEAD_BYTES = 512
"""What is kept of a value for which there is no room any more, as JSON."""
HEADER = -1


class Allowance:
    """The bytes that are left, as the values become JSON.

    What may be written again, as it changes or ends, keeps its room until then.
    """

    def __init__(self, max_bytes: int) -> None:
        self.left = max_bytes
        self._kept: dict[int, int] = {}

    def fitting(self, found: Rendered, path: str) -> Rendered:
        """`found`, or its head where it takes more than is left."""
        size = utf8_size(found.text)
        if size > self.left:
            return found if size <= HEAD_BYTES else head_of(found, HEAD_BYTES, path)
        self.left -= size
        return found

    def keep(self, key: int, size: int) -> None:
        """Set `size` bytes aside for `key`, if they are there."""
        if size <= self.left and key not in self._kept:
            self._kept[key] = size
            self.left -= size

    def spent(self, key: int, make: Callable[[], T], *, again: bool) -> T:
        """What `make` gives, its values paid for with what was kept for `key`, too.

        If it comes `again`, what it takes now is kept for it.
        """
        self.left += self._kept.pop(key, 0)
        before = self.left
        made = make()
        if again:
            self._kept[key] = before - self.left
        return made

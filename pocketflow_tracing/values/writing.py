"""Nodes → JSON: every type of node written out, secrets masked, gaps marked and counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model import JSON
from .media import SHORTEST, holds_media, without_media
from .nodes import BOOL, BYTES, CUT, FALSE, FIELDS, HEAD, ITEMS, PAIRS, STUB, TRUE, Mark, Node, inner
from .patterns import REDACTED, continues_key, is_card, opens_key
from .redaction import ALL_SECRET, LONGEST_SEEN, OPEN, Policy, encodable
from .wording import LONGEST_INT, as_key, free, readable

_MOST_PATHS = 200
_LONGEST_NAME = 64
_SMALL = 10**12
"""A whole number below this is neither long nor the number of a card."""
_NAME_KEYS = ("name", "key", "header", "Name", "Key", "Header")
_VALUE_KEYS = ("value", "Value")

Path = tuple[Any, Any] | None
"""The path of the holder and the key within it; written out only where it is told."""


def learn(node: Node, policy: Policy, secrecy: int) -> None:
    """Have `policy` remember the texts under a name of this secrecy: they may stand elsewhere without it."""
    entries = inner(node)
    for item in entries if type(entries) is list else (node,):
        text = readable(item[2], item[4]) if type(item) is Mark and item[0] is BYTES else item
        if type(text) is str:
            policy.learn(text, secrecy)


class Writer:
    """Turns nodes into JSON and notes where it masked and where something is missing."""

    def __init__(self, policy: Policy, path: str) -> None:
        self.policy = policy
        self.path = path
        self.redacted: list[str] = []
        self.truncated: list[str] = []
        self.pending: list[tuple[Any, Any, str, Path]] = []
        """Texts put where they belong and not yet looked at for secrets: `finish` does, all at once."""

    def finish(self) -> None:
        """Mask what was written; nothing may leave before."""
        if not self.pending:
            return
        pending, self.pending = self.pending, []
        texts = [entry[2] for entry in pending]
        if len(max(texts, key=len)) >= SHORTEST:
            pending = [self._without_media(*entry) for entry in pending]
            texts = [entry[2] for entry in pending]
        suspects = set(self.policy.suspects(texts))
        clean: list[str] = []
        opened: list[tuple[Any, Any, Path]] = []
        for index, (holder, key, text, path) in enumerate(pending):
            if index in suspects:
                holder[key] = self._text(text, None, (path, key), OPEN)
                if type(holder) is list and opens_key(text):
                    opened.append((holder, key, path))
            elif (shown := encodable(text)) is not text:
                holder[key] = shown
            elif len(text) <= LONGEST_SEEN:
                clean.append(text)
        self.policy.seen.add_clean(clean)
        for opening in opened:
            self._hide_lines(*opening)

    def _without_media(self, holder: Any, key: Any, text: str, path: Path) -> tuple[Any, Any, str, Path]:
        if holds_media(text):
            text = holder[key] = without_media(text, len(text), len(text))[0]
        return holder, key, text, path

    def _hide_lines(self, shown: list[JSON], first: int, path: Path) -> None:
        """Mask the lines of a private key, which begins in the item `first` of a list."""
        for index in range(first + 1, len(shown)):
            line = shown[index]
            if type(line) is not str or not continues_key(line):
                return
            shown[index] = REDACTED
            self.tell(self.redacted, (path, index))

    def node(self, node: Node, path: Path, secret: int) -> JSON:
        """The JSON of a node, for `finish` to mask; `secret` says how secret all of it is."""
        kind = type(node)
        if kind is dict:
            return self._dict(node, path, secret, 0)
        if kind is list:
            return self._list(node, path, secret, 0)
        if kind is str:
            return self._text(node, None, path, secret)
        if node is None:
            return self._own_mask(None, path)
        if kind is int or kind is float:
            return self._number(node, path, secret)
        if node is TRUE or node is FALSE:
            return self._own_mask(node is TRUE, path)
        return self._mark(node, path, secret, 0)

    def _mark(self, node: Mark, path: Path, secret: int, left_out: int) -> JSON:
        tag = node[0]
        if tag is HEAD:
            inside, left_out = node[2], left_out + node[1]
            if type(inside) is dict:
                return self._dict(inside, path, secret, left_out)
            if type(inside) is list:
                return self._list(inside, path, secret, left_out)
            return self._mark(inside, path, secret, left_out)
        if tag is FIELDS:
            return self._dict(node[2], path, secret, left_out)
        if tag is ITEMS:
            return self._list(node[2], path, secret, left_out)
        if tag is PAIRS:
            return self._pairs(node[2], path, secret, left_out)
        if tag is CUT:
            return self._cut(node, path, secret)
        if tag is BYTES:
            return self._bytes(node, path, secret)
        if tag is STUB:
            self.tell(self.truncated, path)
            return str(node[1])
        if tag is BOOL:
            return self._own_mask(node[1], path)
        return self._text(node[1], None, path, secret)

    def _text(self, text: str, keep: int | None, path: Path, secret: int) -> JSON:
        if secret and text:
            self.tell(self.redacted, path)
            return REDACTED
        if keep is None and holds_media(text):
            text = without_media(text, len(text), len(text))[0]
        shown, masked = self.policy.masked(text, keep)
        if masked:
            self.tell(self.redacted, path)
        return self._own_mask(encodable(shown), path)

    def _cut(self, node: Mark, path: Path, secret: int) -> JSON:
        _, head, keep, length = node
        if not secret and holds_media(head):
            head, keep, hidden = without_media(head, keep, length)
            if not hidden:
                return self._text(head, None, path, secret)
            length = keep + hidden
        self.tell(self.truncated, path)
        shown = self._text(head, keep, path, secret)
        return f"{shown}… +{length - keep:,} more" if type(shown) is str and not secret else shown

    def _number(self, number: int | float, path: Path, secret: int) -> JSON:
        if secret == ALL_SECRET or (type(number) is int and self._is_card(number)):
            self.tell(self.redacted, path)
            return REDACTED
        shown: JSON = number
        if type(number) is int:
            if number.bit_length() > LONGEST_INT:
                shown = f"<int of {number.bit_length():,} bits>"
        elif number != number:
            shown = "NaN"
        elif number in (float("inf"), float("-inf")):
            shown = "Infinity" if number > 0 else "-Infinity"
        return self._own_mask(shown, path)

    def _is_card(self, number: int) -> bool:
        return self.policy.redact and _SMALL <= number < 10**19 and is_card(str(number))

    def _bytes(self, node: Mark, path: Path, secret: int) -> JSON:
        _, name, head, keep, length = node
        size = f"{name} of {length:,} bytes"
        text = readable(head, length)
        if secret or text is None or not keep:
            return f"<{size}>"
        shown = self._text(text, len(head[:keep].decode(errors="ignore")), path, secret)
        more = "…" if length > keep else ""
        return f"<{size}: {shown}{more}>" if type(shown) is str else shown

    # The two loops below are where the time goes: what is plain and open needs no call.

    def _list(self, items: list[Node], path: Path, secret: int, left_out: int) -> JSON:
        if 2 <= len(items) <= 3 and (under := self._paired_secret(items)):
            return self._pair(items, path, secret, under)
        shown: list[JSON] = items.copy()
        clean = self.policy.seen.clean
        later = secret == OPEN and self.policy.mask is None
        for index, item in enumerate(items):
            kind = type(item)
            if later:
                if kind is str:
                    if len(item) > LONGEST_SEEN or item not in clean:
                        self.pending.append((shown, index, item, path))
                    continue
                if (
                    item is None
                    or (kind is int and -_SMALL < item < _SMALL)
                    or (kind is float and item - item == 0)  # neither infinite nor NaN
                ):
                    continue
            shown[index] = self.node(item, (path, index), secret)
        if not later and not secret:  # a mask of the user's own has seen each of them
            for index, item in enumerate(items):
                if type(item) is str and opens_key(item):
                    self._hide_lines(shown, index, path)
        if left_out:
            self.tell(self.truncated, path)
            shown.append(f"… +{left_out:,} more")
        return shown

    def _dict(self, entries: Mapping[str, Node], path: Path, secret: int, left_out: int) -> JSON:
        shown: dict[str, JSON] = {}
        clean, names = self.policy.seen.clean, self.policy.seen.names
        value_secret = self._named_secret(entries) if "value" in entries or "Value" in entries else OPEN
        later = secret == OPEN and self.policy.mask is None
        for key, node in entries.items():
            name, under = names.get(key) or self.policy.name(key)
            if name in shown:
                name = free(name, shown)
            if value_secret and key in _VALUE_KEYS:
                under = max(under, value_secret)
            if under != OPEN:
                learn(node, self.policy, under)
            if later and under == OPEN:
                kind = type(node)
                if kind is str:
                    shown[name] = node
                    if len(node) > LONGEST_SEEN or node not in clean:
                        self.pending.append((shown, name, node, path))
                    continue
                if (
                    node is None
                    or (kind is int and -_SMALL < node < _SMALL)
                    or (kind is float and node - node == 0)
                ):
                    shown[name] = node
                    continue
            shown[name] = self.node(node, (path, name), max(secret, under))
        return self._with_note(shown, path, left_out) if left_out else shown

    def _pair(self, items: list[Node], path: Path, secret: int, under: int) -> JSON:
        """A header or a form field as a name and its value."""
        last = len(items) - 1
        learn(items[last], self.policy, under)
        return [
            self.node(item, (path, index), max(secret, under if index == last else OPEN))
            for index, item in enumerate(items)
        ]

    def _paired_secret(self, items: list[Node]) -> int:
        """How secret the last of a few items is, by the first as its name."""
        name = items[0]
        if type(name) is Mark and name[0] is BYTES:
            name = readable(name[2], name[4])
        if type(name) is not str or len(name) > _LONGEST_NAME or name[:1] == "-":  # the first line of a key
            return OPEN
        return self.policy.name(name)[1]

    def _named_secret(self, entries: Mapping[str, Node]) -> int:
        """How secret `value` of an entry like {"name": "api_key", "value": …} is."""
        names = [entries[key] for key in _NAME_KEYS if type(entries.get(key)) is str]
        return max((self.policy.secrecy(name) for name in names), default=OPEN)

    def _pairs(self, flat: list[Node], path: Path, secret: int, left_out: int) -> JSON:
        shown: dict[str, JSON] = {}
        for index in range(0, len(flat) - 1, 2):
            name, under = self.key(as_key(flat[index], self.policy), shown)
            if under != OPEN:
                learn(flat[index + 1], self.policy, under)
            shown[name] = self.node(flat[index + 1], (path, name), max(secret, under))
        return self._with_note(shown, path, left_out)

    def _with_note(self, shown: dict[str, JSON], path: Path, left_out: int) -> JSON:
        if left_out:
            self.tell(self.truncated, path)
            shown[free("…", shown)] = f"+{left_out:,} more"
        return shown

    def key(self, key: str, taken: dict[str, JSON]) -> tuple[str, int]:
        """The name for `key` that is not `taken`, and how secret what stands under it is."""
        shown, under = self.policy.name(key)
        return (free(shown, taken) if shown in taken else shown), under

    def _own_mask(self, value: JSON, path: Path) -> JSON:
        if self.policy.mask is None:
            return value
        shown = self.policy.own_mask(value, self._written(path))
        if shown is not value:
            self.tell(self.redacted, path)
        return shown

    def tell(self, paths: list[str], path: Path) -> None:
        """Note that something of what stands at `path` is not to be seen."""
        if len(paths) < _MOST_PATHS:
            written = self._written(path)
            if not paths or paths[-1] != written:
                paths.append(written)

    def _written(self, path: Path) -> str:
        steps: list[str] = []
        while path is not None:
            path, key = path
            steps.append(f"[{key}]" if type(key) is int else f".{key}")
        return self.path + "".join(reversed(steps))

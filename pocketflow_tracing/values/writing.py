"""Nodes → JSON: every type of node written out, secrets masked, gaps marked and counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model import JSON
from .changes import ChangeSet
from .heads import heads
from .keys import holds_count
from .nodes import BOOL, BYTES, CUT, FIELDS, HEAD, ITEMS, PAIRS, STUB, TEXT, Limits, Mark, Node
from .patterns import REDACTED, is_card
from .redaction import SHORTEST, Policy

_LONGEST_INT = 2048  # bits; Python refuses to write integers beyond 640 digits where it is told to
_BYTES_SHOWN = 512
_MOST_PATHS = 200
_LONGEST_NAME = 64
_MOST_CHANGES = 50
_BRIEF = Limits(max_depth=3, max_bytes=480)
_NAME_KEYS = ("name", "key", "header")
OPEN, TEXTS_SECRET, ALL_SECRET = range(3)

Path = tuple[Any, Any] | None
"""The path of the holder and the key within it; written out only where it is told."""


def secrecy(name: str, policy: Policy, secret: int) -> int:
    """How secret what stands under `name` is, within something that is `secret` already."""
    if policy.keys.is_secret(name) and policy.masks_keys:
        return max(secret, TEXTS_SECRET if holds_count(name) else ALL_SECRET)
    return secret


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
        for index in self.policy.suspects([entry[2] for entry in self.pending]):
            holder, key, text, path = self.pending[index]
            holder[key] = self._text(text, None, path, OPEN)
        self.pending.clear()

    def node(self, node: Node, path: Path, secret: int) -> JSON:
        kind = type(node)
        if kind is str:
            return self._text(node, None, path, secret)
        if node is None:
            return self._own_mask(None, path)
        if kind is int or kind is float:
            return self._number(node, path, secret)
        if kind is dict:
            return self._dict(node, path, secret, 0)
        if kind is list:
            return self._list(node, path, secret, 0)
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
            self._tell(self.truncated, path)
            return str(node[1])
        if tag is BOOL:
            return self._own_mask(node[1], path)
        return self._text(node[1], None, path, secret)

    def _text(self, text: str, keep: int | None, path: Path, secret: int) -> JSON:
        if secret and text:
            self._tell(self.redacted, path)
            return REDACTED
        shown, masked = self.policy.masked(text, keep)
        if masked:
            self._tell(self.redacted, path)
        return self._own_mask(encodable(shown), path)

    def _cut(self, node: Mark, path: Path, secret: int) -> JSON:
        _, head, keep, length = node
        self._tell(self.truncated, path)
        shown = self._text(head, keep, path, secret)
        return f"{shown}… +{length - keep:,} more" if type(shown) is str and not secret else shown

    def _number(self, number: int | float, path: Path, secret: int) -> JSON:
        if secret == ALL_SECRET or (type(number) is int and self._is_card(number)):
            self._tell(self.redacted, path)
            return REDACTED
        shown: JSON = number
        if type(number) is int:
            if number.bit_length() > _LONGEST_INT:
                shown = f"<int of {number.bit_length():,} bits>"
        elif number != number:
            shown = "NaN"
        elif number in (float("inf"), float("-inf")):
            shown = "Infinity" if number > 0 else "-Infinity"
        return self._own_mask(shown, path)

    def _is_card(self, number: int) -> bool:
        return self.policy.redact and 10**12 <= number < 10**19 and is_card(str(number))

    def _bytes(self, node: Mark, path: Path, secret: int) -> JSON:
        _, name, head, length = node
        size = f"{name} of {length:,} bytes"
        text = _readable(head, length)
        if secret or text is None:
            return f"<{size}>"
        shown = self._text(text, min(_BYTES_SHOWN, len(text)), path, secret)
        more = "…" if length > _BYTES_SHOWN else ""
        return f"<{size}: {shown}{more}>" if type(shown) is str else shown

    def _list(self, items: list[Node], path: Path, secret: int, left_out: int) -> JSON:
        if 2 <= len(items) <= 3 and (under := self._paired_secret(items)):
            # A header or a form field as a name and its value.
            last = len(items) - 1
            return [
                self.node(item, (path, index), max(secret, under if index == last else OPEN))
                for index, item in enumerate(items)
            ]
        shown: list[JSON] = [None] * len(items)
        later = secret == OPEN and self.policy.mask is None
        for index, item in enumerate(items):
            if later and type(item) is str:
                shown[index] = self._later(shown, index, item, path)
            else:
                shown[index] = self.node(item, (path, index), secret)
        if left_out:
            self._tell(self.truncated, path)
            shown.append(f"… +{left_out:,} more")
        return shown

    def _dict(self, entries: Mapping[str, Node], path: Path, secret: int, left_out: int) -> JSON:
        shown: dict[str, JSON] = {}
        named = self._named_secret(entries) if "value" in entries else OPEN
        mask_later = secret == OPEN and self.policy.mask is None
        for key, node in entries.items():
            name = self._key(key, shown)
            under = secrecy(key, self.policy, secret)
            if named and key == "value":
                under = max(under, named)
            if mask_later and under == OPEN and type(node) is str:
                shown[name] = self._later(shown, name, node, path)
            else:
                shown[name] = self.node(node, (path, name), under)
        return self._with_note(shown, path, left_out)

    def _later(self, holder: Any, key: Any, text: str, path: Path) -> str:
        if len(text) >= SHORTEST or self.policy.own_patterns:
            self.pending.append((holder, key, text, (path, key)))
        return text if text.isascii() else encodable(text)

    def _paired_secret(self, items: list[Node]) -> int:
        """Whether the first of a few items is the name of a secret."""
        name = items[0]
        if type(name) is Mark and name[0] is BYTES:
            name = _readable(name[2], name[3])
        return secrecy(name, self.policy, OPEN) if type(name) is str and len(name) <= _LONGEST_NAME else OPEN

    def _named_secret(self, entries: Mapping[str, Node]) -> int:
        """Whether `value` of an entry like {"name": "api_key", "value": …} is a secret."""
        names = [entries[key] for key in _NAME_KEYS if type(entries.get(key)) is str]
        return max((secrecy(name, self.policy, OPEN) for name in names), default=OPEN)

    def _pairs(self, flat: list[Node], path: Path, secret: int, left_out: int) -> JSON:
        shown: dict[str, JSON] = {}
        for index in range(0, len(flat) - 1, 2):
            name = self._key(as_key(flat[index]), shown)
            under = secrecy(name, self.policy, secret)
            shown[name] = self.node(flat[index + 1], (path, name), under)
        return self._with_note(shown, path, left_out)

    def _with_note(self, shown: dict[str, JSON], path: Path, left_out: int) -> JSON:
        if left_out:
            self._tell(self.truncated, path)
            shown[_free("…", shown)] = f"+{left_out:,} more"
        return shown

    def _key(self, key: str, taken: dict[str, JSON]) -> str:
        shown = encodable(self.policy.masked_key(key))
        return shown if shown not in taken else _free(shown, taken)

    def _own_mask(self, value: JSON, path: Path) -> JSON:
        if self.policy.mask is None:
            return value
        shown = self.policy.own_mask(value, self._written(path))
        if shown is not value:
            self._tell(self.redacted, path)
        return shown

    def changes(self, changes: ChangeSet, path: Path, secret: int) -> JSON:
        """The JSON form of a change set: what was added, changed (before, after) and removed."""
        added = self._brief_entries(changes.added, (path, "added"), secret)
        removed = self._brief_entries(changes.removed, (path, "removed"), secret)
        changed: dict[str, JSON] = {}
        for key, change in list(changes.changed.items())[:_MOST_CHANGES]:
            name = self._key(key, changed)
            where: Path = ((path, "changed"), name)
            under = secrecy(key, self.policy, secret)
            if type(change) is ChangeSet:
                changed[name] = self.changes(change, where, under)
            else:
                before, after = change  # type: ignore[misc]
                changed[name] = [self._brief(before, where, under), self._brief(after, where, under)]
        self._note_rest(changed, len(changes.changed))
        form: dict[str, JSON] = {"added": added, "changed": changed, "removed": removed}
        if changes.concurrent:
            form["concurrent"] = True
        if changes.partial:
            form["partial"] = True
        return form

    def _brief_entries(self, entries: dict[str, Node], path: Path, secret: int) -> dict[str, JSON]:
        shown: dict[str, JSON] = {}
        for key, node in list(entries.items())[:_MOST_CHANGES]:
            name = self._key(key, shown)
            shown[name] = self._brief(node, (path, name), secrecy(key, self.policy, secret))
        self._note_rest(shown, len(entries))
        return shown

    def _brief(self, node: Node, path: Path, secret: int) -> JSON:
        return self.node(heads(node, _BRIEF)[0], path, secret)

    @staticmethod
    def _note_rest(shown: dict[str, JSON], count: int) -> None:
        if count > _MOST_CHANGES:
            shown[_free("…", shown)] = f"+{count - _MOST_CHANGES:,} more"

    def _tell(self, paths: list[str], path: Path) -> None:
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


def _readable(head: bytes, length: int) -> str | None:
    """Bytes as the text they are, or None where they are no text."""
    for cut_off in range(4 if len(head) < length else 1):
        try:
            text = head[: len(head) - cut_off].decode()
        except UnicodeDecodeError:
            continue
        return text if text and all(letter.isprintable() or letter in "\r\n\t" for letter in text) else None
    return None


def encodable(text: str) -> str:
    """`text` with lone surrogates written as escapes, since UTF-8 has no place for them."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def as_key(node: Node) -> str:
    """A key that is not a str as JSON's str."""
    if type(node) is str:
        return node
    if node is None or type(node) is float:
        return repr(node)
    if type(node) is int:
        return repr(node) if node.bit_length() <= _LONGEST_INT else f"<int of {node.bit_length():,} bits>"
    if type(node) is Mark:
        if node[0] is BOOL:
            return repr(node[1])
        if node[0] is TEXT or node[0] is CUT:
            return str(node[1][:512])
        if node[0] is ITEMS:
            return "(" + ", ".join(map(as_key, node[2][:8])) + ")"
        if node[0] is FIELDS or node[0] is PAIRS:
            return f"<{node[1]}>"
        if node[0] is BYTES:
            return f"<{node[1]} of {node[3]:,} bytes>"
    return "<key>"


def _free(name: str, taken: Mapping[str, Any]) -> str:
    count = 2
    free = name
    while free in taken:
        free = f"{name} ({count})"
        count += 1
    return free

"""Small texts for what JSON has no word for: keys that are no text, bytes, a name that is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .nodes import BOOL, BYTES, CUT, FIELDS, ITEMS, PAIRS, TEXT, Mark, Node

if TYPE_CHECKING:
    from .redaction import Policy

_LONGEST_KEY = 128
"""Bytes of a key that is shown as the text it is."""
_LONGEST_TEXT = 512
"""Characters of a date, a path or a text within a key."""
LONGEST_INT = 2048
"""Bits; Python refuses to write integers beyond 640 digits where it is told to."""


def readable(head: bytes, length: int) -> str | None:
    """Bytes, the first of so many, as the text they are; None where they are no text."""
    for cut_off in range(4 if len(head) < length else 1):
        try:
            text = head[: len(head) - cut_off].decode()
        except UnicodeDecodeError:
            continue
        return text if text and all(letter.isprintable() or letter in "\r\n\t" for letter in text) else None
    return None


def as_key(node: Node, policy: Policy) -> str:
    """A key that is not a str as JSON's str; what is cut of it is masked, the rest is still to be."""
    if type(node) is str:
        return node
    if node is None or type(node) is float:
        return repr(node)
    if type(node) is int:
        return repr(node) if node.bit_length() <= LONGEST_INT else f"<int of {node.bit_length():,} bits>"
    if type(node) is Mark:
        if node[0] is BOOL:
            return repr(node[1])
        if node[0] is TEXT or node[0] is CUT:
            keep = _LONGEST_TEXT if node[0] is TEXT else min(node[2], _LONGEST_TEXT)
            return policy.masked(node[1], keep)[0] if len(node[1]) > keep else str(node[1])
        if node[0] is ITEMS:
            return "(" + ", ".join(as_key(item, policy) for item in node[2][:8]) + ")"
        if node[0] is FIELDS or node[0] is PAIRS:
            return f"<{node[1]}>"
        if node[0] is BYTES:
            _, name, head, keep, length = node
            text = readable(head, length)
            if text is not None and length <= min(keep, _LONGEST_KEY):
                return text
            return f"<{name} of {length:,} bytes>"
    return "<key>"


def free(name: str, taken: Mapping[str, Any]) -> str:
    """`name`, with a number behind it where it is taken."""
    count = 2
    untaken = name
    while untaken in taken:
        untaken = f"{name} ({count})"
        count += 1
    return untaken

"""What a step changed in the shared store, on one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .brief import brief
from .lines import LEADS_TO, Segment
from .text import clip, visible

MAX_CHANGES = 8
MAX_INNER_CHANGES = 3
MAX_KEY = 60

_SIGNS = (("+", "added"), ("~", "changed"), ("-", "removed"))
_NOTES = (("concurrent", "may include others'"), ("partial", "not all of it was seen"))


def change_line(changes: dict[str, Any], *, names_only: bool = False, whole: bool = False) -> list[Segment]:
    """A change set as one line: `+added value  ~changed before → after  -removed`.

    A value that stayed the same object and changed inside has its own changes in parentheses.
    """
    line = _joined(list(_pieces(changes, names_only, whole)), None if whole else MAX_CHANGES)
    if line and (told := ", ".join(text for key, text in _NOTES if changes.get(key))):
        line.append(Segment(f"  ({told})", "dim"))
    return line


def condensed(changes: Any) -> Any:
    """A change set whose values are brief already, to be kept in place of one that may be large."""
    if not isinstance(changes, dict):
        return None
    return {key: _condensed(entries, key) for key, entries in changes.items()}


def _condensed(entries: Any, kind: str) -> Any:
    if not isinstance(entries, dict):
        return entries
    return {key: _condensed_value(value, kind) for key, value in entries.items()}


def _condensed_value(value: Any, kind: str) -> Any:
    if kind == "changed" and isinstance(value, dict):
        return condensed(value)
    if kind == "changed" and _is_pair(value):
        return [brief(part, 32) for part in value]
    return brief(value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _pieces(changes: dict[str, Any], names_only: bool, whole: bool) -> Iterator[list[Segment]]:
    for sign, kind in _SIGNS:
        entries = changes.get(kind)
        for key, value in entries.items() if isinstance(entries, dict) else ():
            piece = [Segment(sign + visible(clip(str(key), MAX_KEY)), kind)]
            if not names_only and kind != "removed":
                piece.extend(_values(value, kind, whole))
            yield piece


def _values(value: Any, kind: str, whole: bool) -> list[Segment]:
    if kind == "added":
        return [Segment(f" {brief(value)}", "value")]
    if _is_pair(value):
        return [Segment(f" {brief(value[0], 32)} {LEADS_TO} {brief(value[1], 32)}", "value")]
    if not isinstance(value, dict):
        return []
    inner = _joined(list(_pieces(value, False, whole)), None if whole else MAX_INNER_CHANGES)
    return [Segment(" (", "dim"), *inner, Segment(")", "dim")] if inner else []


def _joined(pieces: list[list[Segment]], most: int | None) -> list[Segment]:
    line: list[Segment] = []
    for piece in pieces[:most]:
        line.extend([Segment("  ")] if line else [])
        line.extend(piece)
    if most is not None and len(pieces) > most:
        line.append(Segment(f"  and {len(pieces) - most:,} more", "dim"))
    return line

"""What a step changed in the shared store, on one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .brief import Brief, brief, complete, excerpt
from .lines import LEADS_TO, Segment
from .text import clip, visible

MAX_CHANGES = 8
MAX_INNER_CHANGES = 3
MAX_KEY = 60
MAX_NEW = 40
LENGTH = "length"
"""Stands among the positions of a list that was too long to be seen to its end."""

_SIGNS = (("+", "added"), ("~", "changed"), ("-", "removed"))
_NOTES = (("concurrent", "may include others'"), ("partial", "not all of it was seen"))


def change_lines(
    changes: dict[str, Any], *, names_only: bool = False, whole: bool = False
) -> list[list[Segment]]:
    """A change set on one line: `+added value  ~changed.inside before → after  -removed`.

    What changed inside a value is named by its path, such as `~order.status` or `+steps[2]`. With
    `whole`, each change has a line of its own, and nothing is left out or clipped.
    """
    pieces = list(_pieces(changes, names_only, whole))
    if not whole or names_only:
        pieces = [_joined(pieces, None if whole else MAX_CHANGES)] if pieces else []
    if pieces and (told := ", ".join(text for key, text in _NOTES if changes.get(key))):
        pieces[-1].append(Segment(f"  ({told})", "dim"))
    return pieces


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
    return _glimpse(value)


def _glimpse(value: Any) -> str:
    """A value that is new: of a dict, such as a message in a conversation, its first entries."""
    return Brief(excerpt(value, MAX_NEW)) if isinstance(value, dict) else brief(value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _pieces(
    changes: dict[str, Any], names_only: bool, whole: bool, above: str = ""
) -> Iterator[list[Segment]]:
    positions = bool(above) and _has_positions(changes)
    for sign, kind in _SIGNS:
        for key, value in _entries(changes, kind):
            name = _path(above, visible(key if whole else clip(key, MAX_KEY)), positions)
            if kind == "changed" and isinstance(value, dict) and not names_only:
                yield from _inner(value, whole, name)
            else:
                yield [Segment(sign + name, kind), *([] if names_only else _values(value, kind, whole))]


def _entries(changes: dict[str, Any], kind: str) -> Iterable[tuple[str, Any]]:
    entries = changes.get(kind)
    return entries.items() if isinstance(entries, dict) else ()


def _has_positions(changes: dict[str, Any]) -> bool:
    """Whether these are the changes of a list: its items are told apart by their numbers alone."""
    keys = (key for _, kind in _SIGNS for key, _ in _entries(changes, kind))
    return all(key.isdecimal() or key == LENGTH for key in keys)


def _path(above: str, label: str, positions: bool) -> str:
    if not above:
        return label
    return f"{above}[{label}]" if positions and label != LENGTH else f"{above}.{label}"


def _inner(changes: dict[str, Any], whole: bool, name: str) -> Iterator[list[Segment]]:
    """The changes inside of what is called `name`, or the name alone where they are not known."""
    pieces = list(_pieces(changes, False, whole, name)) or [[Segment(f"~{name}", "changed")]]
    most = len(pieces) if whole else MAX_INNER_CHANGES
    yield from pieces[:most]
    if len(pieces) > most:
        yield [Segment(f"and {len(pieces) - most:,} more in {name}", "dim")]


def _values(value: Any, kind: str, whole: bool) -> list[Segment]:
    if kind == "removed" and not whole:
        return []
    if kind != "changed":
        return [Segment(f" {complete(value) if whole else _glimpse(value)}", "value")]
    if not _is_pair(value):
        return []
    before, after = (complete(part) if whole else brief(part, 32) for part in value)
    return [Segment(f" {before} {LEADS_TO} {after}", "value")]


def _joined(pieces: list[list[Segment]], most: int | None) -> list[Segment]:
    line: list[Segment] = []
    for piece in pieces[:most]:
        line.extend([Segment("  ")] if line else [])
        line.extend(piece)
    if most is not None and len(pieces) > most:
        line.append(Segment(f"  and {len(pieces) - most:,} more", "dim"))
    return line

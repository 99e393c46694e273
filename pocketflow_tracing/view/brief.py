"""JSON values on one short line: what a step was given, gave, and changed."""

from __future__ import annotations

import json
from typing import Any

from .text import clip, counted, visible

_HUGE_BITS = 256
_UNKNOWN_LIMIT = 240


class Brief(str):
    """A value that was made brief already; `brief` gives it back as it is."""


def brief(value: Any, limit: int = 48) -> str:
    """A JSON value on one line of about `limit` characters, in time bounded by the limit.

    What does not fit is described: a long text keeps its head, a long list or dict its size.

    >>> brief({"a": 1, "b": "two"})
    '{"a": 1, "b": "two"}'
    >>> brief({"a": [0] * 100}, 20)
    '{1 key}'
    """
    if isinstance(value, Brief):
        return value
    if isinstance(value, str):
        return Brief(_quoted(clip(value, max(limit - 2, 1))))
    parts: list[str] = []
    if _write(value, parts, limit) >= 0:
        return Brief("".join(parts))
    if isinstance(value, dict):
        return Brief("{" + counted(len(value), "key") + "}")
    if isinstance(value, list):
        return Brief("[" + counted(len(value), "item") + "]")
    return Brief(clip("".join(parts), limit))


def excerpt(value: Any, limit: int) -> str:
    """Like `brief`, but a long list or dict keeps its head too, as far as `limit` goes.

    >>> excerpt(list(range(100)), 16)
    '[0, 1, 2, 3, 4, … (100 items)'
    """
    if isinstance(value, str):
        return brief(value, limit)
    parts: list[str] = []
    if _write(value, parts, limit) >= 0:
        return "".join(parts)
    head = "".join(parts)[:limit]
    if isinstance(value, (dict, list)):
        noun = "key" if isinstance(value, dict) else "item"
        return f"{head}… ({counted(len(value), noun)})"
    return head + "…"


def complete(value: Any, indent: int | None = None) -> str:
    """A JSON value with nothing left out, on one line unless it is indented."""
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):  # an integer of 5,000 digits, a stranger's type
        return excerpt(value, _UNKNOWN_LIMIT)
    return text if indent else visible(text)


def _write(value: Any, parts: list[str], room: int) -> int:
    """Append `value` to `parts` as JSON until `room` is used up; the room left, negative when cut."""
    if isinstance(value, dict) and value:
        return _write_entries("{", value.items(), "}", parts, room)
    if isinstance(value, list) and value:
        return _write_entries("[", ((None, item) for item in value), "]", parts, room)
    text = _scalar(value, room)
    parts.append(text)
    return room - len(text)


def _write_entries(opening: str, entries: Any, closing: str, parts: list[str], room: int) -> int:
    mark = opening
    for key, item in entries:
        label = "" if key is None else _scalar(str(key), room) + ": "
        parts.append(mark + label)
        room -= len(mark) + len(label)
        if room >= 0:
            room = _write(item, parts, room)
        if room < 0:
            return room
        mark = ", "
    parts.append(closing)
    return room - len(closing)


def _scalar(value: Any, room: int) -> str:
    if isinstance(value, str):
        # One character more than fits is enough to be found too long.
        return value if isinstance(value, Brief) else _quoted(value[: max(room, 0) + 1])
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int) and value.bit_length() > _HUGE_BITS:
        # Python refuses to print integers of more than 4,300 digits, and takes long before that.
        return f"<int of {value.bit_length():,} bits>"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (dict, list)):
        return "{}" if isinstance(value, dict) else "[]"
    return f"<{visible(type(value).__name__)}>"


def _quoted(text: str) -> str:
    return visible(json.dumps(text, ensure_ascii=False))

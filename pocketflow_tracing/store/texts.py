"""Whether a text stands in what was kept of a trace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..model import JSON
from .rows import to_json

if TYPE_CHECKING:
    import sqlite3

_ESCAPE = "ESCAPE '^'"
_IN_TRACE = f"SELECT body FROM traces WHERE number = ? AND (name LIKE ? {_ESCAPE} OR body LIKE ? {_ESCAPE})"
_IN_VALUES = f"""
SELECT 1 FROM spans WHERE trace = :trace AND (name LIKE :plain {_ESCAPE} OR input LIKE :json {_ESCAPE}
OR output LIKE :json {_ESCAPE} OR changes LIKE :json {_ESCAPE}) LIMIT 1
"""
_IN_BODIES = f"SELECT body FROM spans WHERE trace = ? AND body LIKE ? {_ESCAPE}"
_OF_TRACE = ("metadata", "session_id", "user_id", "tags", "variant", "release", "project", "scores")
_OF_SPAN = ("node_key", "status_message", "attributes", "error", "generation")


class Needle:
    """A text that is looked for; its capitals do not matter."""

    def __init__(self, text: str) -> None:
        self._text = text.lower()
        self._plain = _pattern(text)
        self._json = _pattern(to_json(text)[1:-1])

    def is_in(self, connection: sqlite3.Connection, trace: int) -> bool:
        """Whether it stands in a name, a value, an error or the metadata of this trace."""
        for (body,) in connection.execute(_IN_TRACE, (trace, self._plain, self._json)):
            name = connection.execute("SELECT name FROM traces WHERE number = ?", (trace,)).fetchone()[0]
            if self._text in name.lower() or self._is_said(body, _OF_TRACE):
                return True
        looked_for = {"trace": trace, "plain": self._plain, "json": self._json}
        if connection.execute(_IN_VALUES, looked_for).fetchone() is not None:
            return True
        bodies = connection.execute(_IN_BODIES, (trace, self._json))
        return any(self._is_said(body, _OF_SPAN) for (body,) in bodies)

    def _is_said(self, body: str, entries: tuple[str, ...]) -> bool:
        """Whether it is in what a body says, not only in the names of our own fields."""
        form = json.loads(body)
        return any(self._is_beneath(form.get(entry)) for entry in entries)

    def _is_beneath(self, value: JSON) -> bool:
        waiting = [value]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                waiting.extend(value.values())
            elif isinstance(value, list):
                waiting.extend(value)
            elif value is not None and self._text in str(value).lower():
                return True
        return False


def _pattern(text: str) -> str:
    for letter in "^%_":
        text = text.replace(letter, "^" + letter)
    return f"%{text}%"

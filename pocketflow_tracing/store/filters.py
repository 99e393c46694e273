"""Which traces are meant: a filter, and what it says in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import StoreError
from ..model import Status
from .rows import to_json

MAX_TEXT = 1_000


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Lets traces through that agree with everything given.

    - `name`: of the trace, in full; with `*` and `?` in it a pattern.
    - `statuses`: any of them. `Status.UNSET` stands for running; whether a trace without an end still
      runs or is `INTERRUPTED` is looked up with its process.
    - `since_ns`, `until_ns`: when it began, from and before, in nanoseconds since the epoch.
    - `session`, `user`, `tag`, `project`: in full.
    - `text`: stands somewhere in its name, metadata, values, changes or errors. Capitals do not matter
      (those beyond ASCII do).
    """

    name: str | None = None
    statuses: tuple[Status, ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    session: str | None = None
    user: str | None = None
    tag: str | None = None
    project: str | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        if self.text is not None and not 0 < len(self.text) <= MAX_TEXT:
            raise StoreError(f"a text to look for has 1 to {MAX_TEXT:,} characters, not {len(self.text):,}")

    @property
    def is_empty(self) -> bool:
        """Whether every trace passes."""
        return self == TraceFilter()

    @property
    def wants_open(self) -> bool:
        """Whether traces without an end have to be looked at one by one."""
        return any(status in self.statuses for status in _OPEN)

    def passes_open(self, status: Status) -> bool:
        """Whether a trace without an end that has turned out to be `status` passes."""
        return not self.statuses or status in self.statuses

    def where(self, indexed: bool = True) -> tuple[str, list[Any]]:
        """The table `traces t` with a condition on its rows, and the parameters of that.

        `text` is not in it, and traces without an end pass whichever of the two statuses is wanted.
        Where it is to be combined with a better condition, it must not be `indexed`.
        """
        conditions, parameters = [], []
        for condition, *values in self._conditions():
            conditions.append(condition)
            parameters += values
        # The planner knows nothing of how rare a tag is; this index answers without touching the table.
        is_rare = indexed and self.tag is not None and not self._has_index()
        index = " INDEXED BY traces_by_tags" if is_rare else ""
        return f"traces t{index} WHERE {' AND '.join(conditions) or '1'}", parameters

    def _has_index(self) -> bool:
        return any(value is not None for value in (self.name, self.session, self.user, self.project))

    def _conditions(self) -> Iterator[tuple[Any, ...]]:
        if self.name is not None:
            pattern = any(letter in self.name for letter in "*?")
            # Brackets are letters here.
            yield ("t.name GLOB ?", self.name.replace("[", "[[]")) if pattern else ("t.name = ?", self.name)
        yield from self._status_conditions()
        if self.since_ns is not None:
            yield "t.start_ns >= ?", self.since_ns
        if self.until_ns is not None:
            yield "t.start_ns < ?", self.until_ns
        for column, value in (
            ("session_id", self.session), ("user_id", self.user), ("project", self.project),
        ):  # fmt: skip
            if value is not None:
                yield f"t.{column} = ?", value
        if self.tag is not None:
            yield "t.tags IS NOT NULL AND instr(t.tags, ?)", to_json(self.tag)

    def _status_conditions(self) -> Iterator[tuple[Any, ...]]:
        ended = [status.value for status in self.statuses if status not in _OPEN]
        marks = ", ".join("?" for _ in ended)
        is_ended = f"t.status IN ({marks})" if len(ended) > 1 else "t.status = ?"
        if ended and len(ended) < len(self.statuses):
            yield f"({is_ended} OR t.end_ns IS NULL)", *ended
        elif ended:
            yield is_ended, *ended
        elif self.statuses:
            yield ("t.end_ns IS NULL",)


_OPEN = (Status.UNSET, Status.INTERRUPTED)

"""Figures over many traces: per flow, over time, per session.

All of them come from the traces' own rows, so that they take a moment for 100,000 traces. `nodes` has
the figures per node, for which the spans have to be read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..model import JSON, Status
from .completing import completed
from .filters import TraceFilter
from .texts import Needle
from .writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from typing import NamedTuple as Record

    from .store import Store
else:
    from .record import Record

_RUNS = """
SELECT t.number, t.name, t.session_id, t.status, t.start_ns, t.end_ns,
       ifnull(t.retries, 0), ifnull(t.errors, 0), ifnull(t.tokens, 0), ifnull(t.cost, 0), t.writer
"""
_STATUSES = {status.value: status for status in Status}
_WRITERS = "SELECT number, host, boot, pid, started, renewed_ns FROM writers"
_CHOICES = {
    "name": "SELECT DISTINCT name FROM traces",
    "session": "SELECT DISTINCT session_id FROM traces WHERE session_id IS NOT NULL",
    "user": "SELECT DISTINCT user_id FROM traces WHERE user_id IS NOT NULL",
    "project": "SELECT DISTINCT project FROM traces WHERE project IS NOT NULL",
    "tag": "SELECT DISTINCT value FROM traces, json_each(tags) WHERE tags IS NOT NULL",
}


@dataclass(slots=True)
class Figures:
    """What became of some runs: of a flow, a node, a session, or in a span of time.

    `by_status` counts the runs by how they ended, running ones (`Status.UNSET`) among them.
    """

    by_status: dict[Status, int] = field(default_factory=dict)
    retries: int = 0
    errors: int = 0
    tokens: int = 0
    cost: float = 0.0
    durations_ns: list[int] = field(default_factory=list)

    def add(self, status: Status, duration_ns: int | None) -> None:
        """Count one run that ended so, or goes on."""
        self.by_status[status] = self.by_status.get(status, 0) + 1
        if duration_ns is not None:
            self.durations_ns.append(duration_ns)

    @property
    def runs(self) -> int:
        """All of them, running ones too."""
        return sum(self.by_status.values())

    @property
    def running(self) -> int:
        """Those that go on."""
        return self.by_status.get(Status.UNSET, 0)

    @property
    def success_rate(self) -> float | None:
        """The share that went well of those that are over, from 0 to 1; None where none is over."""
        over = self.runs - self.running
        return self.by_status.get(Status.OK, 0) / over if over else None

    def percentile_ns(self, percent: float) -> int | None:
        """The duration that so many percent did not exceed (nearest rank); None where none has ended."""
        if not self.durations_ns:
            return None
        self.durations_ns.sort()
        rank = -(-percent * len(self.durations_ns) // 100)  # rounded up
        return self.durations_ns[max(int(rank), 1) - 1]

    def to_dict(self) -> dict[str, JSON]:
        """The JSON form: `runs`, the statuses, `success_rate`, `p50_ns`, `p95_ns` and the sums."""
        names = {status: status.value for status in Status} | {Status.UNSET: "running"}
        return {
            "runs": self.runs,
            "statuses": {names[status]: number for status, number in self.by_status.items()},
            "success_rate": self.success_rate,
            "p50_ns": self.percentile_ns(50),
            "p95_ns": self.percentile_ns(95),
            "retries": self.retries,
            "errors": self.errors,
            "tokens": self.tokens,
            "cost": self.cost,
        }


@dataclass(slots=True)
class Session:
    """The traces of one session id: from the start of the first to the last sign of the last."""

    id: str
    first_ns: int
    last_ns: int
    figures: Figures


def flows(store: Store, wanted: TraceFilter | None = None) -> dict[str, Figures]:
    """The figures of each flow, by the name of its traces; those with the most runs first."""
    found: defaultdict[str, Figures] = defaultdict(Figures)
    for run in _runs(store, wanted):
        run.count_in(found[run.name])
    return dict(sorted(found.items(), key=lambda entry: (-entry[1].runs, entry[0])))


def over_time(
    store: Store, bucket_ns: int, wanted: TraceFilter | None = None
) -> dict[str, dict[int, Figures]]:
    """The figures of each flow in each span of time: by name, then by the start of the span.

    Spans of `bucket_ns` begin at whole multiples of it since the epoch; those without a run are left
    out. A run counts where it began.
    """
    found: defaultdict[str, defaultdict[int, Figures]] = defaultdict(lambda: defaultdict(Figures))
    for run in _runs(store, wanted):
        run.count_in(found[run.name][run.start_ns - run.start_ns % bucket_ns])
    return {name: dict(sorted(spans.items())) for name, spans in sorted(found.items())}


def sessions(
    store: Store, wanted: TraceFilter | None = None, *, limit: int = 50, offset: int = 0
) -> list[Session]:
    """The sessions, the one with the latest activity first."""
    found: dict[str, Session] = {}
    for run in _runs(store, wanted, "AND t.session_id IS NOT NULL"):
        assert run.session is not None
        session = found.setdefault(run.session, Session(run.session, run.start_ns, 0, Figures()))
        session.first_ns = min(session.first_ns, run.start_ns)
        session.last_ns = max(session.last_ns, run.end_ns or run.start_ns)
        run.count_in(session.figures)
    newest = sorted(found.values(), key=lambda session: (-session.last_ns, session.id))
    return newest[offset : offset + limit]


def choices(store: Store) -> dict[str, list[str]]:
    """What there is to filter by: values of `name`, `session`, `user`, `project` and `tag`, sorted."""
    with completed(store) as connection:
        if connection is None:
            return {kind: [] for kind in _CHOICES}
        return {kind: sorted(row[0] for row in connection.execute(query)) for kind, query in _CHOICES.items()}


class Run(Record):
    """A trace, as far as figures need it."""

    number: int
    name: str
    session: str | None
    status: Status
    start_ns: int
    end_ns: int | None
    retries: int
    errors: int
    tokens: int
    cost: float

    def count_in(self, figures: Figures) -> None:
        """Add this run to some figures."""
        _, _, _, status, start_ns, end_ns, retries, errors, tokens, cost = self
        figures.add(status, None if end_ns is None else end_ns - start_ns)
        figures.retries += retries
        figures.errors += errors
        figures.tokens += tokens
        figures.cost += cost


def _runs(store: Store, wanted: TraceFilter | None, more: str = "") -> Iterator[Run]:
    with completed(store) as connection:
        if connection is not None:
            yield from runs(connection, wanted or TraceFilter(), more)


def runs(connection: sqlite3.Connection, wanted: TraceFilter, more: str = "") -> Iterator[Run]:
    """The traces that `wanted` lets through, in any order; `more` is SQL that narrows or sorts them."""
    where, parameters = wanted.where()
    needle = None if wanted.text is None else Needle(wanted.text)
    state = _States(connection)
    for *columns, writer in connection.execute(f"{_RUNS} FROM {where} {more}", parameters):
        number, status, end_ns = columns[0], columns[3], columns[5]
        columns[3] = _STATUSES[status] if end_ns is not None else state.of(writer)
        if end_ns is None and not wanted.passes_open(columns[3]):
            continue
        if needle is None or needle.is_in(connection, number):
            yield Run._make(columns)


class _States:
    """Whether what has no end runs or was interrupted, asked once for each process."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[int, Status] = {}

    def of(self, writer: int) -> Status:
        if not self._known:
            for number, *identity, renewed_ns in self._connection.execute(_WRITERS):
                gone = Writer._make(identity).is_gone(renewed_ns)
                self._known[number] = Status.INTERRUPTED if gone else Status.UNSET
        return self._known.get(writer, Status.UNSET)

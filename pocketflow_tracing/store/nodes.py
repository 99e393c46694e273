"""Figures of each node of each flow, read from the spans."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..model import Generation, Status
from ..tally import cost, tokens
from .completing import completed
from .filters import TraceFilter
from .metrics import Figures, runs

if TYPE_CHECKING:
    from typing import NamedTuple as Record

    from .store import Store
else:
    from .record import Record

_SPANS = """
SELECT span_id, parent_id, kind, name, status, start_ns, end_ns,
       CASE WHEN kind IN ('node', 'flow', 'exec', 'generation') THEN body END
FROM spans WHERE trace = ? ORDER BY start_ns, seq
"""


def nodes(
    store: Store, wanted: TraceFilter | None = None, *, limit: int | None = None
) -> dict[str, dict[str, Figures]]:
    """The figures of each node: by the name of the trace, then by its own, as they first ran.

    Every visit is a run. A node of a nested flow is named by its path, such as `Inner/Decide#2`, and
    the nested flow itself counts as a node too. `errors` counts visits that failed. `tokens` and
    `cost` are of the calls of models beneath it. `limit` stops after the newest so many traces.
    """
    found: defaultdict[str, defaultdict[str, Figures]] = defaultdict(lambda: defaultdict(Figures))
    newest = "ORDER BY t.start_ns DESC, t.number DESC"
    with completed(store) as connection:
        if connection is None:
            return {}
        for position, run in enumerate(runs(connection, wanted or TraceFilter(), newest)):
            if position == limit:
                break
            _count(connection.execute(_SPANS, (run.number,)), run.status, found[run.name])
    return {name: dict(steps) for name, steps in found.items()}


class _Place(Record):
    """Where a span stands: the path of the flow around it, and the nodes that hold it, outermost first."""

    path: str
    nodes: tuple[Figures, ...]


def _count(spans: Iterable[tuple[Any, ...]], state: Status, found: defaultdict[str, Figures]) -> None:
    """Add the spans of one trace, parents first, to the figures of its nodes."""
    places: dict[str, _Place] = {}
    for span_id, parent_id, kind, name, status, start_ns, end_ns, body in spans:
        place = places.get(parent_id, _TOP)
        form = {} if body is None else json.loads(body)
        if kind == "node" or (kind == "flow" and parent_id is not None):
            label = place.path + (form.get("node_key") or name)
            figures = found[label]
            ended = _status(status, end_ns, state)
            figures.add(ended, None if end_ns is None else end_ns - start_ns)
            figures.errors += ended is Status.ERROR
            place = _Place(f"{label}/" if kind == "flow" else place.path, (*place.nodes, figures))
        elif kind == "exec" and place.nodes:
            attempt = form.get("attributes", {}).get("attempt")
            place.nodes[-1].retries += isinstance(attempt, int) and attempt > 1
        elif form.get("generation"):
            for figures in place.nodes:
                _add_call(figures, Generation(**form["generation"]))
        places[span_id] = place


def _add_call(figures: Figures, generation: Generation) -> None:
    figures.tokens += tokens(generation)
    figures.cost += cost(generation)


def _status(status: str, end_ns: int | None, state: Status) -> Status:
    """How a span ended; one that never did in a trace that is over lost its end."""
    if end_ns is not None:
        return Status(status)
    return state if state is Status.UNSET else Status.INTERRUPTED


_TOP = _Place("", ())

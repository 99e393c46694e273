"""What the lists ask for, as JSON.

    /api/traces     one page of traces, newest first: filters (below), `limit`, `before` or `after`
                    (cursors) -> {"traces": [...], "older": cursor, "newer": cursor, "store": path}
    /api/count      how many traces the filters let through -> {"count": number}
    /api/choices    what there is to filter by -> {"name": [...], "session", "user", "project", "tag"}
    /api/sessions   the latest first: filters, `limit`, `offset` -> {"sessions": [...], "more": bool}
    /api/metrics    figures over time: filters, `bucket_ms`
                    -> {"flows": [...], "buckets": [...], "total": {...}, "bucket_ms": number}

Filters are `name`, `status`, `session`, `user`, `tag`, `project`, `text`, `since_ms` and `until_ms`
(milliseconds since the epoch). What goes wrong is {"error": "…"}: 400 for a request that makes no sense,
404 for a trace that is not there, 503 for a store that cannot be read now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.routing import Route

from ..errors import StoreError
from ..model import JSON, Status
from ..store import Store, metrics, queries
from ..store.filters import TraceFilter
from ..store.metrics import Figures
from .answers import BadRequest, answered, number

if TYPE_CHECKING:
    from ..store.queries import Summary

MAX_PAGE = 500
MAX_BUCKETS = 2_000
SEARCH_SECONDS = 2.0
"""How long one answer looks for a text; the page goes on from there."""
MS = 1_000_000


@answered
def traces(request: Request, store: Store) -> JSON:
    """One page of the list."""
    parameters = request.query_params
    try:
        page = queries.page(
            store,
            filter_of(request),
            limit=number(request, "limit", 50, 1, MAX_PAGE),
            before=parameters.get("before"),
            after=parameters.get("after"),
            seconds=SEARCH_SECONDS,
        )
    except StoreError as failure:
        raise _about(failure, parameters.get("before"), parameters.get("after")) from failure
    return {
        "traces": [listed(summary) for summary in page.summaries],
        "older": page.older,
        "newer": page.newer,
        "store": store.path,
    }


def _about(failure: StoreError, *cursors: str | None) -> Exception:
    """The failure, as the request's own where it names one of its cursors."""
    return BadRequest(str(failure)) if any(repr(cursor) in str(failure) for cursor in cursors) else failure


def listed(summary: Summary) -> dict[str, JSON]:
    """A trace as the list shows it."""
    trace, tally = summary.trace, summary.tally
    return {
        "id": trace.id,
        "name": trace.name,
        "status": trace.status.value,
        "started_ms": trace.start_ns // MS,
        "duration_ns": trace.duration_ns,
        "session": trace.session_id,
        "user": trace.user_id,
        "tags": trace.tags,
        "project": trace.project,
        "spans": trace.span_count,
        "nodes": tally.nodes,
        "retries": tally.retries,
        "errors": tally.errors,
        "warnings": tally.warnings,
        "tokens": tally.tokens,
        "cost": tally.cost,
        "complete": trace.complete,
        "dropped": trace.dropped_spans,
    }


@answered
def count(request: Request, store: Store) -> JSON:
    """How many traces there are."""
    return {"count": queries.count(store, filter_of(request))}


@answered
def choices(request: Request, store: Store) -> JSON:
    """What there is to filter by."""
    return metrics.choices(store)


@answered
def sessions(request: Request, store: Store) -> JSON:
    """The sessions, that with the latest activity first."""
    limit = number(request, "limit", 50, 1, MAX_PAGE)
    offset = number(request, "offset", 0, 0, 10**9)
    found = metrics.sessions(store, filter_of(request), limit=limit + 1, offset=offset)
    return {
        "sessions": [
            {
                "id": session.id,
                "first_ms": session.first_ns // MS,
                "last_ms": session.last_ns // MS,
                **session.figures.to_dict(),
            }
            for session in found[:limit]
        ],
        "more": len(found) > limit,
        "store": store.path,
    }


@answered
def over_time(request: Request, store: Store) -> JSON:
    """The figures of all flows, and those of the chosen ones in each span of time."""
    bucket_ms = number(request, "bucket_ms", 3_600_000, 1_000, 366 * 86_400_000)
    spans = metrics.over_time(store, bucket_ms * MS, filter_of(request))
    together: dict[int, Figures] = {}
    flows: dict[str, Figures] = {}
    for name, buckets in spans.items():
        for start_ns, figures in buckets.items():
            _add(flows.setdefault(name, Figures()), figures)
            _add(together.setdefault(start_ns, Figures()), figures)
    if len(together) > MAX_BUCKETS:
        raise BadRequest(f"that makes {len(together):,} spans of time; give a longer bucket_ms")
    total = Figures()
    for figures in flows.values():
        _add(total, figures)
    return {
        "flows": [
            {"name": name, **figures.to_dict()}
            for name, figures in sorted(flows.items(), key=lambda entry: (-entry[1].runs, entry[0]))
        ],
        "buckets": [
            {"start_ms": start_ns // MS, **figures.to_dict()}
            for start_ns, figures in sorted(together.items())
        ],
        "total": total.to_dict(),
        "bucket_ms": bucket_ms,
        "store": store.path,
    }


def _add(total: Figures, more: Figures) -> None:
    for status, runs in more.by_status.items():
        total.by_status[status] = total.by_status.get(status, 0) + runs
    total.retries += more.retries
    total.errors += more.errors
    total.tokens += more.tokens
    total.cost += more.cost
    total.durations_ns += more.durations_ns


def filter_of(request: Request) -> TraceFilter:
    """The filter that the parameters of a request say."""
    parameters = request.query_params
    try:
        statuses = tuple(Status(status) for status in parameters.getlist("status") if status)
    except ValueError as failure:
        raise BadRequest(f"status is one of {', '.join(status.value for status in Status)}") from failure
    since, until = (number(request, name, -1, 0, 10**13) for name in ("since_ms", "until_ms"))
    texts = {
        name: parameters.get(name) or None for name in ("name", "session", "user", "tag", "project", "text")
    }
    try:
        return TraceFilter(
            statuses=statuses,
            since_ns=None if since < 0 else since * MS,
            until_ns=None if until < 0 else until * MS,
            **texts,
        )
    except StoreError as failure:
        raise BadRequest(str(failure)) from failure


routes = [
    Route("/api/traces", traces, methods=["GET"]),
    Route("/api/count", count, methods=["GET"]),
    Route("/api/choices", choices, methods=["GET"]),
    Route("/api/sessions", sessions, methods=["GET"]),
    Route("/api/metrics", over_time, methods=["GET"]),
]

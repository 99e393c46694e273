"""What changes while a page is open, as server-sent events.

    /api/changes                `changed`, without data, whenever the store was written
    /api/traces/{id}/changes    `grown`: the form of the trace (see view/page/form.py), of whose spans
                                only those that are new or changed; `ended` after the last of them;
                                `gone` when the trace was deleted; `trouble` {"error": "…"} while the
                                store cannot be read

`since`, or the id of the last event, says how far the page is. Nothing is remembered here, so a page
goes on after a break or a restart of the server. What a slow reader has not taken is not made anew
meanwhile: it gets all of it with the next event.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ..errors import StoreError
from ..model import JSON, Status
from ..store.growing import Gone, GrowingTrace, Place
from ..view.page.form import page_form
from .answers import finite

if TYPE_CHECKING:
    from ..store import Store
    from .source import Source

LOOK_SECONDS = 0.2
"""How often a stream looks whether the store was written; looking takes some 20 µs."""
QUIET_SECONDS = 2.0
"""How often it looks at a trace without that: its process may be gone."""
ALIVE_SECONDS = 15.0
"""How often a stream without news says that it is there."""
SHARE = 4
"""What was sent is followed by a break of so many times as long as making it took."""


async def changes(request: Request) -> Response:
    """Tell whenever the store was written."""
    return _stream(request, StoreWatch)


async def growth(request: Request) -> Response:
    """Tell what is new in one trace until it has ended."""
    since = request.headers.get("last-event-id") or request.query_params.get("since", "")
    return _stream(request, lambda store: TraceWatch(store, request.path_params["id"], Place.of(since)))


class StoreWatch:
    """Looks whether the store was written since it looked before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version: object = None
        self.is_over = False

    def look(self) -> str:
        """The events to send now, as text; empty for none."""
        version = version_of(self._store)
        if version == self._version:
            return ""
        # Also at first: what was written while there was no stream is not known here.
        self._version = version
        return event("changed", {})


class TraceWatch:
    """Looks for what is new in a trace, for a page that has seen it up to `place`."""

    def __init__(self, store: Store, id: str, place: Place) -> None:
        self._store = store
        self._growing = GrowingTrace(store, id)
        self._place: Place | None = place
        self._seen: object = None
        self._told: str | None = None
        self._look_again = 0.0
        self.is_over = False

    def look(self) -> str:
        """The events to send now, as text; empty for none."""
        seen = version_of(self._store)
        if seen == self._seen and time.monotonic() < self._look_again:
            return ""
        self._seen, self._look_again = seen, time.monotonic() + QUIET_SECONDS
        try:
            return self._news()
        except Gone:
            self.is_over = True
            return event("gone", {})
        except StoreError as failure:
            return self._trouble(str(failure))

    def _news(self) -> str:
        spans = self._growing.catch_up()
        trace = self._growing.trace
        if self._place is not None:
            spans, self._place = self._growing.since(self._place), None
        self.is_over = trace.end_ns is not None or trace.status is Status.INTERRUPTED
        header = json.dumps(finite(page_form(trace, [])))
        told, self._told = self._told, header
        if not spans and told == header:
            return ""
        news = event("grown", page_form(trace, spans), str(self._growing.place))
        return news + event("ended", {}) if self.is_over else news

    def _trouble(self, reason: str) -> str:
        told, self._told = self._told, reason
        return "" if told == reason else event("trouble", {"error": reason})


def version_of(store: Store) -> object:
    """Another one whenever the store was written, replaced, or became unreadable in another way."""
    try:
        with store.reading() as connection:
            if connection is None:
                return None
            return store.file, connection.execute("PRAGMA data_version").fetchone()[0]
    except StoreError as failure:
        return str(failure)


def event(name: str, data: JSON, id: str | None = None) -> str:
    """One event as the browser reads it."""
    head = "" if id is None else f"id: {id}\n"
    return f"{head}event: {name}\ndata: {json.dumps(finite(data), separators=(',', ':'))}\n\n"


def _stream(request: Request, watch: Callable[[Store], StoreWatch | TraceWatch]) -> Response:
    headers = {"cache-control": "no-store"}
    if request.method == "HEAD":
        return Response(headers=headers, media_type="text/event-stream")
    source: Source = request.app.state.source
    is_ending: Callable[[], bool] = request.app.state.is_ending

    async def events() -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        with source.opened() as store:
            watching = watch(store)
            said = time.monotonic()
            while not is_ending():
                began = time.monotonic()
                news = await run_in_threadpool(watching.look)
                took = time.monotonic() - began
                if not news and began - said > ALIVE_SECONDS:
                    news = ": still here\n\n"
                if news:
                    yield news
                    said = time.monotonic()
                if watching.is_over:
                    return
                await anyio.sleep(max(LOOK_SECONDS, SHARE * took if news else 0))

    return StreamingResponse(events(), headers=headers, media_type="text/event-stream")


routes = [
    Route("/api/changes", changes, methods=["GET"]),
    Route("/api/traces/{id}/changes", growth, methods=["GET"]),
]

"""One trace, as JSON.

    /api/traces/{id}                what `page_form` of view/page/form.py gives, and "place": how far that
                                    is, for `/api/traces/{id}/changes?since=` (see `streams`)
    /api/traces/{id}/spans/{span}   the values of one span, as `values_form` gives them
    /api/traces/{id}/find           the spans whose values hold `text` -> {"spans": [ids]}

An id is "last", 32 hex digits, or the start of one id only.
"""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.routing import Route

from ..model import JSON
from ..store import Store
from ..store.growing import Gone, GrowingTrace
from ..store.rows import to_json
from ..view.page.form import page_form, values_form
from .answers import BadRequest, answered

MAX_TEXT = 1_000
_ESCAPE = "ESCAPE '^'"
_LAST = "SELECT id FROM traces ORDER BY start_ns DESC, number DESC LIMIT 1"
_BEGINNING = "SELECT id FROM traces WHERE id >= ? AND id < ? ORDER BY id LIMIT 2"
_FIND = f"""
SELECT span_id FROM spans WHERE trace = (SELECT number FROM traces WHERE id = :id)
AND (input LIKE :json {_ESCAPE} OR output LIKE :json {_ESCAPE} OR changes LIKE :json {_ESCAPE}
OR status = 'error'
     AND (json_extract(body, '$.error.stacktrace') LIKE :plain {_ESCAPE}
          OR json_extract(body, '$.error.locals') LIKE :json {_ESCAPE}))
"""


@answered
def trace(request: Request, store: Store) -> JSON:
    """A trace without its values."""
    growing = GrowingTrace(store, whole_id(store, request.path_params["id"]))
    growing.catch_up()
    return {**page_form(growing.trace), "place": str(growing.place), "store": store.path}


@answered
def values(request: Request, store: Store) -> JSON:
    """The values of one span."""
    growing = GrowingTrace(store, whole_id(store, request.path_params["id"]))
    return values_form(growing.with_values(request.path_params["span"]))


@answered
def find(request: Request, store: Store) -> JSON:
    """The spans whose values hold a text; capitals do not matter."""
    text = request.query_params.get("text", "")
    if not 0 < len(text) <= MAX_TEXT:
        raise BadRequest(f"a text to look for has 1 to {MAX_TEXT:,} characters, not {len(text):,}")
    id = whole_id(store, request.path_params["id"])
    with store.reading() as connection:
        if connection is None:
            return {"spans": []}
        looked_for = {"id": id, "json": pattern(to_json(text)[1:-1]), "plain": pattern(text)}
        found = connection.execute(_FIND, looked_for)
        return {"spans": [row[0] for row in found]}


def whole_id(store: Store, name: str) -> str:
    """The id of the trace that `name` means; raises Gone where there is none, or more than one."""
    id = name.lower()
    with store.reading() as connection:
        if connection is None:
            raise Gone(f"no trace {name[:50]!r}: there is no trace store at {store.path}")
        if id == "last":
            found = connection.execute(_LAST).fetchall()
        elif re.fullmatch("[0-9a-f]{1,32}", id):
            found = connection.execute(_BEGINNING, (id, id + "g")).fetchall()
        else:
            found = []
    if len(found) > 1:
        raise Gone(f"{name!r} stands for more than one trace")
    if not found:
        raise Gone(f"no trace {name[:50]!r} in {store.path}")
    return str(found[0][0])


def pattern(text: str) -> str:
    """What LIKE is given to find a text anywhere."""
    return "%" + re.sub("([\\^%_])", r"^\1", text) + "%"


routes = [
    Route("/api/traces/{id}", trace, methods=["GET"]),
    Route("/api/traces/{id}/spans/{span}", values, methods=["GET"]),
    Route("/api/traces/{id}/find", find, methods=["GET"]),
]

"""Two traces side by side, as JSON.

/api/compare    `a` and `b`, each an id as for a trace; where one is left out, the other is compared
                with the trace of the same flow before it -> what `Comparison.to_dict` gives
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Route

from ..model import JSON, Trace
from ..store import Store, queries
from ..store.filters import TraceFilter
from ..store.growing import Gone
from ..view.comparison import compare
from .answers import BadRequest, answered
from .traces import whole_id


@answered
def compared(request: Request, store: Store) -> JSON:
    """What the steps of two traces have in common and what not."""
    parameters = request.query_params
    given = [name for name in ("b", "a") if parameters.get(name)]
    if not given:
        raise BadRequest("name two traces: a and b")
    b = _loaded(store, parameters[given[0]])
    a = _loaded(store, parameters["a"]) if len(given) == 2 else _before(store, b)
    return compare(a, b).to_dict()


def _loaded(store: Store, name: str) -> Trace:
    return store.load(whole_id(store, name))


def _before(store: Store, trace: Trace) -> Trace:
    earlier = TraceFilter(name=trace.name, until_ns=trace.start_ns)
    for summary in queries.page(store, earlier, limit=20).summaries:
        if summary.trace.name == trace.name:
            return store.load(summary.trace.id)
    raise Gone(f"there is no earlier trace of {trace.name} to compare this one with")


routes = [Route("/api/compare", compared, methods=["GET"])]

"""The application: which address shows what.

Pages are one file, `static/index.html`, that looks at its own address: `/` (traces), `/traces/ID`,
`/sessions`, `/metrics`, `/compare?a=ID&b=ID`. `/static/` and `/view/` are what they load, `/api/` is what
they show (see `api`, `traces`, `streams` and `comparing`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..view.page.bundle import style
from .api import routes as api_routes
from .comparing import routes as comparing_routes
from .guard import Guard
from .peers import OwnPeers
from .source import Source
from .streams import routes as stream_routes
from .traces import routes as trace_routes

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HERE = Path(__file__).parent
FOLDERS = {"static": HERE / "static", "view": HERE.parent / "view" / "assets"}
"""What may be loaded, by the first part of its address."""
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
PAGES = ["/", "/traces/{id:path}", "/sessions", "/metrics", "/compare"]


def make_app(store_path: Path | str, is_ending: Callable[[], bool] = lambda: False) -> ASGIApp:
    """The dashboard over the trace store at `store_path`, which need not exist yet.

    Streams end by themselves once `is_ending()`.
    """
    routes = [
        *(Route(path, page, methods=["GET"]) for path in PAGES),
        Route("/view.css", trace_style, methods=["GET"]),
        *(Route(f"/{folder}/{{name:path}}", loaded, methods=["GET"]) for folder in FOLDERS),
        *api_routes,
        *trace_routes,
        *stream_routes,
        *comparing_routes,
    ]
    app = Starlette(routes=routes)
    app.state.source = Source(Path(store_path))
    app.state.is_ending = is_ending
    return OwnPeers(Guard(app))


async def page(request: Request) -> Response:
    """The one page; what it shows is its own script's choice."""
    return _file(request, HERE / "static" / "index.html")


async def loaded(request: Request) -> Response:
    """A script, a style sheet or a picture of ours."""
    path = files(request.url.path.split("/")[1]).get(request.path_params["name"])
    if path is None:
        return PlainTextResponse("There is no such file.\n", 404)
    return _file(request, path)


@cache
def files(folder: str) -> dict[str, Path]:
    """What a folder holds, by name: no dots, links or encodings lead to anything else."""
    top = FOLDERS[folder]
    return {path.relative_to(top).as_posix(): path for path in top.rglob("*") if path.suffix in TYPES}


async def trace_style(request: Request) -> Response:
    """All styles of the page of a trace."""
    return _content(request, style().encode(), ".css")


def _file(request: Request, path: Path) -> Response:
    return _content(request, path.read_bytes(), path.suffix)


def _content(request: Request, content: bytes, suffix: str) -> Response:
    headers = {"etag": f'"{hashlib.sha256(content).hexdigest()[:20]}"', "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=TYPES[suffix])

"""How an endpoint answers: as JSON, also where it cannot."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from ..errors import StoreError
from ..model import JSON
from ..store import Store
from ..store.growing import Gone

if TYPE_CHECKING:
    from .source import Source


class BadRequest(Exception):
    """A parameter that makes no sense; the message says which."""


def answered(answer: Callable[[Request, Store], JSON]) -> Callable[[Request], Response]:
    """An endpoint that gives what `answer` gives, or says as JSON why it cannot."""

    @functools.wraps(answer)
    def endpoint(request: Request) -> Response:
        source: Source = request.app.state.source
        try:
            with source.opened() as store:
                return as_json(answer(request, store))
        except BadRequest as failure:
            return as_json({"error": str(failure)}, 400)
        except Gone as failure:
            return as_json({"error": str(failure)}, 404)
        except StoreError as failure:
            return as_json({"error": str(failure)}, 503)

    return endpoint


def as_json(value: JSON, status: int = 200) -> Response:
    """`value` as an answer that no cache keeps."""
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(finite(value), separators=(",", ":"))
    return Response(text, status, {"cache-control": "no-store"}, "application/json")


def finite(value: Any) -> JSON:
    """`value` with texts in place of NaN and infinity, for which JSON has no words."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A parameter that is a whole number in these bounds; `default` where it is not given."""
    text = request.query_params.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 15 or not least <= int(text) <= most:
        raise BadRequest(f"{name} is a whole number from {least:,} to {most:,}; it is {text[:50]!r}")
    return int(text)

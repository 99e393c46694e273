"""What Langfuse's own API tells: which project the keys belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..otlp.client import FAILURES

if TYPE_CHECKING:
    from ..network import Endpoint
    from ..otlp.client import Client

PROJECTS_PATH = "/api/public/projects"
HEALTH_PATH = "/api/public/health"
_AUTHENTICATION = "authorization"


def project_of(client: Client, host: str, endpoint: Endpoint) -> str | None:
    """The id of the project that the keys of `endpoint` belong to; None where it does not tell."""
    try:
        answered = client.request("GET", host + PROJECTS_PATH, authorization(endpoint))
        return first_project(answered.json()) if answered.status == 200 else None
    except FAILURES:
        return None


def authorization(endpoint: Endpoint) -> dict[str, str]:
    """The header that says whose project it is."""
    return {name: value for name, value in endpoint.headers if name.lower() == _AUTHENTICATION}


def first_project(answer: Any) -> str | None:
    """The id of the project in an answer of `PROJECTS_PATH`."""
    try:
        found = answer["data"][0]["id"]
    except (KeyError, IndexError, TypeError):
        return None
    return found if isinstance(found, str) and found.isascii() and found.isprintable() else None

"""What Langfuse's own API tells: which project the keys belong to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from ..network import Endpoint

PROJECTS_PATH = "/api/public/projects"
HEALTH_PATH = "/api/public/health"
_AUTHENTICATION = "authorization"


def project_of(client: httpx.Client, host: str, endpoint: Endpoint) -> str | None:
    """The id of the project that the keys of `endpoint` belong to; None where it does not tell."""
    headers = {name: value for name, value in endpoint.headers if name.lower() == _AUTHENTICATION}
    try:
        answered = client.get(host + PROJECTS_PATH, headers=headers)
        return first_project(answered.json()) if answered.status_code == 200 else None
    except (httpx.HTTPError, OSError, json.JSONDecodeError, UnicodeDecodeError):
        return None


def first_project(answer: Any) -> str | None:
    """The id of the project in an answer of `PROJECTS_PATH`."""
    try:
        found = answer["data"][0]["id"]
    except (KeyError, IndexError, TypeError):
        return None
    return found if isinstance(found, str) and found.isascii() and found.isprintable() else None

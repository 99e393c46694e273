"""Who may ask, and what every answer forbids the browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OWN_HOST = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]


class Guard:
    """Answers only requests that read, and that mean this machine; around the whole application.

    A page from elsewhere can have its own name lead to 127.0.0.1 (DNS rebinding) and would then read
    the traces as if they were its own; but the Host header keeps that name. Which port it says does
    not matter: behind a tunnel it is another one than ours.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        refused = _refusal(scope)
        if refused is None:
            await self._app(scope, receive, send_guarded)
            return
        status, reason = refused
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        if status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        await send_guarded({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": reason.encode()})


def _refusal(scope: Scope) -> tuple[int, str] | None:
    headers = scope["headers"]
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 or not _OWN_HOST.fullmatch(hosts[0]):
        return 421, "This is the dashboard of one machine: ask for it as 127.0.0.1 or localhost.\n"
    if scope["method"] not in ("GET", "HEAD"):
        return 405, "Nothing can be changed here.\n"
    # Links from anywhere may lead here; pages from anywhere may not fetch from here.
    fetched = dict(headers)
    if fetched.get(b"sec-fetch-site") in (b"cross-site", b"same-site") and not (
        fetched.get(b"sec-fetch-mode") == b"navigate" and fetched.get(b"sec-fetch-dest") == b"document"
    ):
        return 403, "Another site asked for this.\n"
    return None

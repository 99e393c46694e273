"""Whose process is at the other end of a connection.

The store can be read by its owner alone, and so can the dashboard: every user of a machine reaches
its loopback. Linux says to whom the socket at the other end belongs; elsewhere this lets everybody in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LOOPBACK = f"{int.from_bytes(bytes((127, 0, 0, 1)), sys.byteorder):08X}"
"""127.0.0.1 as the tables have it, where it is also the end of the same address in IPv6."""
_REFUSED = b"The traces belong to another user of this machine.\n"


class OwnPeers:
    """Answers only processes of the user who started the dashboard, and root's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request of an own process on."""
        if scope["type"] == "http" and not is_own(scope.get("client"), scope.get("server")):
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSED})
            return
        await self._app(scope, receive, send)


def is_own(client: tuple[str, int] | None, server: tuple[str, int | None] | None) -> bool:
    """Whether the process that holds the socket `client`, connected to `server`, may read the store.

    A socket that is in no table is closed already, and nobody reads the answer.
    """
    if client is None or server is None or server[1] is None:
        return True
    ends = (f"{_LOOPBACK}:{client[1]:04X}", f"{_LOOPBACK}:{server[1]:04X}")
    owners = [
        int(uid) for mine, other, uid in _sockets() if mine.endswith(ends[0]) and other.endswith(ends[1])
    ]
    return all(uid in (0, os.geteuid()) for uid in owners)


def _sockets() -> Iterator[tuple[str, str, str]]:
    """Own address, other address and owner of each TCP socket."""
    for table in TABLES:
        try:
            with open(table, encoding="ascii") as file:
                next(file, None)
                for line in file:
                    columns = line.split()
                    yield columns[1], columns[2], columns[7]
        except OSError:
            continue

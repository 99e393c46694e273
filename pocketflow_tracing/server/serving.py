"""Opening the port and keeping the dashboard up until Ctrl-C."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..errors import TracingError

HOST = "127.0.0.1"
DEFAULT_PORT = 8427
INSTALL = 'pip install "pocketflow-tracing[ui]"'
GRACE_SECONDS = 2


def serve(store_path: Path, port: int, started: Callable[[str], None]) -> None:
    """Serve the dashboard until Ctrl-C; port 0 takes a free one.

    `started` is told the address once requests are answered. Raises TracingError where the port is
    taken or something is not installed.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as failure:
        raise TracingError(f"the dashboard needs {failure.name}: {INSTALL}") from failure

    from .app import make_app

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started(f"http://{HOST}:{opened.getsockname()[1]}/")

    with listening(port) as opened, suppress(KeyboardInterrupt):
        config = uvicorn.Config(
            make_app(store_path, is_ending=lambda: server.should_exit),
            log_level="error",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = Server(config)
        server.run(sockets=[opened])


def listening(port: int) -> socket.socket:
    """A socket on this machine's loopback; raises TracingError that says what to do where it is taken."""
    # Only where the protocol is named does asyncio send small parts at once; else each answer waits 40 ms.
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Connections of a dashboard that just ended do not keep the port.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((HOST, port))
        opened.listen(128)
    except OSError as failure:
        opened.close()
        if failure.errno == errno.EADDRINUSE:
            reason = f"port {port} is taken; stop what listens there, or name another with --port"
        else:
            reason = f"port {port} cannot be opened: {failure.strerror}; name another with --port"
        raise TracingError(reason) from failure
    return opened

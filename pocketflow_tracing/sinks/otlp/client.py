"""HTTP for our own requests, off the program's threads. Its library is imported with it, so late."""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import urllib3

from ..network import version

CONNECT_SECONDS = 5.0
LEAST_SECONDS = 0.001
MAX_ANSWER_BYTES = 64 * 1024
FAILURES = (urllib3.exceptions.HTTPError, OSError, ValueError, ImportError)
"""What a request may raise: no connection, no certificate, a proxy that cannot be used, …."""


class Answered(NamedTuple):
    """What a server said: the beginning of it, if that is very long."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The content, where it is JSON; else ValueError."""
        return json.loads(self.content)


class Client:
    """Requests to one server, over a connection that is kept.

    Proxies and certificates are those that the environment names: HTTPS_PROXY, ALL_PROXY, NO_PROXY,
    SSL_CERT_FILE, SSL_CERT_DIR.
    """

    def __init__(self, url: str, timeout_seconds: float, certificate: str | None = None) -> None:
        self._url = url
        self._seconds = timeout_seconds
        self._certificate = certificate
        self.until = float("inf")
        """When every request has to be over, whatever its time limit (monotonic)."""
        self._pools: urllib3.PoolManager | None = None

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answered:
        """What the server answers, never following it elsewhere; raises one of FAILURES."""
        if self._pools is None:
            self._pools = _pools(self._url, self._certificate)
        left, seconds = max(LEAST_SECONDS, self.until - time.monotonic()), self._seconds
        with _unseen():
            answered = self._pools.request(
                method, url, body=body, headers={"User-Agent": f"pocketflow-tracing/{version()}", **headers},
                retries=False, redirect=False, preload_content=False,
                timeout=urllib3.Timeout(left, connect=min(seconds, CONNECT_SECONDS), read=seconds),
            )  # fmt: skip
            try:
                content = self._read(answered)
            except BaseException:
                answered.close()
                raise
            answered.release_conn()
        return Answered(answered.status, answered.headers, content)

    def _read(self, answered: urllib3.BaseHTTPResponse) -> bytes:
        """The beginning of the answer; one that trickles in is not waited for for ever."""
        until = min(time.monotonic() + self._seconds, self.until)
        content = b""
        while piece := answered.read1(MAX_ANSWER_BYTES):
            content += piece
            if len(content) > MAX_ANSWER_BYTES:
                answered.close()
                break
            if time.monotonic() > until:
                raise urllib3.exceptions.TimeoutError("the answer takes too long")
        return content

    def close(self) -> None:
        """Close the connections."""
        pools, self._pools = self._pools, None
        if pools is not None:
            pools.clear()


def _pools(url: str, certificate: str | None) -> urllib3.PoolManager:
    # Loading the authorities takes milliseconds that plain HTTP has no use for.
    context = _trusting(certificate) if url.startswith("https:") else None
    proxy = proxy_for(url)
    if proxy is None:
        return urllib3.PoolManager(num_pools=2, ssl_context=context)
    parts = urlsplit(proxy)
    if parts.scheme.startswith("socks"):
        from urllib3.contrib.socks import SOCKSProxyManager

        return SOCKSProxyManager(proxy, ssl_context=context)
    user = None if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    headers = urllib3.make_headers(proxy_basic_auth=user) if user else None
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return urllib3.ProxyManager(address, num_pools=2, proxy_headers=headers, ssl_context=context)


def _trusting(certificate: str | None) -> ssl.SSLContext:
    named = certificate or os.environ.get("SSL_CERT_FILE")
    folder = os.environ.get("SSL_CERT_DIR")
    if named:
        return ssl.create_default_context(cafile=named)
    if folder:
        return ssl.create_default_context(capath=folder)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def proxy_for(url: str) -> str | None:
    """The proxy that requests to `url` go through, with its password; None for none."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    if not found or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return found if "://" in found else f"http://{found}"


@contextmanager
def _unseen() -> Iterator[None]:
    """See that instrumentation of HTTP clients makes no spans of our requests, as exporters do."""
    context: Any = sys.modules.get("opentelemetry.context")
    if context is None:
        yield
        return
    key = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")
    token = context.attach(context.set_value(key, True, context.set_value("suppress_instrumentation", True)))
    try:
        yield
    finally:
        context.detach(token)

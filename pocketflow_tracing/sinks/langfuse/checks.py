"""Finding out why nothing arrives: each question to the server, and what its answer means."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from ..network import NetworkSink
from ..otlp.client import FAILURES, Answered, proxy_for
from ..otlp.sending import Sender, Verdict, cause_of
from .api import HEALTH_PATH, PROJECTS_PATH, authorization, first_project

OLDEST = (3, 22)
"""The first server that takes OTLP."""
MAX_SKEW_SECONDS = 60.0


class Check(NamedTuple):
    """One thing that was looked at: whether it is right, and what to do where it is not."""

    is_right: bool
    what: str
    advice: str = ""


def checks(sink: NetworkSink) -> Iterator[Check]:
    """Look at everything between here and the server's store, until something is wrong."""
    sender = Sender(sink.endpoint)
    try:
        for check in _all(sink, sender):
            yield check
            if not check.is_right:
                return
    finally:
        sender.close()


def _all(sink: NetworkSink, sender: Sender) -> Iterator[Check]:
    host = sink.destination.host
    proxy = proxy_for(host)
    proxy = proxy and proxy.rpartition("@")[2].rpartition("://")[2]
    began = time.time()
    try:
        health = sender.client.request("GET", host + HEALTH_PATH, {})
    except FAILURES as failure:
        yield Check(False, f"{host} cannot be reached: {cause_of(failure)}", _advice(failure, proxy))
        return
    through = f" through the proxy {proxy}" if proxy else ""
    if health.status >= 500:
        yield Check(
            False,
            f"{host} answers{through} with an error of its own (HTTP {health.status})",
            "try again later, or look at the log of the server",
        )
        return
    version = _version(health)
    if version is None:
        yield Check(
            False,
            f"{host} answers{through}, but not as Langfuse does (HTTP {health.status})",
            "a proxy or login page may stand in between, or LANGFUSE_BASE_URL names something else",
        )
        return
    yield Check(True, f"{host} is reachable{through}: Langfuse {version}")
    if _numbers(version) < OLDEST:
        yield Check(
            False,
            f"Langfuse {version} is too old to take OTLP",
            f"upgrade the server to {'.'.join(map(str, OLDEST))} or later",
        )
        return
    yield _clock(health, began, time.time())
    yield from _keys(sink, sender)
    answer = sender.send(b"")
    yield Check(
        answer.verdict is Verdict.ACCEPTED,
        f"traces are accepted at {sink.endpoint.url}"
        if answer.verdict is Verdict.ACCEPTED
        else f"traces are not accepted at {sink.endpoint.url}: {answer.reason}",
        "the server may be too old, or a proxy in between does not let it through",
    )


def _keys(sink: NetworkSink, sender: Sender) -> Iterator[Check]:
    url = sink.destination.host + PROJECTS_PATH
    try:
        answered = sender.client.request("GET", url, authorization(sink.endpoint))
        found = answered.json() if answered.status == 200 else None
    except FAILURES as failure:
        yield Check(False, f"the project cannot be asked for: {cause_of(failure)}", "try again")
        return
    project = first_project(found)
    if answered.status in (401, 403):
        yield Check(
            False,
            f"the keys are not accepted (HTTP {answered.status}): {sink.destination.account}",
            "take both keys from the settings of one project, on this very server",
        )
    elif project is None:
        yield Check(False, f"the server does not tell the project (HTTP {answered.status})", "try again")
    else:
        yield Check(True, f"the keys belong to project {project}")


def _clock(answered: Answered, began: float, ended: float) -> Check:
    try:
        there = parsedate_to_datetime(answered.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return Check(True, "the server does not tell its time")
    skew = max(began - there - 1, there - ended, 0.0)  # the header has whole seconds
    if skew > MAX_SKEW_SECONDS:
        return Check(
            False,
            f"this clock and the server's are {skew:,.0f} s apart",
            "set the clock: traces land outside the time range that the dashboard shows",
        )
    return Check(True, "this clock agrees with the server's")


def _advice(failure: BaseException, proxy: str | None) -> str:
    if proxy:
        return f"requests go through the proxy {proxy} (HTTPS_PROXY); NO_PROXY takes hosts out"
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "a certificate is not trusted: name your own authority in SSL_CERT_FILE"
        cause = cause.__cause__ or cause.__context__
    return "is LANGFUSE_BASE_URL right, and is the server up?"


def _version(answered: Answered) -> str | None:
    try:
        version = answered.json()["version"]
    except (ValueError, KeyError, TypeError):
        return None
    return version if isinstance(version, str) and version[:1].isdigit() and len(version) < 40 else None


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [part for part in version.split("-")[0].split(".")[:2] if part.isdigit()]
    return tuple(int(number) for number in numbers)

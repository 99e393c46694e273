"""One request over HTTP, and what its answer means.

Its libraries are imported with it, and it is imported when there is something to send.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import NamedTuple

import urllib3
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ...values import Policy
from ..network import Endpoint
from .client import FAILURES, Answered, Client

MAX_WAIT_SECONDS = 600.0
"""A server that asks for more patience than this is asked again after it."""


class Verdict(Enum):
    """What becomes of the spans of a request."""

    ACCEPTED = "accepted"
    MALFORMED = "malformed"
    """Something in the request is wrong: the rest of it may be fine."""
    TOO_LARGE = "too large"
    REFUSED = "refused"
    """As things are set up, nothing will be accepted; trying again at once is of no use."""
    LATER = "later"


class Answer(NamedTuple):
    """What came of a request, with a reason for people."""

    verdict: Verdict
    reason: str = ""
    wait_seconds: float | None = None
    """How long the server asks to be left alone."""
    rejected: int = 0
    """How many spans of an accepted request the server says it dropped."""


class Sender:
    """Sends requests to one endpoint over a connection that is kept."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._headers = {
            **dict(endpoint.headers),
            "Content-Type": "application/x-protobuf",
            **({"Content-Encoding": "gzip"} if endpoint.compresses else {}),
        }
        self.client = Client(endpoint.url, endpoint.timeout_seconds, endpoint.certificate)

    def send(self, body: bytes) -> Answer:
        """Post `body`; whatever goes wrong is an answer, too."""
        try:
            return answer_of(self.client.request("POST", self._endpoint.url, self._headers, body))
        except urllib3.exceptions.NewConnectionError as failure:  # a timeout too, to urllib3
            return Answer(Verdict.LATER, cause_of(failure))
        except urllib3.exceptions.TimeoutError:
            if time.monotonic() >= self.client.until:
                return Answer(Verdict.LATER, "no answer before the process ended")
            return Answer(Verdict.LATER, f"no answer within {self._endpoint.timeout_seconds:g} s")
        except FAILURES as failure:
            return Answer(Verdict.LATER, cause_of(failure))

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def answer_of(answered: Answered) -> Answer:
    """What the server's answer means."""
    status, content = answered.status, answered.content
    reason = f"HTTP {status}"
    if status in (200, 201, 202, 204, 207):
        if "text/html" in answered.headers.get("content-type", ""):
            # A login page or a captive portal says 200 to everything.
            return Answer(Verdict.LATER, f"{reason} with a web page: something in between answers")
        return _accepted(answered.headers, content)
    if status in (400, 422):
        return Answer(Verdict.MALFORMED, f"{reason}: {_told(content)}")
    if status == 413:
        return Answer(Verdict.TOO_LARGE, reason)
    if status in (401, 403):
        return Answer(Verdict.REFUSED, f"{reason}: the keys are not accepted")
    if status in (408, 425, 429) or status >= 500:
        return Answer(Verdict.LATER, reason, wait_seconds(answered.headers.get("retry-after")))
    if status in (404, 405):
        return Answer(Verdict.REFUSED, f"{reason}: the server does not take OTLP there; it may be too old")
    if 300 <= status < 400:
        elsewhere = _told(answered.headers.get("location", "").encode())
        return Answer(Verdict.REFUSED, f"{reason}: it redirects to {elsewhere}; name that address itself")
    return Answer(Verdict.REFUSED, f"{reason}: {_told(content)}")


def _accepted(headers: Mapping[str, str], content: bytes) -> Answer:
    if not content or "protobuf" not in headers.get("content-type", ""):
        return Answer(Verdict.ACCEPTED)
    try:
        partial = ExportTraceServiceResponse.FromString(content).partial_success
    except DecodeError:
        return Answer(Verdict.ACCEPTED)
    return Answer(Verdict.ACCEPTED, rejected=partial.rejected_spans)


def _told(content: bytes) -> str:
    """What a server says in a few words; some repeat the headers of a request, keys and all."""
    text = " ".join(content[:4096].decode("utf-8", "replace").split())
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return Policy().masked(text, 200)[0] or "no reason given"


def wait_seconds(header: str | None) -> float | None:
    """How long a Retry-After header asks to wait, in seconds or until a date; None for none."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), MAX_WAIT_SECONDS)


def cause_of(failure: BaseException) -> str:
    """Why a connection failed, in the words of whoever knew first."""
    cause: BaseException = failure
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    return f"{type(failure).__name__}: {str(cause) or str(failure) or type(cause).__name__}"

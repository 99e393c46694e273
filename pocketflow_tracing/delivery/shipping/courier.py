"""Brings to one destination what waits for it, and knows when it is no use to try."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ...errors import StoreError, log, tell_once
from ...live import new_id
from .batches import BATCH_SPANS, Batch, batches
from .pace import Pace

if TYPE_CHECKING:
    from ...sinks.network import NetworkSink
    from ...sinks.otlp.encoding import Envelope, Piece
    from ...sinks.otlp.sending import Answer, Sender
    from ...store.outbox import Claim, Outbox

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
REFUSED_WAIT_SECONDS = 600.0
HOPELESS_FAILURES = 2
"""So many in a row, and whoever waits need not wait longer."""
RENEW_SECONDS = 10.0
MOST_URLS = 100
GIVE_UP_SECONDS = 0.05
"""So long before the end of the process comes to its own, the last request is given up."""


class Courier:
    """Sends what outboxes hold for `sink`, over one client that it makes when there is something to send."""

    def __init__(self, sink: NetworkSink) -> None:
        self.sink = sink
        self.debug = False
        self.wants_urls = False
        """Whether somebody wants to know where the traces can be looked at."""
        self.failures = 0
        """How often sending failed since it last went well."""
        self.attempts = 0
        """How many requests were begun."""
        self._failed_attempt = 0
        self.attempts_failed = 0
        """How often sending failed at all."""
        self.is_refused = False
        """Whether the destination takes nothing as things are set up."""
        self.not_before = 0.0
        """When it is time to try again (monotonic)."""
        self.until = float("inf")
        """When it gives up, since the process ends (monotonic)."""
        self._failed_before_end = 0
        self._asked_until = self._failed_at = 0.0
        self.is_sending = False
        self.sent_traces = self.sent_spans = self.rejected_spans = 0
        self.reason = ""
        """Why it failed last."""
        self.urls: dict[str, str] = {}
        """Where the traces that were sent last can be looked at, by id."""
        self._sender: Sender | None = None
        self._envelope: Envelope | None = None
        self._most_spans = BATCH_SPANS
        self._pace = Pace()
        self._renewed_at = 0.0
        self._store_failures = 0
        self._unnoted: list[tuple[Outbox, list[Claim], int, int]] = []
        """What was settled and could not be written down, as on a full disk: it is not sent again."""

    def ship(
        self,
        outbox: Outbox,
        goes_on: Callable[[], bool],
        *,
        only: Sequence[str] | None = None,
        thorough: bool = False,
    ) -> bool:
        """Send what waits until nothing is left, something fails, or it shall not go on; whether it failed.

        Raises StoreError where the outbox cannot be read or written.
        """
        self._note(outbox)
        while goes_on():
            claims = outbox.claim(only=only, thorough=thorough)
            if not claims:
                self._store_failures = 0
                return True
            thorough = False
            if not self._ship_claims(outbox, claims, goes_on):
                return False
        return True

    def _ship_claims(self, outbox: Outbox, claims: list[Claim], goes_on: Callable[[], bool]) -> bool:
        """Send what `claims` hold; whether nothing failed. What is not sent is given back."""
        left = {claim.trace: claim for claim in claims}
        failure: str | None = None
        tried: list[Claim] = []
        self._renewed_at = time.monotonic()
        try:
            envelope = self._around()
            for batch in batches(outbox, claims, self.sink, envelope, self._pace, lambda: self._most_spans):
                tried = batch.claims
                failure = self._send(outbox, batch, list(left.values()))
                if failure is not None:
                    break
                for claim in tried:
                    if claim.sent >= claim.spans:
                        del left[claim.trace]
                if not goes_on():
                    break
        finally:
            behind = {claim.trace for claim in tried} if failure is not None else set()
            outbox.release([claim for trace, claim in left.items() if trace in behind], failure)
            outbox.release([claim for trace, claim in left.items() if trace not in behind])
        return failure is None

    def _send(self, outbox: Outbox, batch: Batch, held: list[Claim]) -> str | None:
        """Send one batch; None where it is settled, else why not."""
        if not batch.spans:
            self._confirm(outbox, batch, 0, batch.unencodable)
            return None
        from ...sinks.otlp.sending import Verdict
        from ...sinks.otlp.splitting import deliver

        def send(pieces: Sequence[Piece]) -> Answer:
            if time.monotonic() > self._renewed_at + RENEW_SECONDS:
                outbox.renew(held)
                self._renewed_at = time.monotonic()
            return self._post(pieces)

        outcome = deliver(batch.pieces, send)
        if outcome.largest is not None:
            self._most_spans = max(1, outcome.largest)
        if outcome.answer.verdict is not Verdict.ACCEPTED:
            self._failed(outcome.answer, refused=outcome.answer.verdict is Verdict.REFUSED)
            return self.reason
        rejected = outcome.rejected + batch.unencodable
        self._succeeded(batch, outcome.accepted, rejected)
        self._confirm(outbox, batch, outcome.accepted, rejected)
        return None

    def _confirm(self, outbox: Outbox, batch: Batch, accepted: int, rejected: int) -> None:
        self._unnoted.append((outbox, batch.claims, accepted, rejected))
        self._note(outbox)

    def _note(self, outbox: Outbox) -> None:
        """Write down what is settled in the place of `outbox`; StoreError where that fails still."""
        for entry in [entry for entry in self._unnoted if entry[0].store is outbox.store]:
            outbox.confirm(*entry[1:])
            self._unnoted.remove(entry)

    def _around(self) -> Envelope:
        from ...sinks.otlp.encoding import Envelope

        if self._envelope is None:
            self._envelope = Envelope(self.sink.scope, self.sink.resource())
        return self._envelope

    def _post(self, pieces: Sequence[Piece]) -> Answer:
        from ...sinks.otlp.encoding import body_of
        from ...sinks.otlp.sending import Sender

        if self._sender is None:
            self._sender = Sender(self.sink.endpoint)
        body = body_of(pieces, compresses=self.sink.endpoint.compresses, pace=self._pace)
        # A request that is given up in time is noted as failed, and what it held is free at once.
        self._sender.client.until = self.until - GIVE_UP_SECONDS
        self.attempts += 1
        self.is_sending = True
        try:
            return self._sender.send(body)
        finally:
            self.is_sending = False

    def test(self) -> str | None:
        """Send nothing; None where that is accepted, else why not."""
        from ...sinks.otlp.sending import Verdict

        answer = self._post(())
        return None if answer.verdict is Verdict.ACCEPTED else answer.reason

    # How it went.

    def _succeeded(self, batch: Batch, accepted: int, rejected: int) -> None:
        self.failures, self.is_refused, self.not_before = 0, False, 0.0
        self.sent_spans += accepted
        self.rejected_spans += rejected
        if rejected:
            tell_once(
                f"rejected:{self.sink.destination}",
                f"[TRACING] {self.sink.name} did not take {rejected} of {batch.spans} spans; "
                "the others arrived",
            )
        for claim in batch.claims:
            if claim.sent >= claim.spans:
                self.sent_traces += 1
                self._arrived(batch.traces[claim.trace].id, batch.traces[claim.trace].trace_id)

    def _arrived(self, id: str, trace_id: str) -> None:
        if self.debug:
            log.debug("[TRACING] Trace flushed to %s", self.sink.name)
        if not (self.wants_urls or self.debug) or self._sender is None:
            return
        url = self.sink.trace_url(self._sender.client, trace_id)
        if url is None:
            return
        self.urls[id] = url
        if len(self.urls) > MOST_URLS:
            del self.urls[next(iter(self.urls))]
        if self.debug:
            log.debug("[TRACING] Trace URL: %s", url)

    def _failed(self, answer: Answer, *, refused: bool) -> None:
        self.reason = answer.reason
        self.failures += 1
        self.attempts_failed += 1
        self._failed_attempt = self.attempts
        self.is_refused = refused
        wait = scattered(REFUSED_WAIT_SECONDS if refused else waiting_after(self.failures))
        now = self._failed_at = time.monotonic()
        self._asked_until = now + (answer.wait_seconds or 0.0)
        self.not_before = max(now + wait, self._asked_until)
        what = "refuses what is sent" if refused else "does not take traces now"
        then = "; set that right, then: pocketflow-tracing push" if refused else ", and sent later"
        tell_once(
            f"shipping:{self.sink.destination}:{refused}",
            f"[TRACING] {self.sink.name} at {self.sink.destination.host} {what} ({self.reason}); "
            f"everything is kept{then}",
        )

    def not_stored(self, failure: StoreError) -> None:
        """Note that the store failed: it is looked at again later."""
        self._store_failures += 1
        self.not_before = time.monotonic() + scattered(waiting_after(self._store_failures))
        log.debug("cannot send from the store: %s", failure)

    def hurry(self) -> None:
        """Try again now, unless that is of no use, or the server asked for patience."""
        if not self.is_refused:
            self.not_before = self._asked_until

    def finish_by(self, until: float) -> None:
        """The process ends: `until` then, requests come to their end one way or the other."""
        self.until = until
        self._failed_before_end = self.attempts_failed

    def may_succeed(self) -> bool:
        """Whether it is worth waiting for, after `finish_by`: nothing went wrong since, and there is time."""
        is_untroubled = self.attempts_failed == self._failed_before_end and not self.is_refused
        return is_untroubled and max(time.monotonic(), self.not_before) < self.until

    def gave_up(self, attempts: int, deadline: float) -> bool:
        """Whether one of the attempts after the first `attempts` failed, like the one before it.

        A single failure may be chance. A server that says when to come again is worth waiting for,
        if that is before `deadline`.
        """
        if self.is_refused or self._asked_until >= deadline:
            return True
        has_failed = self.failures >= HOPELESS_FAILURES and self._failed_attempt > attempts
        return has_failed and not self._failed_at < self._asked_until

    def close(self) -> None:
        """Close the connections."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()


def waiting_after(failures: int) -> float:
    """How many seconds to wait after so many failures in a row."""
    return min(FIRST_WAIT_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_WAIT_SECONDS)


def scattered(seconds: float) -> float:
    """About as long: many processes that failed together shall not come back together."""
    return seconds * (0.75 + new_id(16) / 2**17)

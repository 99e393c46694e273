"""One courier, one strict server: batches, splitting, retries, refusals."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from langfuse_rules import attributes_of
from langfuse_support import keep, ship, sink_of
from otlp_server_support import Server
from store_support import made_trace

from pocketflow_tracing.delivery.shipping.batches import BATCH_BYTES, BATCH_SPANS
from pocketflow_tracing.delivery.shipping.courier import Courier
from pocketflow_tracing.errors import StoreError
from pocketflow_tracing.sinks.otlp.sending import Sender, Verdict, wait_seconds
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.outbox import Outbox


def raising(failure: Exception) -> Any:
    """A method that fails."""

    def fail(*arguments: Any) -> None:
        raise failure

    return fail


def test_everything_arrives_once(server: Server, store: Store, courier: Courier) -> None:
    """Traces of all sizes, in few requests, headers and ids as Langfuse wants them."""
    for number, spans in enumerate((1, 3, 500, 2_500), 1):
        keep(store, made_trace(number, spans=spans), courier.sink.destination)
    assert ship(courier, store) == 0
    assert len(server.rows) == 3_004
    assert set(server.arrivals.values()) == {1}
    assert len(server.requests) <= 4
    assert server.scopes == {"langfuse-sdk.pocketflow"}
    assert (courier.sent_traces, courier.sent_spans) == (4, 3_004)
    server.check_sound()


def test_a_trace_that_fills_its_requests_exactly_arrives_once(
    server: Server, store: Store, courier: Courier
) -> None:
    """The last span of a trace may be the last that fits."""
    for number in range(2):
        keep(store, made_trace(number, spans=BATCH_SPANS), courier.sink.destination)
    assert ship(courier, store) == 0
    assert [request.spans for request in server.requests] == [BATCH_SPANS] * 2
    assert (courier.sent_traces, set(server.arrivals.values())) == (2, {1})


def test_a_request_holds_about_a_megabyte(server: Server, store: Store, courier: Courier) -> None:
    """Before it is compressed, and one span more or less; however many spans that makes."""
    trace, value = made_trace(1, spans=35), "x" * 100_000
    for span in trace.spans:
        span.input = value
    keep(store, trace, courier.sink.destination)
    plain = Courier(replace(courier.sink, endpoint=replace(courier.sink.endpoint, compresses=False)))
    assert ship(plain, store) == 0
    plain.close()
    *full, last = [request.size for request in server.requests]
    assert len(full) == 3 and last > 0
    assert all(BATCH_BYTES <= size < BATCH_BYTES + len(value) + 20_000 for size in full)
    server.check_sound()


def test_a_malformed_span_costs_only_itself(server: Server, store: Store, courier: Courier) -> None:
    """The server answers 400 to a whole batch: the rest of it arrives all the same."""
    keep(store, made_trace(1, spans=1_000), courier.sink.destination)
    server.is_malformed = lambda span: span.name in ("Node77", "Node640")
    assert ship(courier, store) == 0
    assert len(server.rows) == 998
    assert set(server.arrivals.values()) == {1}
    assert (courier.sent_spans, courier.rejected_spans) == (998, 2)


def test_a_server_that_calls_everything_malformed_loses_nothing(
    server: Server, store: Store, courier: Courier
) -> None:
    """Where even an empty request is refused, the server is at fault and not the spans."""
    keep(store, made_trace(1, spans=10), courier.sink.destination)
    server.always = 400
    assert ship(courier, store) == 10
    assert len(server.requests) == 2
    assert courier.is_refused
    server.always = None
    assert ship(courier, store) == 0
    assert len(server.rows) == 10


def test_a_request_too_large_is_halved(server: Server, store: Store, courier: Courier) -> None:
    """413 halves the batch until it fits, and what comes after is small from the beginning."""
    keep(store, made_trace(1, spans=2_000), courier.sink.destination)
    server.max_bytes = 9_000
    assert ship(courier, store) == 0
    assert len(server.rows) == 2_000
    refused = [request.status for request in server.requests].count(413)
    keep(store, made_trace(2, spans=200), courier.sink.destination)
    assert ship(courier, store) == 0
    assert [request.status for request in server.requests].count(413) == refused
    server.check_sound()


def test_a_span_too_large_by_itself_is_shortened(server: Server, store: Store, courier: Courier) -> None:
    """Rather a clipped prompt than none."""
    import random

    trace = made_trace(1, spans=3)
    trace.spans[1].input = "".join(random.Random(1).choices("abcdefghijklmnop", k=60_000))
    keep(store, trace, courier.sink.destination)
    server.max_bytes = 8_000
    assert ship(courier, store) == 0
    assert len(server.rows) == 3
    assert json.loads(server.named("Node1")["langfuse.observation.input"]).endswith("more")
    assert "more" not in server.named("Node2")["langfuse.observation.input"]
    server.check_sound()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_what_is_not_taken_now_is_sent_again(
    status: int, server: Server, store: Store, courier: Courier
) -> None:
    """Nothing is lost, and the same spans come with the same ids and times."""
    keep(store, made_trace(1, spans=20), courier.sink.destination)
    server.answers.append(status)
    assert ship(courier, store) == 20
    assert courier.failures == 1 and courier.not_before > time.monotonic()
    assert ship(courier, store) == 0
    assert (len(server.rows), courier.failures) == (20, 0)


def test_a_cut_connection_is_tried_again(server: Server, store: Store, courier: Courier) -> None:
    """The answer got lost: the spans go again, and stand once."""
    keep(store, made_trace(1, spans=20), courier.sink.destination)
    server.cuts = 1
    assert ship(courier, store) == 20
    assert ship(courier, store) == 0
    server.check_sound()


def test_what_arrived_is_not_sent_again_while_the_store_cannot_note_it(
    server: Server, store: Store, courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs no second transfer: what is settled is remembered, and noted when there is room."""
    keep(store, made_trace(1, spans=20), courier.sink.destination)
    with monkeypatch.context() as full:
        full.setattr(Outbox, "confirm", raising(StoreError("database or disk is full")))
        for _ in range(3):
            with pytest.raises(StoreError):
                ship(courier, store)
    assert (len(server.requests), ship(courier, store)) == (1, 0)
    assert len(server.requests) == 1
    assert set(server.arrivals.values()) == {1}


def test_the_wait_for_a_store_grows_too(courier: Courier) -> None:
    """1 s, 2 s, 4 s … up to a minute."""
    waits = []
    for _ in range(8):
        courier.not_stored(StoreError("locked"))
        waits.append(courier.not_before - time.monotonic())
    for expected, wait in zip((1, 2, 4, 8, 16, 32, 60, 60), waits, strict=True):
        assert expected * 0.7 < wait < expected * 1.3


def test_the_wait_grows_and_the_server_may_ask_for_more(
    server: Server, store: Store, courier: Courier
) -> None:
    """1 s, 2 s, 4 s … up to a minute, never all at the same moment; Retry-After is obeyed."""
    keep(store, made_trace(1), courier.sink.destination)
    server.always = 503
    waits = []
    for _ in range(9):
        ship(courier, store)
        waits.append(courier.not_before - time.monotonic())
    for expected, wait in zip((1, 2, 4, 8, 16, 32, 60, 60, 60), waits, strict=True):
        assert expected * 0.7 < wait < expected * 1.3
    server.always = None
    server.answers.append((429, {"Retry-After": "120"}))
    ship(courier, store)
    courier.hurry()
    assert 90 < courier.not_before - time.monotonic() < 121


def test_retry_after_is_a_number_or_a_date() -> None:
    """Both forms of the header, and nonsense."""
    assert wait_seconds("7") == 7.0
    assert 30 < (wait_seconds(formatdate(time.time() + 60, usegmt=True)) or 0) < 61
    assert wait_seconds("-5") == 0.0
    assert wait_seconds("1e9") == 600.0
    assert wait_seconds("soon") is None
    assert wait_seconds(None) is None


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_told_once_and_keeps_everything(
    status: int, server: Server, store: Store, courier: Courier, caplog: pytest.LogCaptureFixture
) -> None:
    """One line that says what to do; nothing more is sent for a long time."""
    for number in range(3):
        keep(store, made_trace(number, spans=3), courier.sink.destination)
    server.always = status
    assert ship(courier, store) == 9
    courier.hurry()
    assert courier.not_before > time.monotonic() + 300
    ship(courier, store)
    assert len(caplog.records) == 1
    assert f"HTTP {status}" in caplog.text and "push" in caplog.text
    assert "sk-lf" not in caplog.text


def test_a_web_page_is_no_acceptance(server: Server, store: Store, courier: Courier) -> None:
    """A login page in between says 200 to everything."""
    keep(store, made_trace(1), courier.sink.destination)
    server.web_page = True
    assert ship(courier, store) == 2


def test_a_server_that_is_away_answers_too(
    server: Server, store: Store, courier: Courier, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused connection is a reason like any other."""
    keep(store, made_trace(1), courier.sink.destination)
    server.stop()
    assert ship(courier, store) == 2
    assert "refused" in courier.reason and "; everything is kept, and sent later" in caplog.text
    server.start()
    assert ship(courier, store) == 0


def test_a_server_that_hangs_is_left_after_the_timeout(server: Server, store: Store) -> None:
    """One request takes no longer than the setting says."""
    courier = Courier(sink_of(server, langfuse_timeout=0.3))
    keep(store, made_trace(1), courier.sink.destination)
    server.hangs = True
    began = time.monotonic()
    assert ship(courier, store) == 2
    assert time.monotonic() - began < 3
    assert "no answer within 0.3 s" in courier.reason
    courier.close()


def test_an_answer_that_never_ends_is_left(server: Server) -> None:
    """Megabytes of an answer are not read."""
    sender = Sender(sink_of(server).endpoint)
    server.always = 500
    assert sender.send(b"").verdict is Verdict.LATER
    sender.close()


def test_a_span_that_cannot_be_encoded_costs_only_itself(
    server: Server, store: Store, courier: Courier
) -> None:
    """Whatever stands in the store, the rest of the trace is sent."""
    trace = made_trace(1, spans=4)
    trace.spans[2].span_id = "no hex digits!!"
    keep(store, trace, courier.sink.destination)
    assert ship(courier, store) == 0
    assert [span.name for span in server.spans()] == ["Flow", "Node1", "Node3"]


def test_each_trace_goes_to_the_project_of_its_keys(server: Server, store: Store, courier: Courier) -> None:
    """Two projects in one process: none sees what belongs to the other."""
    other = Courier(sink_of(server, "two"))
    keep(store, made_trace(1), courier.sink.destination)
    keep(store, made_trace(2, spans=3), other.sink.destination)
    assert (ship(courier, store), ship(other, store)) == (0, 0)
    assert (len(server.spans("project-1")), len(server.spans("project-2"))) == (2, 3)
    other.close()


def test_the_page_of_a_trace_is_known_when_it_arrived(server: Server, store: Store, courier: Courier) -> None:
    """The project id comes from the server, once."""
    courier.wants_urls = True
    keep(store, made_trace(1), courier.sink.destination)
    ship(courier, store)
    id = made_trace(1).id
    assert courier.urls == {id: f"{server.host}/project/project-1/traces/{id}"}


def test_attributes_arrive_as_they_were_written(server: Server, store: Store, courier: Courier) -> None:
    """What the server reads is what the store holds."""
    keep(store, made_trace(1), courier.sink.destination)
    ship(courier, store)
    (span,) = [span for span in server.spans() if span.name == "Node1"]
    assert attributes_of(span)["langfuse.observation.input"] == '{"shared":{"seq":1}}'

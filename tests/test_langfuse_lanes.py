"""Several destinations in one process: each goes its own way, in the run and at the end of the process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_support import config, own_delivery, traced
from otlp_server_support import Server, running_server
from store_support import until

from pocketflow_tracing.delivery import Delivery
from pocketflow_tracing.delivery.shipping.courier import Courier
from pocketflow_tracing.delivery.shipping.lane import FAILED_EXIT_SECONDS, Lane
from pocketflow_tracing.delivery.shipping.shipper import MOST_LANES, Shipper
from pocketflow_tracing.sinks.langfuse import langfuse_sink
from pocketflow_tracing.sinks.network import NetworkSink
from pocketflow_tracing.sinks.otlp.client import Client


def keys(server: Server, number: str = "one", **settings: Any) -> dict[str, Any]:
    return {
        "langfuse_public_key": f"pk-lf-{number}",
        "langfuse_secret_key": f"sk-lf-{number}",
        "langfuse_host": server.host,
        **settings,
    }


def couriers(delivery: Delivery) -> list[Courier]:
    return [courier for lane in delivery.shipper.lanes() for courier in lane.couriers.values()]


@pytest.fixture
def hanging() -> Iterator[Server]:
    """A server that takes requests and never answers."""
    with running_server(hangs=True) as server:
        yield server


@pytest.fixture
def sink() -> NetworkSink:
    (sink,) = langfuse_sink(config(None, langfuse_public_key="pk", langfuse_secret_key="sk"))
    return sink


class Nowhere:
    """A place that holds nothing."""

    def outlets(self) -> list[Any]:
        return []


def test_a_server_that_hangs_keeps_nothing_from_another(server: Server, hanging: Server, path: Path) -> None:
    """While a request to one is unanswered, everything for the other arrives."""
    with own_delivery() as delivery:
        traced(delivery, config(path, **keys(hanging, langfuse_timeout=60)))
        assert delivery.flush(0) > 0
        hanging.wait_for_requests(1)
        for arrived in (4, 8):
            traced(delivery, config(path, exit_timeout=0.1, **keys(server, "two")), steps=3)
            until(lambda arrived=arrived: len(server.spans("project-2")) == arrived)
        assert (hanging.seen, hanging.requests) == (1, [])


def test_a_server_that_failed_keeps_nothing_from_another_at_the_end(
    server: Server, hanging: Server, path: Path
) -> None:
    """The working one gets the time that it needs, though the other fails once more meanwhile."""
    with own_delivery() as delivery:
        traced(delivery, config(path, exit_timeout=30, **keys(hanging, langfuse_timeout=0.1)))
        assert delivery.flush() == 2
        server.delay = 2 * FAILED_EXIT_SECONDS
        traced(delivery, config(path, exit_timeout=30, **keys(server, "two")), steps=5)
        delivery._at_exit()
        assert len(server.spans("project-2")) == 6
        assert delivery.shipper.left_at_end == 2


def test_the_end_gives_each_destination_the_time_that_it_may_need(sink: NetworkSink) -> None:
    """All that is left to one that may work; a moment to one whose last attempt failed."""
    lane = Lane()
    courier = lane.add(Nowhere(), sink)
    began = time.monotonic()
    lane.finish_by(began + 2)
    assert (courier.until, lane.until) == (began + 2, began + 2)
    courier.failures = 1
    lane.finish_by(began + 2)
    assert began + FAILED_EXIT_SECONDS <= courier.until <= time.monotonic() + FAILED_EXIT_SECONDS
    lane.finish_by(began + 0.1)
    assert courier.until == began + 0.1


def test_a_failure_of_the_past_keeps_no_thread_busy(sink: NetworkSink) -> None:
    """What was to be tried again, and is there no more, is nothing to come again for at once."""
    lane = Lane()
    courier = lane.add(Nowhere(), sink)
    courier.not_before = time.monotonic() - 1
    assert lane._round() == float("inf")
    courier.not_before = time.monotonic() + 60
    assert lane._round() == courier.not_before


def test_the_end_waits_for_nothing_that_cannot_succeed(sink: NetworkSink) -> None:
    """One failure, a refusal, a request for more patience, or no time left: then the rest stays."""
    courier = Courier(sink)
    courier.finish_by(time.monotonic() + 60)
    assert courier.may_succeed()
    courier.attempts_failed += 1
    assert not courier.may_succeed()
    courier.finish_by(time.monotonic() + 60)
    assert courier.may_succeed()
    courier.not_before = time.monotonic() + 90
    assert not courier.may_succeed()
    courier.not_before, courier.is_refused = 0.0, True
    assert not courier.may_succeed()
    courier.is_refused = False
    courier.finish_by(time.monotonic())
    assert not courier.may_succeed()


def test_requests_know_when_the_process_ends() -> None:
    """Connecting and answering together take no longer than is left then, else what the settings say."""
    asked: list[Any] = []

    class Pools:
        def request(self, *arguments: Any, timeout: Any, **keywords: Any) -> None:
            asked.append(timeout)
            raise ValueError

    client = Client("http://127.0.0.1:9", 7.0)
    client._pools = Pools()  # type: ignore[assignment]
    for client.until in (float("inf"), time.monotonic() + 3, 0.0):
        with pytest.raises(ValueError):
            client.request("POST", "http://127.0.0.1:9", {})
    usual, last, late = asked
    assert (usual.connect_timeout, usual.read_timeout) == (5.0, 7.0)
    assert 2 < last.total <= 3 and last.connect_timeout == last.total
    assert 0 < late.total < 0.1


def test_more_destinations_share_the_threads_there_are(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with a project for each of its customers has no thread for each of them."""
    monkeypatch.setattr(Lane, "begin", lambda lane, debug: None)
    shipper = Shipper()
    for number in range(3 * MOST_LANES):
        settings = config(path, langfuse_public_key=f"pk-{number}", langfuse_secret_key="sk")
        shipper.begin(settings)
        shipper.add(Nowhere(), langfuse_sink(settings))
    assert [len(lane.couriers) for lane in shipper.lanes()] == [3] * MOST_LANES


def test_threads_that_fork_at_once_leave_every_lane_at_work(server: Server, path: Path) -> None:
    """Each thread brings the lanes to rest before the first is over; afterwards they are there and send."""
    with own_delivery() as delivery:
        traced(delivery, config(path, **keys(server)))
        assert delivery.flush() == 0
        (lane,) = delivery.shipper.lanes()
        delivery._before_fork()
        delivery._before_fork()
        assert not lane.is_there
        delivery._after_fork_in_parent()
        delivery._after_fork_in_parent()
        assert lane.is_there
        traced(delivery, config(path, **keys(server)))
        assert delivery.flush() == 0
        assert len(server.spans("project-1")) == 4

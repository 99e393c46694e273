"""Whose traces go where: two projects in one process, keys that come late, other hosts, other processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langfuse_rules import attributes_of
from langfuse_support import keep, ship, sink_of
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_server_support import Server, running_server
from shipping_support import TRACED
from store_support import made_trace, run_child, start_child

from pocketflow_tracing.delivery.shipping.courier import Courier
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.outbox import Outbox

PROGRAM = """
import os, sys
from pathlib import Path
from opentelemetry import trace as otel  # as a program does that makes spans of its own
from pocketflow import Flow, Node
from pocketflow_tracing import TracingConfig, current_traceparent, flush, trace_flow, tracing
PATH, HOST = Path(sys.argv[1]), sys.argv[2]

def config(number, **more):
    return TracingConfig(f"sk-lf-{number}", f"pk-lf-{number}", HOST, store=PATH, **more)

class Call(Node):
    def exec(self, prep_res):
        headers.append(current_traceparent())
        return "called"

class SetKeys(Node):
    def exec(self, prep_res):
        os.environ.update(
            LANGFUSE_PUBLIC_KEY="pk-lf-two", LANGFUSE_SECRET_KEY="sk-lf-two", LANGFUSE_BASE_URL=HOST
        )

@trace_flow(config("one", mask=lambda value, path: "***" if path.endswith(".salary") else value))
class Payroll(Flow):
    pass

@trace_flow(config("two"))
class Weather(Flow):
    pass

headers = []
Payroll(start=Call()).run({"salary": "four thousand", "city": "Rome"})
Weather(start=Call()).run({"salary": "nine thousand", "city": "Oslo"})
with tracing(config("one"), parent=headers[0], flow_name="Service"):
    Flow(start=Node()).run({})
with tracing(TracingConfig(store=PATH), flow_name="Early"):
    Flow(start=SetKeys()).run({})
with tracing(TracingConfig(store=PATH), flow_name="Late"):
    Flow(start=Node()).run({})
assert flush(30) == 0
print([name for name in ("langfuse", "opentelemetry.sdk") if name in sys.modules])
print(type(otel.get_tracer_provider()).__name__)
"""


@dataclass
class Ran:
    """What a server has of the program, and what the program printed."""

    server: Server
    printed: str

    def names(self, project: str) -> list[str]:
        """The spans that a project got, without those of PocketFlow's base class."""
        return [span.name for span in self.server.spans(project) if span.name != "Node"]

    def one(self, name: str, project: str = "project-1") -> Span:
        """The only span of that name in a project."""
        (span,) = [span for span in self.server.spans(project) if span.name == name]
        return span

    def root(self, name: str, project: str) -> dict[str, Any]:
        """The attributes of a root."""
        return attributes_of(self.one(name, project))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """The program, run once."""
    with running_server() as server:
        printed, told = run_child(PROGRAM, tmp_path_factory.mktemp("whose") / "traces.db", server.host)
        assert told == ""
        server.check_sound()
        yield Ran(server, printed)


def test_two_decorated_flows_go_to_the_projects_of_their_keys(ran: Ran) -> None:
    """Each in its own project, and in no other."""
    assert ran.names("project-1") == ["Payroll", "Call", "Call.exec", "Service"]
    assert ran.names("project-2") == ["Weather", "Call", "Call.exec", "Late"]


def test_keys_that_are_set_while_a_run_is_under_way_send_nothing_of_it(ran: Ran) -> None:
    """It began without any; what begins afterwards is sent."""
    names = ran.names("project-1") + ran.names("project-2")
    assert "Late" in names
    assert not {"Early", "SetKeys", "SetKeys.exec"} & set(names)


def test_a_mask_of_ones_own_holds_in_what_is_sent(ran: Ran) -> None:
    """Byte for byte; the flow beside it, which has none, sends what it saw."""
    here, beside = (
        b"".join(span.SerializeToString() for span in ran.server.spans(project))
        for project in ("project-1", "project-2")
    )
    assert b"four thousand" not in here and b"Rome" in here
    assert ran.root("Payroll", "project-1")["langfuse.observation.input"] == (
        '{"shared":{"salary":"***","city":"Rome"}}'
    )
    assert b"nine thousand" in beside


def test_a_traceparent_leads_to_one_trace(ran: Ran) -> None:
    """The run of the service lies beneath the step that called it, and fills the trace all the same."""
    called, service = ran.one("Call.exec"), ran.one("Service")
    assert (service.trace_id, service.parent_span_id) == (called.trace_id, called.span_id)
    assert attributes_of(service)["langfuse.internal.as_root"] is True
    (tree,) = ran.server.trees("project-1")
    assert "      └─ Service" in tree


def test_sending_takes_no_sdk_and_no_tracer_provider(ran: Ran) -> None:
    """Neither Langfuse's SDK nor OpenTelemetry's is imported, and the program may still set a provider."""
    assert ran.printed == "[]\nProxyTracerProvider\n"


def test_the_same_keys_at_another_host_get_nothing(server: Server, store: Store, courier: Courier) -> None:
    """A project is its keys at its server: what was meant for one is not shown to another."""
    keep(store, made_trace(1), courier.sink.destination)
    with running_server() as elsewhere, closing(Courier(sink_of(elsewhere))) as other:
        assert ship(other, store) == 0
        assert elsewhere.seen == 0
    assert ship(courier, store) == 0
    assert len(server.rows) == 2


def test_a_process_that_hangs_while_it_sends_holds_up_no_other(
    server: Server, path: Path, courier: Courier
) -> None:
    """What it has taken from the shared outbox waits for it; everybody else's traces arrive meanwhile."""
    server.hangs = True
    hanging = start_child(
        TRACED + "traced(delivery, settings, steps=20)\nprint(delivery.flush(60))", path, server.host, "one"
    )
    server.wait_for_requests(1)
    hanging.send_signal(signal.SIGSTOP)
    server.hangs = False
    out, err = run_child(
        TRACED + "print(traced(delivery, settings, steps=3), delivery.flush(30))", path, server.host, "one"
    )
    id, left = out.split()
    assert (left, err) == ("0", "")
    assert [trace for _, trace, _, _ in server.rows] == [id] * 4
    with closing(Store(path)) as store:
        outbox = Outbox(store, courier.sink.destination)
        # The other one did not wait for it at its end, either.
        assert (outbox.left(), outbox.left(reachable=True)) == (21, 0)
    server.released.set()  # the request that it waits for is cut
    hanging.send_signal(signal.SIGCONT)
    out, err = hanging.communicate(timeout=60)
    assert (out, hanging.returncode) == ("0\n", 0), err
    assert set(server.arrivals.values()) == {1}
    assert len(server.rows) == 21 + 4
    server.check_sound()

"""Observations of Langfuse's own SDK and a run's spans make one trace, though two exporters send them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langfuse_rules import attributes_of
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_server_support import Server, running_server
from store_support import run_child

START = """
import asyncio, os, sys
from pathlib import Path
PATH, HOST = sys.argv[1:]
os.environ.update(
    LANGFUSE_PUBLIC_KEY="pk-lf-one", LANGFUSE_SECRET_KEY="sk-lf-one",
    LANGFUSE_HOST=HOST, LANGFUSE_BASE_URL=HOST,
)
from langfuse import get_client, observe
from opentelemetry import trace as otel
from pocketflow import AsyncFlow, AsyncParallelBatchNode, Flow, Node
from pocketflow_tracing import TracingConfig, flush, tracing
client = get_client()
config = TracingConfig(
    store=Path(PATH), user_id="ada", session_id="s-1", exit_timeout=30
)
"""
END = """
client.flush()
assert flush(30) == 0
client.shutdown()
"""

INSIDE = f"""{START}
@observe()
def decorated(question):
    return question.upper()

@observe()
async def awaited(number):
    await asyncio.sleep(0)
    return number

class Ask(Node):
    def prep(self, shared):
        with client.start_as_current_observation(name="in prep"):
            pass
        return "why?"

    def exec(self, question):
        with client.start_as_current_observation(name="model call", as_type="generation", model="m-1") as one:
            one.update(output="because", usage_details={{"input": 3, "output": 2}})
        with otel.get_tracer("vendor").start_as_current_span("plain", attributes={{"gen_ai.system": "v"}}):
            pass
        return decorated(question)

    def post(self, shared, question, answer):
        shared["answer"] = answer

class Outer(Node):
    def exec(self, prep_res):
        Flow(start=Ask()).run({{}})

class Many(AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return [1, 2, 3]

    async def exec_async(self, item):
        return await awaited(item)

with tracing(config, tags=["blue"]):
    Flow(start=Outer()).run({{}})
    asyncio.run(AsyncFlow(start=Many()).run_async({{}}))
with client.start_as_current_observation(name="afterwards"):
    pass
{END}"""

AROUND = f"""{START}
class Ask(Node):
    def exec(self, prep_res):
        with client.start_as_current_observation(name="within"):
            return 1

@observe()
def request():
    with tracing(config):
        Flow(start=Ask()).run({{}})

request()
{END}"""


@dataclass
class Arrived:
    """What a server has of one program."""

    server: Server

    def one(self, name: str) -> Span:
        """The only span of that name."""
        (span,) = self.all(name)
        return span

    def all(self, name: str) -> list[Span]:
        """Every span of that name."""
        return [span for span in self.server.spans() if span.name == name]

    def fields(self, name: str) -> dict[str, Any]:
        """The attributes of the only span of that name."""
        return attributes_of(self.one(name))

    def is_app_root(self, name: str) -> bool:
        """Whether that span says it is the root of its application."""
        return bool(self.fields(name).get("langfuse.internal.is_app_root"))


def _arrived(program: str, path: Path) -> Iterator[Arrived]:
    with running_server() as server:
        run_child(program, path, server.host)
        yield Arrived(server)


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arrived]:
    """A program whose phases make observations of the SDK."""
    yield from _arrived(INSIDE, tmp_path_factory.mktemp("inside") / "traces.db")


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arrived]:
    """A program that runs a flow in an observed function."""
    yield from _arrived(AROUND, tmp_path_factory.mktemp("around") / "traces.db")


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("in prep", "Ask.prep"),
        ("decorated", "Ask.exec"),
        ("model call", "Ask.exec"),
        ("plain", "Ask.exec"),
    ],
)
def test_what_a_phase_makes_lies_beneath_it(inside: Arrived, name: str, phase: str) -> None:
    """Whichever way of the SDK's made it: same trace, and the phase is its parent."""
    child, parent = inside.one(name), inside.one(phase)
    assert (child.trace_id, child.parent_span_id) == (parent.trace_id, parent.span_id)


def test_parallel_items_keep_their_own(inside: Arrived) -> None:
    """Each awaited function lies beneath the execution that awaited it."""
    executions = {span.span_id: attributes_of(span) for span in inside.all("Many.exec")}
    children = [(span.parent_span_id, attributes_of(span)) for span in inside.all("awaited")]
    assert len(children) == len(executions) == 3
    for parent, fields in children:
        assert fields["langfuse.observation.output"] == executions[parent]["langfuse.observation.output"]


def test_two_exporters_send_no_span_twice(inside: Arrived, around: Arrived) -> None:
    """Everything arrives once, and every parent is there."""
    for arrived in (inside, around):
        arrived.server.check_sound()
        assert set(arrived.server.arrivals.values()) == {1}


def test_the_trace_stays_that_of_the_run(inside: Arrived) -> None:
    """The root is ours and the only one; no child calls itself the root of an application."""
    root = inside.one("Ask.prep")
    whole = [span for span in inside.server.spans() if span.trace_id == root.trace_id]
    assert [span.name for span in whole if not span.parent_span_id] == ["Flow"]
    for name in ("in prep", "decorated", "model call", "plain"):
        assert not inside.is_app_root(name), name
    (fields,) = [attributes_of(span) for span in whole if not span.parent_span_id]
    assert (fields["user.id"], fields["session.id"]) == ("ada", "s-1")
    assert fields["langfuse.trace.tags"] == ["blue"]


def test_what_comes_after_a_run_is_a_trace_of_its_own(inside: Arrived) -> None:
    """Nothing of the run stays in the context."""
    assert not inside.one("afterwards").parent_span_id
    assert inside.is_app_root("afterwards")


def test_a_run_in_an_observed_function_joins_its_trace(around: Arrived) -> None:
    """As its child, marked so that the server fills the trace from it; what is within stays within."""
    outer, root, phase, inner = (around.one(name) for name in ("request", "Flow", "Ask.exec", "within"))
    assert {span.trace_id for span in (outer, root, phase, inner)} == {outer.trace_id}
    assert root.parent_span_id == outer.span_id
    assert inner.parent_span_id == phase.span_id
    assert around.is_app_root("Flow") and around.fields("Flow")["langfuse.internal.as_root"]
    assert not around.is_app_root("within")

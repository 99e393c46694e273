"""Observations of Langfuse's own SDK and a run's spans make one trace, though two exporters send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langfuse_rules import attributes_of
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_server_support import Server, listening, running_server
from store_support import run_child

START = """
import asyncio, os, sys
from pathlib import Path
PATH, HOST, MODELS = sys.argv[1:]
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


MODEL = f"""{START}
os.environ["OPENAI_API_KEY"] = "sk-none"
IMPORTS

class Ask(Node):
    def exec(self, prep_res):
        messages = [{{"role": "user", "content": "why?"}}]
        answered = OpenAI(base_url=MODELS).chat.completions.create(model="m-1", messages=messages)
        return answered.choices[0].message.content

with tracing(config):
    Flow(start=Ask()).run({{}})
{END}"""
WITH_LANGFUSE = MODEL.replace("IMPORTS", "from langfuse.openai import OpenAI")
WITH_OPENINFERENCE = MODEL.replace(
    "IMPORTS",
    "from openai import OpenAI\n"
    "from openinference.instrumentation.openai import OpenAIInstrumentor\n"
    "OpenAIInstrumentor().instrument()",
)

SAMPLED = """
import os, random
from langfuse import Langfuse
from opentelemetry import trace as otel
from opentelemetry.sdk.trace.sampling import Decision
from pocketflow import Flow, Node
from pocketflow_tracing import TracingConfig
from pocketflow_tracing.testing import capture_traces
flow = Flow(start=Node())
for rate in (0.01, 0.25, 0.5, 0.9, 0.999):
    if os.fork():  # the client takes over the provider of its process, once
        assert os.wait()[1] == 0
        continue
    client = Langfuse(public_key="pk", secret_key="sk", base_url="http://127.0.0.1:9", sample_rate=rate)
    sampler, ids, kept = otel.get_tracer_provider().sampler, random.Random(1), 0
    for _ in range(100):
        trace_id = ids.getrandbits(128)
        parent = f"00-{trace_id:032x}-{1:016x}-01"
        with capture_traces(config=TracingConfig(sample_rate=rate), parent=parent) as traces:
            flow.run({})
        theirs = sampler.should_sample(None, trace_id, "flow").decision is Decision.RECORD_AND_SAMPLE
        assert (len(traces) == 1) is theirs, (rate, trace_id)
        kept += theirs
    print(rate, kept, flush=True)
    os._exit(0)
"""


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


class Model(BaseHTTPRequestHandler):
    """Answers as OpenAI's API does, always the same."""

    ANSWER: ClassVar[dict[str, Any]] = {
        "id": "c-1", "object": "chat.completion", "created": 1, "model": "m-1",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "because"}}
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }  # fmt: skip

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        is_known = self.path == "/v1/chat/completions"
        body = json.dumps(self.ANSWER).encode()
        self.send_response(200 if is_known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def _arrived(program: str, path: Path) -> Iterator[Arrived]:
    with running_server() as server, listening(Model) as port:
        run_child(program, path, server.host, f"http://127.0.0.1:{port}/v1")
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


@pytest.mark.one_python  # and the versions of the SDK on two of them, in a session of their own
@pytest.mark.parametrize(
    ("program", "counted_as"),
    [(WITH_LANGFUSE, "langfuse.observation.usage_details"), (WITH_OPENINFERENCE, "llm.token_count.prompt")],
    ids=["langfuse.openai", "OpenInference"],
)
def test_an_instrumented_model_call_lies_beneath_its_phase(
    program: str, counted_as: str, tmp_path: Path
) -> None:
    """It is part of the trace, once, and its tokens are counted by nobody else."""
    for arrived in _arrived(program, tmp_path / "traces.db"):
        arrived.server.check_sound()
        assert set(arrived.server.arrivals.values()) == {1}
        phase = arrived.one("Ask.exec")
        (call,) = [span for span in arrived.server.spans() if span.parent_span_id == phase.span_id]
        assert call.trace_id == phase.trace_id
        assert not arrived.is_app_root(call.name)
        spans = [(span.name, attributes_of(span)) for span in arrived.server.spans()]
        assert [name for name, fields in spans if counted_as in fields] == [call.name]
        assert "because" in str(attributes_of(call))
        assert len(spans) == 4


@pytest.mark.one_python
def test_sampling_agrees_with_the_sdks() -> None:
    """Whatever the rate, both keep a trace or neither does."""
    out, _ = run_child(SAMPLED)
    kept = [int(line.split()[1]) for line in out.splitlines()]
    assert kept == sorted(kept)
    assert len(kept) == 5 and 10 < kept[1] < 40 < kept[3]

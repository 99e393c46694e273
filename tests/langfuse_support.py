"""Sinks, couriers and what they send: what the tests of sending to Langfuse share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner
from langfuse_rules import attributes_of
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_server_support import Server
from pocketflow import Flow, Node
from store_support import made_trace

from pocketflow_tracing import TracingConfig, tracing
from pocketflow_tracing.cli.commands import commands
from pocketflow_tracing.config import resolve
from pocketflow_tracing.delivery.shipping.courier import Courier
from pocketflow_tracing.model import Generation, SpanKind, Trace
from pocketflow_tracing.sinks.langfuse import LangfuseSink, langfuse_sink
from pocketflow_tracing.sinks.network import NetworkSink
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.addresses import Destination
from pocketflow_tracing.store.outbox import Outbox
from pocketflow_tracing.store.rows import span_row, trace_row

if TYPE_CHECKING:
    import pytest

HERE = Destination("langfuse", "http://localhost", "pk")
KEYS = {"langfuse_public_key": "pk", "langfuse_secret_key": "sk", "langfuse_host": "http://localhost"}
"""For what is encoded and sent nowhere."""
SCRIPT = """
from pocketflow import Flow, Node
class Greet(Node):
    def exec(self, prep_res):
        return "hello"
Flow(start=Greet()).run({})
"""


def keys(server: Server, number: str = "one", **settings: Any) -> dict[str, Any]:
    """The settings of a run that is sent to a project of `server`."""
    return {
        "langfuse_public_key": f"pk-lf-{number}",
        "langfuse_secret_key": f"sk-lf-{number}",
        "langfuse_host": server.host,
        **settings,
    }


def sink_of(server: Server, number: str = "one", **settings: Any) -> LangfuseSink:
    """A project of `server` as a place to send to."""
    (sink,) = langfuse_sink(resolve(TracingConfig(**keys(server, number, **settings))))
    return sink


def keep(store: Store, trace: Trace, *destinations: Destination) -> None:
    """Write a trace that is to be sent."""
    rows = [span_row(span) for span in trace.spans]
    store.save([trace_row(trace)], rows, [(trace.id, destination) for destination in destinations])


def ship(courier: Courier, store: Store) -> int:
    """Send what there is; how many spans are left."""
    outbox = Outbox(store, courier.sink.destination)
    courier.ship(outbox, lambda: True)
    return outbox.left()


def wired(trace: Trace, sink: NetworkSink | None = None) -> list[Span]:
    """The spans of `trace` as they are sent, after a way through the store, in start order."""
    if sink is None:
        (sink,) = langfuse_sink(resolve(TracingConfig(**KEYS)))
    store = Store(":memory:")
    keep(store, trace, HERE)
    outbox = Outbox(store, HERE)
    (claim,) = outbox.claim(thorough=True)

    def lookup(span_id: str) -> Any:
        name, body = outbox.span_named(claim.trace, span_id) or ("", "{}")
        return name, json.loads(body)

    fill = sink.encoder(outbox.headers([claim])[claim.trace], lookup)
    spans: list[Span] = []
    while page := outbox.pages([claim._replace(sent=len(spans))])[0]:
        for row in page:
            spans.append(Span())
            fill(row, spans[-1])
    store.close()
    return spans


def observed(trace: Trace) -> dict[str, dict[str, Any]]:
    """The attributes of each span by its name, without the beginnings of their own names."""
    return {
        wire.name: {
            key.replace("langfuse.observation.metadata.", "m.").replace("langfuse.observation.", ""): value
            for key, value in attributes_of(wire).items()
        }
        for wire in wired(trace)
    }


def traced(path: Path, flow: Any, shared: Any, **keywords: Any) -> Trace:
    """The trace of one run."""
    with tracing(TracingConfig(store=path), **keywords) as scope:
        try:
            flow.run(shared)
        except ValueError:
            pass
    return scope.traces[-1]


class Ask(Node):
    """Knows no answer before the second attempt."""

    def prep(self, shared: Any) -> Any:
        return shared["question"]

    def exec(self, question: Any) -> Any:
        if self.cur_retry == 0:
            raise ValueError("no answer yet")
        return "42"

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["answer"] = exec_res
        return "check"


class Check(Node):
    """Has a single phase."""

    def exec(self, prep_res: Any) -> Any:
        return True


class Broken(Node):
    """Fails."""

    def exec(self, prep_res: Any) -> Any:
        raise ValueError("broken for good")


def asking() -> Flow:
    """A flow with a retry and an action."""
    ask, check = Ask(max_retries=3), Check()
    ask - "check" >> check
    return Flow(start=ask)


def generated() -> Trace:
    """A trace with a model call."""
    trace = made_trace(1, spans=3)
    trace.environment, trace.release = "staging", "1.2.3"
    trace.spans[2].kind = SpanKind.GENERATION
    trace.spans[2].generation = Generation(
        "gpt-x",
        {"temperature": 0.5, "top_logprobs": 2},
        {"input": 10, "output": 5, "cache_read_input_tokens": 3},
        {"input": 0.25},
    )
    trace.spans[2].attributes = {"completion_start_time": "2026-01-01T00:00:00.000Z"}
    return trace


class CommandLine:
    """Runs commands in an environment with a store, and with keys where they are wanted.

    `run` has a process of its own, the others have this one: it has loaded what they need.
    """

    def __init__(self, folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.store = folder / "traces.db"
        self.environment: dict[str, str | None] = {
            **{name: None for name in os.environ if "proxy" in name.lower()},
            "POCKETFLOW_TRACING_STORE": str(self.store),
            "POCKETFLOW_TRACING_EXIT_TIMEOUT": "30",
            "LANGFUSE_BASE_URL": server.host,
            "LANGFUSE_PUBLIC_KEY": "pk-lf-one",
            "LANGFUSE_SECRET_KEY": "sk-lf-one",
        }

    def __call__(self, *words: str, status: int = 0, **environment: str | None) -> str:
        """What a command prints; it must end with `status`."""
        self.monkeypatch.chdir(self.folder)
        ended = CliRunner().invoke(commands, words, env={**self.environment, **environment})
        assert ended.exit_code == status, ended.output
        return ended.output

    def run_script(self, **environment: str | None) -> str:
        """What a run of `script.py` prints."""
        script = self.folder / "script.py"
        script.write_text(SCRIPT)
        merged = {**os.environ, **self.environment, **environment}
        ended = subprocess.run(
            [sys.executable, "-m", "pocketflow_tracing", "run", str(script)],
            env={name: value for name, value in merged.items() if value is not None},
            cwd=self.folder, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

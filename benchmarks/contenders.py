"""One PocketFlow program, run with different tracers: a node with three phases, gone round `STEPS` times."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS = int(os.environ.get("STEPS", "5000"))
SPANS = 4 * STEPS + 2
"""How many spans ours has: the flow, four a node, and the empty node at its end."""


def program(traced: Any = lambda name, function: function) -> tuple[Any, Any]:
    """A flow that goes round a node, and the class of the flow; `traced` wraps each method."""
    from pocketflow import Flow, Node

    class Step(Node):
        def prep(self, shared: Any) -> Any:
            return {"question": "Where is my refund?", "number": shared["number"]}

        def exec(self, prep_res: Any) -> Any:
            return {"category": "billing", "priority": "normal", "number": prep_res["number"] + 1}

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
            shared["number"] = exec_res["number"]
            return "again" if shared["number"] < STEPS else "done"

    for name in ("prep", "exec", "post"):
        setattr(Step, name, traced(name, getattr(Step, name)))
    step = Step()
    step - "again" >> step
    step - "done" >> Node()
    return Flow(start=step), Flow


Took = tuple[float, float]
"""Seconds a run takes, by the wall clock and of its own thread's processor time."""


def timed(run: Callable[[], object]) -> Took:
    """Run, and see how long it takes."""
    wall, own = time.perf_counter(), time.thread_time()
    run()
    return time.perf_counter() - wall, time.thread_time() - own


def untraced() -> Took:
    flow, _ = program()
    return timed(lambda: flow.run({"number": 0}))


def ours(sends: bool = True) -> Took:
    from pocketflow_tracing import TracingConfig, flush, tracing

    flow, _ = program()
    config = TracingConfig(store=Path(tempfile.mkdtemp()) / "traces.db", langfuse_enabled=sends)
    with tracing(config):  # what it loads at first, as a client of the others does when it is made
        pass

    def run() -> None:
        with tracing(config):
            flow.run({"number": 0})

    took = timed(run)
    flush(120)
    return took


def observe() -> Took:
    from langfuse import get_client, observe

    flow, _ = program(lambda name, function: observe(name=f"Step.{name}")(function))
    run: Callable[[], object] = observe(name="Flow")(lambda: flow.run({"number": 0}))
    took = timed(run)
    get_client().flush()
    return took


def start_observation() -> Took:
    from langfuse import get_client

    client = get_client()
    root: Any = None

    def traced(name: str, function: Any) -> Any:
        def method(self: Any, *arguments: Any) -> Any:
            span = root.start_observation(name=f"Step.{name}", input=arguments[-1])
            result = function(self, *arguments)
            span.update(output=result).end()
            return result

        return method

    flow, _ = program(traced)

    def run() -> None:
        nonlocal root
        root = client.start_observation(name="Flow")
        flow.run({"number": 0})
        root.end()

    took = timed(run)
    client.flush()
    return took


def start_as_current() -> Took:
    from langfuse import get_client

    client = get_client()

    def traced(name: str, function: Any) -> Any:
        def method(self: Any, *arguments: Any) -> Any:
            with client.start_as_current_observation(name=f"Step.{name}", input=arguments[-1]) as span:
                result = function(self, *arguments)
                span.update(output=result)
                return result

        return method

    flow, _ = program(traced)

    def run() -> None:
        with client.start_as_current_observation(name="Flow"):
            flow.run({"number": 0})

    took = timed(run)
    client.flush()
    return took


def batch_processor() -> Took:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    url = os.environ["LANGFUSE_HOST"] + "/api/public/otel/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    tracer = provider.get_tracer("benchmark")

    def traced(name: str, function: Any) -> Any:
        def method(self: Any, *arguments: Any) -> Any:
            with tracer.start_as_current_span(f"Step.{name}") as span:
                span.set_attribute("input", json.dumps(arguments[-1]))
                result = function(self, *arguments)
                span.set_attribute("output", json.dumps(result))
                return result

        return method

    flow, _ = program(traced)

    def run() -> None:
        with tracer.start_as_current_span("Flow"):
            flow.run({"number": 0})

    took = timed(run)
    provider.force_flush()
    provider.shutdown()
    return took


def older() -> Took:
    from pocketflow_tracing import trace_flow

    flow, flow_type = program()
    traced = trace_flow()(type("Traced", (flow_type,), {}))(start=flow.start_node)
    return timed(lambda: traced.run({"number": 0}))


CONTENDERS = {
    "untraced": untraced,
    "ours": ours,
    "ours, store only": lambda: ours(False),
    "langfuse @observe": observe,
    "langfuse start_observation": start_observation,
    "langfuse start_as_current_observation": start_as_current,
    "opentelemetry batch processor": batch_processor,
    "pocketflow-tracing 0.1.5": older,
}

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


def untraced() -> float:
    flow, _ = program()
    began = time.perf_counter()
    flow.run({"number": 0})
    return time.perf_counter() - began


def ours(sends: bool = True) -> float:
    from pocketflow_tracing import TracingConfig, flush, tracing

    flow, _ = program()
    config = TracingConfig(store=Path(tempfile.mkdtemp()) / "traces.db", langfuse_enabled=sends)
    began = time.perf_counter()
    with tracing(config):
        flow.run({"number": 0})
    took = time.perf_counter() - began
    flush(120)
    return took


def observe() -> float:
    from langfuse import get_client, observe

    flow, _ = program(lambda name, function: observe(name=f"Step.{name}")(function))
    run: Callable[[], object] = observe(name="Flow")(lambda: flow.run({"number": 0}))
    began = time.perf_counter()
    run()
    took = time.perf_counter() - began
    get_client().flush()
    return took


def start_observation() -> float:
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
    began = time.perf_counter()
    with client.start_as_current_observation(name="Flow"):
        flow.run({"number": 0})
    took = time.perf_counter() - began
    client.flush()
    return took


def batch_processor() -> float:
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
    began = time.perf_counter()
    with tracer.start_as_current_span("Flow"):
        flow.run({"number": 0})
    took = time.perf_counter() - began
    provider.force_flush()
    provider.shutdown()
    return took


def older() -> float:
    from pocketflow_tracing import trace_flow

    flow, flow_type = program()
    traced = trace_flow()(type("Traced", (flow_type,), {}))(start=flow.start_node)
    began = time.perf_counter()
    traced.run({"number": 0})
    return time.perf_counter() - began


CONTENDERS = {
    "untraced": untraced,
    "ours": ours,
    "ours, store only": lambda: ours(False),
    "langfuse @observe": observe,
    "langfuse start_observation": start_observation,
    "opentelemetry batch processor": batch_processor,
    "pocketflow-tracing 0.1.5": older,
}

"""What a span costs until it is in Langfuse, and how many arrive, beside other ways to send it.

    python benchmarks/shipping.py                 # makes an environment for each contender
    python benchmarks/shipping.py --heartbeat     # with LANGFUSE_* set: how late an event loop gets
    python benchmarks/shipping.py --outages       # how long a run takes while the server does not work
    python benchmarks/shipping.py --memory        # what a million spans take while it is away
    python benchmarks/shipping.py ours untraced   # only these, in the present environment where it has them

The same PocketFlow program runs everywhere: a node with prep, exec and post that is gone round `STEPS`
times. A server in a process of its own takes `SECONDS` for each request and counts what arrives.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STEPS = int(os.environ.get("STEPS", "5000"))
SECONDS = float(os.environ.get("SECONDS", "0.3"))
STATUS = int(os.environ.get("STATUS", "200"))
"""What the server answers."""
REQUIREMENTS = {
    "untraced": ["pocketflow"],
    "ours": [],
    "ours, store only": [],
    "langfuse @observe": ["pocketflow", "langfuse>=5,<6"],
    "langfuse start_observation": ["pocketflow", "langfuse>=5,<6"],
    "opentelemetry batch processor": [
        "pocketflow",
        "opentelemetry-sdk",
        "opentelemetry-exporter-otlp-proto-http",
    ],
    "pocketflow-tracing 0.1.5": ["pocketflow-tracing==0.1.5"],
}
SPANS_A_NODE = {"ours": 4, "ours, store only": 4, "untraced": 0}


# The program


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
    run = observe(name="Flow")(lambda: flow.run({"number": 0}))
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


# The event loop


def heartbeat(size: int = 5_000_000, runs: int = 20) -> None:
    """How late a beat of 1 ms is beside an async flow with big prompts, while traces are delivered."""
    import asyncio

    from pocketflow import AsyncFlow, AsyncNode

    from pocketflow_tracing import TracingConfig, flush, tracing

    late: list[float] = []

    class Ask(AsyncNode):
        async def prep_async(self, shared: Any) -> Any:
            return shared["prompt"]

        async def exec_async(self, prompt: Any) -> Any:
            await asyncio.sleep(0.05)
            return prompt[:1000]

    async def beat() -> None:
        while True:
            due = time.perf_counter() + 0.001
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - due)

    async def run() -> None:
        beating = asyncio.create_task(beat())
        for number in range(runs):
            await AsyncFlow(start=Ask()).run_async({"prompt": f"{number} hello " * (size // 8)})
            await asyncio.sleep(0.1)
        beating.cancel()

    for traces in (False, True):
        late.clear()
        config = TracingConfig(store=Path(tempfile.mkdtemp()) / "traces.db", enabled=traces)
        with tracing(config):
            asyncio.run(run())
        flush(60)
        late.sort()
        p99, worst = late[len(late) * 99 // 100] * 1e3, late[-1] * 1e3
        print(f"{'traced' if traces else 'untraced'}: late by {p99:.1f} ms at p99, by {worst:.1f} ms at most")


# Servers that do not work


def outages() -> None:
    """A run beside servers that are away, hang, or answer 503: medians, and the program's thread alone."""
    import socket

    hanging = socket.create_server(("127.0.0.1", 0), backlog=100)
    spans = STEPS * 4 + 1
    with serving(STATUS="503", SECONDS="0") as failing:
        hosts = {
            "untraced": "",
            "store only": "",
            "away": "http://127.0.0.1:9",
            "hangs": f"http://127.0.0.1:{hanging.getsockname()[1]}",
            "503": failing,
        }
        print(f"{spans:,} spans\n\n| | run | the program's thread, a span |\n|---|---:|---:|")
        base = 0.0
        for name, host in hosts.items():
            done = subprocess.run(
                [sys.executable, __file__, "--outage", name, host], capture_output=True, text=True, check=True
            )
            run, thread = json.loads(done.stdout)
            base = base or thread
            print(f"| {name} | {run * 1e3:.1f} ms | {(thread - base) / spans * 1e6:.1f} µs |", flush=True)


def outage(name: str, host: str, rounds: int = 15) -> None:
    """The median of a run's time, and of its thread's processor time, as JSON."""
    import statistics

    from pocketflow_tracing import TracingConfig, tracing
    from pocketflow_tracing.delivery import delivery

    flow, _ = program()
    keys = {"langfuse_public_key": "pk-lf-1", "langfuse_secret_key": "sk-lf-1", "langfuse_host": host}
    config = TracingConfig(
        store=Path(tempfile.mkdtemp()) / "traces.db", enabled=name != "untraced", **(keys if host else {})
    )
    took = []
    for _ in range(rounds):
        began, thread = time.perf_counter(), time.thread_time()
        with tracing(config):
            flow.run({"number": 0})
        took.append((time.perf_counter() - began, time.thread_time() - thread))
        delivery.flush(30, ships=False)
    print(json.dumps([statistics.median(column) for column in zip(*took, strict=True)]))


def memory(runs: int = 50) -> None:
    """The memory of a process that traces a million spans while the server is away."""
    from pocketflow_tracing import TracingConfig, flush, tracing

    flow, _ = program()
    config = TracingConfig(
        store=Path(tempfile.mkdtemp()) / "traces.db", langfuse_host="http://127.0.0.1:9",
        langfuse_public_key="pk-lf-1", langfuse_secret_key="sk-lf-1",
    )  # fmt: skip
    for number in range(1, runs + 1):
        with tracing(config):
            flow.run({"number": 0})
        if number in (1, runs // 2, runs):
            left = flush(60)
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
            print(
                f"{number * (STEPS * 4 + 1):,} spans: {resident / 2**20:.0f} MiB, {left:,} left", flush=True
            )


def measure(name: str) -> None:
    """Run one contender, and print its figures as JSON."""
    with contextlib.redirect_stdout(sys.stderr):
        took = CONTENDERS[name]()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps({"run": took, "processor": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss / 1024})
    )


# The server


class Counting(BaseHTTPRequestHandler):
    """Takes what comes and counts its spans."""

    protocol_version = "HTTP/1.1"
    spans: set[bytes | str] = set()
    lock = threading.Lock()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        time.sleep(SECONDS)
        if STATUS != 200:
            return self._answer({})
        with self.lock:
            self.spans.update(_ids(self.path, body))
        self._answer({"successes": [], "errors": []})

    def do_GET(self) -> None:
        self._answer(len(self.spans) if self.path == "/count" else {"data": [{"id": "p", "name": "p"}]})

    def _answer(self, content: Any) -> None:
        text = json.dumps(content).encode()
        self.send_response(STATUS)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def _ids(path: str, body: bytes) -> set[bytes | str]:
    if path.endswith("/ingestion"):
        events = json.loads(body)["batch"]
        return {event["body"]["id"] for event in events if event["type"].endswith("-create")}
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest.FromString(body)
    return {s.span_id for r in request.resource_spans for scope in r.scope_spans for s in scope.spans}


def serve() -> None:
    """Be the server, until stdin is closed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


@contextlib.contextmanager
def serving(**environment: str) -> Iterator[str]:
    """The address of a server in a process of its own."""
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment},
    ) as server:  # fmt: skip
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.communicate()


# Putting it together


def environment_of(name: str, folder: Path) -> str:
    """The interpreter of an environment with what `name` needs."""
    wanted = REQUIREMENTS[name]
    if not wanted:
        return sys.executable
    place = folder / "".join(letter for letter in "-".join(wanted) if letter.isalnum())
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *wanted], check=True)
    return str(python)


def figures(name: str, python: str) -> dict[str, Any]:
    """What one contender took, and what arrived."""
    import urllib.request

    with serving() as host:
        keys = {"LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-1"}
        outside = {**os.environ, **keys, "LANGFUSE_HOST": host, "LANGFUSE_BASE_URL": host}
        began = time.perf_counter()
        done = subprocess.run(
            [python, __file__, "--measure", name], env=outside, capture_output=True, text=True, timeout=600
        )
        whole = time.perf_counter() - began
        with urllib.request.urlopen(f"{host}/count") as answer:
            arrived = json.load(answer)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return {**json.loads(done.stdout.splitlines()[-1]), "whole": whole, "arrived": arrived}


def main(names: list[str]) -> None:
    """Print a table of all contenders."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(os.environ.get("ENVIRONMENTS", made))
        base = figures("untraced", sys.executable)
        print(f"{STEPS:,} nodes, {SECONDS:g} s a request\n")
        print("| | spans | arrived | processor time a span | run | process | memory |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for name in names or list(CONTENDERS):
            found = base if name == "untraced" else figures(name, environment_of(name, folder))
            spans = STEPS * SPANS_A_NODE.get(name, 3) + (name != "untraced")
            each = (found["processor"] - base["processor"]) / max(spans, 1) * 1e6
            print(
                f"| {name} | {spans:,} | {found['arrived']:,} | {each:.0f} µs | {found['run']:.2f} s "
                f"| {found['whole']:.1f} s | {found['memory']:.0f} MB |",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve()
    elif sys.argv[1:2] == ["--heartbeat"]:
        heartbeat()
    elif sys.argv[1:2] == ["--outages"]:
        outages()
    elif sys.argv[1:2] == ["--outage"]:
        outage(*sys.argv[2:4])
    elif sys.argv[1:2] == ["--memory"]:
        memory()
    elif sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
    else:
        main(sys.argv[1:])

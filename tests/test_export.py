"""A trace in the forms that other tools read, and the command that writes them."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from view_support import MS, TraceBuilder, support_flow

from pocketflow_tracing.cli.commands import commands
from pocketflow_tracing.export.otlp import otlp_form
from pocketflow_tracing.model import Generation, Span, SpanKind, Status, Trace
from pocketflow_tracing.store import Store
from pocketflow_tracing.view.chrome import chrome_form
from pocketflow_tracing.view.mermaid import mermaid

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs `export` in this process, with one trace in the store."""
    monkeypatch.setenv("POCKETFLOW_TRACING_STORE", str(tmp_path / "t.db"))
    store = Store(tmp_path / "t.db")
    store.end(support_flow().trace())

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(commands, ("export", *arguments), prog_name="pocketflow-tracing")

    yield run
    store.close()


def parsed(form: dict[str, Any]) -> list[Any]:
    """The spans of OTLP's JSON as protobuf reads them, which has ids in base64 where OTLP has hex."""

    def in_base64(value: Any) -> Any:
        if isinstance(value, list):
            return [in_base64(item) for item in value]
        if not isinstance(value, dict):
            return value
        ids = ("traceId", "spanId", "parentSpanId")
        return {
            name: base64.b64encode(bytes.fromhex(item)).decode() if name in ids else in_base64(item)
            for name, item in value.items()
        }

    request = ParseDict(in_base64(form), ExportTraceServiceRequest())
    (resourced,) = request.resource_spans
    (scoped,) = resourced.scope_spans
    assert scoped.scope.name == "pocketflow-tracing"
    return list(scoped.spans)


def test_otlp_json_is_read_back_by_protobuf() -> None:
    """Ids are hex, kinds are numbers, and every span is there with its parent and its true times."""
    trace = support_flow().trace()
    form = json.loads(json.dumps(otlp_form(trace)))
    spans = parsed(form)

    first = form["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert (first["traceId"], first["spanId"], first["kind"]) == (trace.id, "0000000000000001", 1)
    assert [
        (span.span_id.hex(), span.parent_span_id.hex() or None, span.start_time_unix_nano) for span in spans
    ] == [(span.span_id, span.parent_id, span.start_ns) for span in trace.spans]
    assert {span.trace_id.hex() for span in spans} == {trace.id}


def test_otlp_json_tells_of_errors_and_model_calls() -> None:
    """A recovered attempt has an exception and no error status; a generation has GenAI attributes."""
    build = support_flow()
    call = Generation(model="gpt-5", usage={"input": 12, "output": 3})
    build.add(build.spans[0], SpanKind.GENERATION, "chat", generation=call)
    spans = {span.name: span for span in parsed(otlp_form(build.trace()))}

    assert [event.name for event in spans["Read.exec"].events] == ["exception"]
    assert (spans["Read.exec"].status.code, spans["Classify.exec"].status.code) == (2, 0)
    told = {entry.key: entry.value for entry in spans["chat"].attributes}
    assert told["gen_ai.request.model"].string_value == "gpt-5"
    assert told["gen_ai.usage.input_tokens"].int_value == 12


def test_otlp_json_takes_whatever_a_value_may_hold() -> None:
    """Lone surrogates have no place in protobuf, and end nothing; a run that goes on has ends too."""
    build = TraceBuilder()
    build.add(None, SpanKind.FLOW, "odd \ud800", input={"text": "\ud800\x00"}, end_ns=None)
    (span,) = parsed(otlp_form(build.trace(end_ns=None)))

    assert span.name == "odd ?"
    assert span.end_time_unix_nano >= span.start_time_unix_nano


def events_of(trace: Trace) -> list[dict[str, Any]]:
    """The spans among Chrome's events, as JSON gives them."""
    form = json.loads(json.dumps(chrome_form(trace)))
    assert form["displayTimeUnit"] == "ms"
    return [event for event in form["traceEvents"] if event["ph"] == "X"]


def test_chrome_events_have_what_perfetto_asks_for() -> None:
    """Name, category, start and duration in microseconds, process and thread, and arguments."""
    trace = support_flow().trace()
    events = events_of(trace)

    assert events[1] == {
        "name": "Classify",
        "cat": "node",
        "ph": "X",
        "ts": 1000.0,
        "dur": 2000.0,
        "pid": 1,
        "tid": 2,
        "args": {
            "status": "ok",
            "span_id": "0000000000000002",
            "action": "route_ticket",
            "attempts": 2,
            "changes": events[1]["args"]["changes"],
        },
    }
    assert [event["name"] for event in events] == [span.name for span in trace.spans]
    assert events[3]["args"]["error"] == "TimeoutError: slow"
    assert (events[3]["cname"], events[8]["cname"]) == ("bad", "terrible")


def side_by_side() -> Trace:
    """Three items at once, each with a call in it, then a step when all are done."""
    build = TraceBuilder()

    def step(parent: Span | None, name: str, start: int, end: int | None) -> Span:
        ends = None if end is None else end * MS
        return build.add(parent, SpanKind.SPAN, name, start_ns=start * MS, end_ns=ends)

    root = step(None, "root", 0, 100)
    for number, (start, end) in enumerate([(1, 50), (2, 40), (3, 60)]):
        item = step(root, f"item {number}", start, end)
        step(item, f"call {number}", start + 10, end - 10)
    step(root, "after", 70, None)
    return build.trace(start_ns=0)


def test_chrome_draws_what_runs_side_by_side_on_lines_of_its_own() -> None:
    """On one line, whatever overlaps nests: that is what the tools take a line for."""
    events = events_of(side_by_side())

    assert {event["name"]: event["tid"] for event in events} == {
        "root": 1,
        "item 0": 1,
        "call 0": 1,
        "item 1": 2,
        "call 1": 2,
        "item 2": 3,
        "call 2": 3,
        "after": 1,
    }
    for one in events:
        for other in events:
            if one["tid"] == other["tid"] and one["ts"] <= other["ts"] < one["ts"] + one["dur"]:
                assert other["ts"] + other["dur"] <= one["ts"] + one["dur"]


def test_json_is_the_trace_itself(command: Command) -> None:
    """Without a format, everything: it can be read back as the same trace."""
    done = command("last")

    assert done.exit_code == 0
    kept = Trace.from_dict(json.loads(done.stdout))
    assert (kept.name, kept.status, len(kept.spans)) == ("Support", Status.OK, 9)


@pytest.mark.parametrize("form", ["json", "otlp", "chrome"])
def test_every_format_but_mermaid_is_json(command: Command, form: str) -> None:
    """What is printed is one JSON object, and nothing else."""
    assert isinstance(json.loads(command("a1b2c3d4", "--format", form).stdout), dict)


def test_mermaid_is_printed_as_it_is(command: Command) -> None:
    """The text goes straight into a Markdown file."""
    assert command("--format", "mermaid").stdout == mermaid(support_flow().trace())


def test_an_export_goes_to_a_file(command: Command, tmp_path: Path) -> None:
    """Then stdout says where it is."""
    done = command("-f", "chrome", "-o", str(tmp_path / "trace.json"))

    assert done.stdout == f"wrote {tmp_path / 'trace.json'}\n"
    assert len(json.loads((tmp_path / "trace.json").read_text())["traceEvents"]) > 9
    assert stat.S_IMODE((tmp_path / "trace.json").stat().st_mode) == 0o600


def test_an_export_goes_into_what_is_no_plain_file(command: Command, tmp_path: Path) -> None:
    """A pipe stays one."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # no command waits for somebody to read
    done = command("--format", "mermaid", "-o", str(pipe))
    read = os.read(reader, 65536).decode()
    os.close(reader)

    assert done.exit_code == 0
    assert read == mermaid(support_flow().trace())
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_dash_is_stdout_as_it_is_for_view(command: Command) -> None:
    """No file is made that is called so."""
    assert command("--format", "mermaid", "-o", "-").stdout == mermaid(support_flow().trace())


def test_an_export_that_cannot_be_written_says_why(command: Command, tmp_path: Path) -> None:
    """The file and the reason, on one line, and exit status 1."""
    done = command("-o", str(tmp_path / "nowhere" / "trace.json"))

    assert done.exit_code == 1
    assert done.stderr == (
        f"pocketflow-tracing: {tmp_path / 'nowhere' / 'trace.json'} cannot be written: "
        "No such file or directory\n"
    )

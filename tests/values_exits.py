"""Every way out of the process that a trace has, each as the text or the bytes that leave by it."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from cli_support import OURS, child
from click.testing import CliRunner
from dashboard_support import Dashboard, served
from otlp_server_support import TRACES_PATH, running_server

from pocketflow_tracing.cli.commands import commands
from pocketflow_tracing.cli.exporting import FORMATS
from pocketflow_tracing.model import Trace
from pocketflow_tracing.store import Store
from pocketflow_tracing.view.page import render_page
from pocketflow_tracing.view.page.bundle import script, style
from pocketflow_tracing.view.terminal import Look, TraceTree

_PROGRAM = Path(__file__).with_name("values_planting.py")
_KEYS = ("pk-lf-one", "sk-lf-one")


class Planted:
    """What the program that plants secrets left behind, mostly run by the command line.

    Its traces go to its file, its console, and to two servers while it runs. `group` is where it plants.
    """

    def __init__(self, folder: Path, group: str, redact: str) -> None:
        self.folder = folder
        self.path = folder / "traces.db"
        with ExitStack() as stack:
            langfuse, otlp = (stack.enter_context(running_server(keeps=True)) for _ in range(2))
            login = base64.b64encode(":".join(_KEYS).encode()).decode()
            self.environment = {
                "POCKETFLOW_TRACING_STORE": str(self.path),
                "POCKETFLOW_TRACING_REDACT": redact,
                "POCKETFLOW_TRACING_EXIT_TIMEOUT": "120",
                "POCKETFLOW_TRACING_MAX_VALUE_BYTES": "1000000",
                # What debugs is traced in another way.
                "POCKETFLOW_TRACING_DEBUG": "on" if group in ("names", "endings", "locals") else "off",
                "POCKETFLOW_TRACING_OTLP": "on",
                "LANGFUSE_BASE_URL": langfuse.host,
                "LANGFUSE_PUBLIC_KEY": _KEYS[0],
                "LANGFUSE_SECRET_KEY": _KEYS[1],
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": otlp.host + TRACES_PATH,
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS": f"authorization=Basic {login}",
            }
            runner = [sys.executable] if group == "locals" else [*OURS, "run"]
            self.done = child(
                [*runner, str(_PROGRAM), group], folder, environment=self.environment, deadline=170
            )
        assert self.done.returncode == 0, self.done.stderr[-2000:]
        self.traces = list(self._load())
        self.sent = {"langfuse": b"".join(langfuse.bodies), "otlp": b"".join(otlp.bodies)}
        for server in (langfuse, otlp):
            assert len({trace for _, trace, _, _ in server.rows}) == len(self.traces)

    def _load(self) -> Iterator[Trace]:
        store = Store(self.path)
        try:
            for trace in store.traces(limit=100_000):
                yield store.load(trace.id)
        finally:
            store.close()

    def each(self, nth: int) -> list[Trace]:
        """Every so-manieth trace, for what takes long and is made from the same values."""
        return self.traces[::nth]


def _file(planted: Planted) -> bytes:
    """Byte for byte, journal and all."""
    return b"".join(path.read_bytes() for path in planted.folder.iterdir() if path.is_file())


def _console(planted: Planted) -> str:
    """The trees, and what was said meanwhile."""
    return planted.done.stdout + planted.done.stderr


def _exported(form: str, nth: int = 1) -> Callable[[Planted], str]:
    write = FORMATS[form]
    return lambda planted: "\n".join(write(trace) for trace in planted.each(nth))


def _json(planted: Planted) -> str:
    return "\n".join(json.dumps(trace.to_dict()) for trace in planted.traces)


def _page(planted: Planted) -> str:
    """The pages, the code apart that all of them have."""
    code, look = script(), style()
    return "\n".join(render_page(trace).replace(code, "").replace(look, "") for trace in planted.each(5))


def _tree(planted: Planted) -> str:
    """What `show --full --values` prints."""
    return "\n".join(str(TraceTree(trace, Look(whole=True, values=True))) for trace in planted.each(5))


def _commands(planted: Planted) -> str:
    """What is printed of all traces, and of some."""
    asked = [["list", "-n", "10000"], ["list", "-n", "10000", "--json"], ["stats"], ["stats", "--json"]]
    for trace in planted.each(199):
        asked += [["show", trace.id], ["show", trace.id, "--json"], ["compare", trace.id]]
    return "".join(_printed(planted, arguments) for arguments in asked)


def _printed(planted: Planted, arguments: list[str]) -> str:
    done = CliRunner(env=planted.environment).invoke(commands, arguments, prog_name="pocketflow-tracing")
    assert done.exit_code in (0, 1), done.output  # 1: there is nothing to compare it with
    return done.output


def _dashboard(planted: Planted) -> bytes:
    """Lists and figures over all traces; for some, what their page, its streams and comparing ask for."""
    with served(planted.path) as dashboard:
        return b"\n".join(_answers(dashboard, planted.each(97)))


def _answers(dashboard: Dashboard, traces: Iterable[Trace]) -> Iterator[bytes]:
    for address in ("/api/count", "/api/choices", "/api/sessions?limit=500", "/api/metrics"):
        yield _answer(dashboard, address)
    yield from _pages(dashboard)
    with dashboard.client.stream("GET", "/api/changes") as stream:
        yield next(line for line in stream.iter_lines() if line.startswith("data")).encode()
    for trace in traces:
        for address in ("", "/find?text=note", "/changes"):
            yield _answer(dashboard, f"/api/traces/{trace.id}{address}")
        for span in trace.spans:
            yield _answer(dashboard, f"/api/traces/{trace.id}/spans/{span.span_id}")
        yield dashboard.client.get("/api/compare", params={"a": trace.id, "b": "last"}).content


def _pages(dashboard: Dashboard) -> Iterator[bytes]:
    """All pages of the list."""
    older, before = "", ""
    while older is not None:
        page = _answer(dashboard, "/api/traces?limit=500" + before)
        yield page
        older = json.loads(page)["older"]
        before = f"&before={older}"


def _answer(dashboard: Dashboard, address: str) -> bytes:
    answer = dashboard.client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.content


EXITS: dict[str, Callable[[Planted], str | bytes]] = {
    "file": _file,
    "console": _console,
    "JSON": _json,
    "page": _page,
    "tree": _tree,
    "commands": _commands,
    "chart": _exported("mermaid"),
    "OTLP as JSON": _exported("otlp", 5),
    "Chrome's trace": _exported("chrome", 3),
    "dashboard": _dashboard,
    "requests to Langfuse": lambda planted: planted.sent["langfuse"],
    "requests to another backend": lambda planted: planted.sent["otlp"],
}

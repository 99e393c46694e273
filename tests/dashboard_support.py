"""A dashboard in a process of its own, and stores for it to show."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from store_support import made_trace

from pocketflow_tracing.model import ErrorInfo, Status, Trace
from pocketflow_tracing.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Page

COMMAND = [sys.executable, "-m", "pocketflow_tracing", "ui", "--no-open"]


class Dashboard:
    """A dashboard that runs; `url` is where."""

    def __init__(self, store: Path, port: int = 0) -> None:
        self.store = store
        self.child = subprocess.Popen(
            [*COMMAND, "--port", str(port), "--store", str(store)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.child.stdout is not None and self.child.stderr is not None
        line = self.child.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found, line + self.child.stderr.read()
        self.url, self.port = found[0].rstrip("/"), int(found[1])
        # Not verifying anything saves a tenth of a second: it loads no certificates.
        self.client = httpx.Client(base_url=self.url, timeout=60, verify=False, trust_env=False)

    def end(self, how: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """End it as Ctrl-C does; its exit status and what it said on stderr."""
        self.child.send_signal(how)
        _, err = self.child.communicate(timeout=60)
        return self.child.returncode, err


@contextmanager
def served(store: Path, page: Page | None = None, port: int = 0) -> Iterator[Dashboard]:
    """A dashboard over a store; killed at the end if it is still there, when `page` has left it."""
    dashboard = Dashboard(store, port)
    try:
        yield dashboard
    finally:
        if page is not None:
            page.goto("about:blank")
        dashboard.client.close()
        dashboard.child.kill()
        dashboard.child.communicate(timeout=60)


def kept(path: Path, *traces: Trace) -> Path:
    """The store at `path`, with these traces in it."""
    with closing(Store(path)) as store:
        for trace in traces:
            store.end(trace)
    return path


def failed(trace: Trace) -> Trace:
    """The trace, ended by an error in its last step."""
    trace.status = trace.spans[0].status = trace.spans[-1].status = Status.ERROR
    trace.spans[-1].error = ErrorInfo("TimeoutError", "the model took too long", "Traceback: in ask_model")
    trace.spans[0].error = ErrorInfo(
        "TimeoutError", "the model took too long", raised_in=trace.spans[-1].span_id
    )
    return trace


def trace(number: int, name: str, **fields: Any) -> Trace:
    """A trace of two spans with this name; `fields` are set on it."""
    made = made_trace(number)
    made.name = made.spans[0].name = name
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def rows(page: Page) -> list[str]:
    """The names in the list, from top to bottom."""
    return page.locator("tbody a.name").all_inner_texts()


def serious(page: Page) -> list[str]:
    """What axe-core finds in a page that keeps people out of it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:120]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


Opened = Callable[..., "Page"]

"""Pictures of the dashboard, over a week in which the examples ran again and again."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from pocketflow_tracing.model import ErrorInfo, Generation, SpanKind, Status, Trace
from pocketflow_tracing.store import Store
from pocketflow_tracing.testing import capture_traces

EXAMPLES = {"support_tickets": 8, "research_agent": 3, "school_report": 1}
"""How often each runs, beside the others."""
RUNS = 900
WEEK_NS = 7 * 86_400 * 10**9
SIZE = {"width": 1280, "height": 800}

Shot = Callable[[Browser, Path], bytes]


def shot_of(address: str, ready: str, scheme: str = "light") -> Shot:
    """The page at `address`, once `ready` is in it."""

    def shoot(browser: Browser, folder: Path) -> bytes:
        with served(folder) as url:
            page = opened(browser, scheme)
            page.goto(url + address)
            page.locator(ready).first.wait_for()
            page.wait_for_timeout(300)  # until plots have taken their width
            return page.screenshot()

    return shoot


def compared(browser: Browser, folder: Path) -> bytes:
    """Two runs of a flow side by side."""
    with served(folder) as url:
        page = opened(browser, "light")
        ids = [
            page.request.get(f"{url}/api/traces?status=ok&text={text}&limit=1").json()["traces"][0]["id"]
            for text in ("charged", "urgent")
        ]
        page.goto(f"{url}/compare?a={ids[0]}&b={ids[1]}")
        page.locator(".side").first.wait_for()
        return page.screenshot(clip={"x": 0, "y": 0, "width": 1280, "height": 640})


SHOTS: dict[str, Shot] = {
    "dashboard-traces-light": shot_of("/", "tbody a.name"),
    "dashboard-traces-dark": shot_of("/", "tbody a.name", "dark"),
    "dashboard-metrics": shot_of("/metrics?since=7d", ".plot-bar"),
    "dashboard-compare": compared,
}


def opened(browser: Browser, scheme: str) -> Page:
    """An empty page."""
    return browser.new_context(viewport=SIZE, color_scheme=scheme, device_scale_factor=1.5).new_page()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A dashboard over the week; where it is."""
    command = [sys.executable, "-m", "pocketflow_tracing", "ui", "--no-open", "--port", "0", "--store"]
    with subprocess.Popen([*command, str(week(folder))], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        yield child.stdout.readline().split()[-1].rstrip("/")
        child.terminate()


def week(folder: Path) -> Path:
    """The store with the runs of a week."""
    path = folder / "week.db"
    if not path.exists():
        chosen = random.Random(3)
        ran = {example: traces_of(example) for example in EXAMPLES}
        with closing(Store(path)) as store:
            for number in range(RUNS):
                example = chosen.choices(list(EXAMPLES), list(EXAMPLES.values()))[0]
                store.end(run_again(chosen.choice(ran[example]), number, chosen))
    return path


def traces_of(example: str) -> list[Trace]:
    """What an example leaves."""
    with capture_traces() as traces, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module(example).main()
    return traces


def run_again(trace: Trace, number: int, chosen: random.Random) -> Trace:
    """The trace as if it had run at some time of the week, a little slower or faster."""
    again = Trace.from_dict(trace.to_dict())
    again.id = again.trace_id = f"{chosen.getrandbits(128):032x}"
    start = time.time_ns() - (WEEK_NS - number * WEEK_NS // RUNS) - chosen.randrange(10**12)
    slower = chosen.lognormvariate(5.5, 0.6)
    moments = [(span, span.start_ns - trace.start_ns, span.duration_ns or 0) for span in again.spans]
    for span, offset, took in moments:
        span.trace_id = again.id
        span.start_ns = start + int(offset * slower)
        span.end_ns = span.start_ns + int(took * slower)
        if span.kind is SpanKind.EXEC:  # as if the examples asked a model
            usage = {"input": chosen.randrange(200, 900), "output": chosen.randrange(20, 300)}
            price = usage["input"] * 2.5e-6 + usage["output"] * 1e-5
            span.generation = Generation("gpt-4o", {}, usage, {"total": price})
    again.start_ns, again.end_ns = start, again.spans[0].end_ns
    again.session_id, again.user_id = f"chat-{number // 5}", chosen.choice(["ada", "ben", "chloe"])
    again.tags, again.project = chosen.choice([[], ["nightly"], ["v2"], ["nightly", "v2"]]), "examples"
    if chosen.random() < 0.06:
        fail(again)
    return again


def fail(trace: Trace) -> None:
    """End it with the error of a model that did not answer."""
    last = trace.spans[-1]
    last.error = ErrorInfo("TimeoutError", "the model took too long", "Traceback …")
    trace.spans[0].error = ErrorInfo("TimeoutError", "the model took too long", raised_in=last.span_id)
    trace.status = trace.spans[0].status = last.status = Status.ERROR

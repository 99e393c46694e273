"""Long traces, running traces, notebooks and readers of all kinds: the page as a component."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from page_support import Shown, agent, opened, row, titles
from view_support import MS, long_loop, support_flow

from pocketflow_tracing import tracing
from pocketflow_tracing.model import Status, Trace
from pocketflow_tracing.view.page.bundle import ASSETS, STYLES
from pocketflow_tracing.view.page.form import page_form, values_form

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

ADDRESS = "http://127.0.0.1:1/"
DASHBOARD = f"""\
<!doctype html><html lang="en"><title>Traces</title><link rel="icon" href="data:,">
{"".join(f'<link rel="stylesheet" href="/assets/{name}">' for name in STYLES)}
<main></main><script type="module" src="/dashboard.js"></script>
"""
SCRIPT = """\
import { TracePage } from "/assets/trace-page.js";
const get = async (path) => (await fetch(path)).json();
const values = (id) => get(`/values/${id}`);
const find = async (query, isCurrent) => get(`/find/${query}`);
window.page = new TracePage(document.querySelector("main"), await get("/form"), { values, find });
"""


class Dashboard:
    """Serves a trace as a server would, without one: the browser's requests are answered here."""

    def __init__(self, page: Page, trace: Trace) -> None:
        self.page = page
        self.trace = trace
        self.asked: list[str] = []
        page.route("**/*", self.answer)
        page.goto(ADDRESS)
        page.locator(".row").first.wait_for()

    def answer(self, route: Route) -> None:
        """What stands at the address that was asked for."""
        path = route.request.url.removeprefix(ADDRESS)
        kind, _, name = path.partition("/")
        if kind == "assets":
            kinds = {".js": "text/javascript", ".css": "text/css"}
            route.fulfill(body=(ASSETS / name).read_text(), content_type=kinds[Path(name).suffix])
        elif kind == "dashboard.js":
            route.fulfill(body=SCRIPT, content_type="text/javascript")
        elif kind == "":
            policy = (
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
            )
            route.fulfill(
                body=DASHBOARD, content_type="text/html", headers={"Content-Security-Policy": policy}
            )
        else:
            route.fulfill(json=self.found(kind, name))

    def found(self, kind: str, name: str) -> Any:
        """The trace, the values of a span, or the spans that hold a text."""
        if kind == "form":
            return page_form(self.trace)
        if kind == "values":
            self.asked.append(name[-2:])
            return next(values_form(span) for span in self.trace.spans if span.span_id == name)
        return [span.span_id for span in self.trace.spans if name in json.dumps(values_form(span))]

    def update(self, *numbers: int) -> None:
        """Send the trace as it is now, of its spans those with these numbers."""
        form = page_form(self.trace)
        form["spans"] = [form["spans"][number] for number in numbers]
        self.page.evaluate("form => window.page.update(form)", form)


@pytest.fixture
def shown(open_page: Callable[..., Page], tmp_path: Path) -> Shown:
    """Opens the page of a trace in the browser."""

    def show(trace: Trace, fragment: str = "", **options: Any) -> Page:
        return opened(open_page, tmp_path, trace, fragment, **options)

    return show


def running() -> Trace:
    """A trace whose first node runs."""
    build = support_flow()
    build.spans = build.spans[:3]
    for span in build.spans:
        span.end_ns, span.status = None, Status.UNSET
    build.spans[0].attributes = {}
    build.spans[1].node_key = "Classify"
    return build.trace(end_ns=None)


def test_a_running_trace_grows_in_place(page: Page) -> None:
    """New, changed and ended spans appear; what the reader chose and folded stays."""
    dashboard = Dashboard(page, running())
    row(page, "Classify").click()
    before = (page.locator(".badge").first.inner_text(), page.locator(".node").first.get_attribute("class"))
    node, prep = dashboard.trace.spans[1:]
    prep.end_ns, prep.status, prep.output = prep.start_ns + 4 * MS, Status.OK, "done"
    later = support_flow().spans[6]
    dashboard.trace.spans.append(later)
    dashboard.update(2, 3)

    assert before == ("running", "node is-running is-selected")
    assert titles(page) == ["Support", "Classify", "prep", "iteration 0"]
    assert page.locator(".row.is-selected .row-title").inner_text() == "Classify"
    assert row(page, "prep").locator(".row-took").inner_text() == "4.00 ms"
    row(page, "prep").click()
    page.locator(".section", has_text="done").wait_for()

    node.end_ns, node.status = node.start_ns + 5 * MS, Status.OK
    prep.output = "done again"
    dashboard.update(1, 2)
    page.locator(".section", has_text="done again").wait_for()
    assert page.locator(".node").first.get_attribute("class") == "node is-taken is-selected"
    assert dashboard.asked.count("03") == 2

    row(page, "Support").click()
    dashboard.trace.metadata = {"ticket": 7}
    dashboard.update()
    page.locator(".section", has_text="Metadata of the trace").get_by_text("ticket").wait_for()


def test_values_and_finds_may_come_from_a_server(page: Page) -> None:
    """They are asked for when they are looked at, and found by whoever has them."""
    dashboard = Dashboard(page, agent())
    page.keyboard.press("/")
    page.keyboard.type("12345678901234567890")
    page.locator(".found", has_text="1 step").wait_for()
    page.keyboard.press("Enter")
    page.locator(".section", has_text="12345678901234567890").wait_for()
    page.locator(".row-title", has_text="chat").wait_for()  # the rows are drawn with the next frame

    assert titles(page) == ["Agent", "Answer", "exec", "chat"]
    assert dashboard.asked == ["0e", "0f"]


def test_a_page_that_goes_leaves_nothing(page: Page) -> None:
    """After `destroy`, no key and no address does anything."""
    Dashboard(page, agent())
    page.evaluate("window.page.destroy()")
    page.keyboard.press("?")
    page.evaluate("location.hash = '0000000000000001'")

    assert page.locator("main").inner_html() == ""


def test_five_thousand_steps_take_as_many_rows_as_the_screen_has(shown: Shown, tmp_path: Path) -> None:
    """The file stays below 3 MB beside its values, and the page below 100 rows wherever one looks."""
    page = shown(long_loop(1_250).trace())
    counts = []
    for key in ("o", "End", "PageUp"):
        page.keyboard.press(key)
        counts.append(len(titles(page)))

    assert (tmp_path / "trace.html").stat().st_size < 3_000_000
    assert max(counts) < 100
    assert page.locator("[role=treeitem]").last.get_attribute("aria-setsize") == "5001"
    page.keyboard.press("End")
    assert page.locator(".row.is-selected .row-title").inner_text() == "post"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(shown: Shown, scheme: str) -> None:
    """axe finds no serious fault: not in colours, nor names, nor roles, with every section open."""
    from axe_playwright_python.sync_playwright import Axe

    page = shown(agent(), color_scheme=scheme, bypass_csp=True)
    for summary in page.locator(".inspector summary").all():
        summary.click()
    found = Axe().run(page).response["violations"]
    page.keyboard.press("Home")
    found += Axe().run(page).response["violations"]
    page.keyboard.press("?")
    found += Axe().run(page).response["violations"]

    assert {
        (fault["id"], fault["nodes"][0]["html"])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    } == set()


def test_a_notebook_shows_a_trace_in_a_frame(page: Page) -> None:
    """The frame holds the whole page; it has no address, no storage, and no way to the notebook."""
    page.set_content(agent()._repr_html_())
    frame = page.frame_locator("iframe")
    frame.locator(".row", has_text="Decide").first.click()

    assert "Plan" in frame.locator(".inspector").inner_text()
    inside = page.frames[1]
    assert (
        inside.evaluate("(() => { try { return parent.document.title } catch { return 'refused' } })()")
        == "refused"
    )


def test_a_notebook_is_not_filled_with_values(page: Page) -> None:
    """Past some size the values stay away, and it is said where they are."""
    trace = agent()
    for span in trace.spans:
        span.output = "x" * 1_000_000
    html = trace._repr_html_()
    page.set_content(html)
    frame = page.frame_locator("iframe")
    frame.locator(".row", has_text="chat").last.click()

    assert len(html) < 4_000_000
    assert "pocketflow-tracing view a1b2c3d4" in frame.locator(".inspector").inner_text()


def test_a_scope_shows_its_last_traces() -> None:
    """What `tracing()` gives renders as the traces in it."""
    from pocketflow import Flow, Node

    with tracing() as scope:
        empty = scope._repr_html_()
        for _ in range(4):
            Flow(start=Node()).run({})

    assert empty == "<p>No run has ended in this scope yet.</p>"
    html = scope._repr_html_()
    assert html.startswith("<p>The last 3 of 4 traces:</p><iframe")
    assert html.count("<iframe") == 3

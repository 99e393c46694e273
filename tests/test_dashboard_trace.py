"""The page of a trace in the dashboard: what it shows, and how it grows while the run goes on."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser_support import address
from dashboard_support import Dashboard, Opened, failed, kept, serious, served, trace
from pocketflow import Flow, Node
from store_support import made_trace, start_child

from pocketflow_tracing import TracingConfig, flush, tracing
from pocketflow_tracing.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api").expect

KILLED = """
import os, sys
from pocketflow import Flow, Node
from pocketflow_tracing import TracingConfig, tracing

class Endless(Node):
    def exec(self, prep_res):
        sys.stdin.readline()

with tracing(config=TracingConfig(store=sys.argv[1])):
    Flow(start=Endless()).run({})
"""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard over a trace that failed."""
    with served(
        kept(tmp_path_factory.mktemp("trace") / "traces.db", failed(trace(1, "Support")))
    ) as dashboard:
        yield dashboard


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard over a store of the test's own."""
    with served(tmp_path / "traces.db") as dashboard:
        yield dashboard


class Gate:
    """A place in a program where it waits until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def wait(self) -> None:
        """Wait there, in the program."""
        self.reached.set()
        assert self.opened.wait(60)


@contextmanager
def running(store: Path, *gates: Gate) -> Iterator[None]:
    """A traced run under way in another thread: one node a gate."""

    class Step(Node):
        def __init__(self, gate: Gate) -> None:
            super().__init__()
            self.gate = gate

        def prep(self, shared: dict[str, Any]) -> int:
            shared["steps"] = shared.get("steps", 0) + 1
            return shared["steps"]

        def exec(self, prep_res: int) -> str:
            self.gate.wait()
            return f"step {prep_res} of {len(gates)}"

    def run() -> None:
        first = node = Step(gates[0])
        for gate in gates[1:]:
            node = node.next(Step(gate))
        with tracing(config=TracingConfig(store=store), flow_name="Growing"):
            Flow(start=first).run({})
        flush(20)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        for gate in gates:
            gate.opened.set()
        thread.join(60)


def titles(page: Page, *names: str) -> None:
    """Wait until the tree holds these steps, from top to bottom."""
    expect(page.locator(".row-title")).to_have_text(list(names))


def test_the_page_shows_tree_graph_and_values(dashboard: Dashboard, page: Page) -> None:
    """The same parts as the file that `view` writes; values come when they are looked at."""
    page.goto(f"{dashboard.url}/traces/{1:032x}")
    titles(page, "Support", "Node1")
    expect(page.locator(".headline h1")).to_have_text("Support")
    expect(page.locator(".inspector")).to_contain_text("the model took too long")
    expect(page.locator(".inspector")).to_contain_text("Traceback: in ask_model")

    page.locator(".row-title").first.click()
    expect(page.locator(".inspector")).to_contain_text("Input · shared")
    assert address(page).endswith(f"/traces/{1:032x}#{1:016x}")


def test_the_search_looks_into_values(dashboard: Dashboard, page: Page) -> None:
    """Also into those that were not loaded, and into stack traces."""
    page.goto(f"{dashboard.url}/traces/{1:032x}")
    for text, found in {
        "TEXT": "2 steps",
        "ask_model": "1 step",
        'seq"': "0 steps",
        "nothing such": "0 steps",
    }.items():
        page.get_by_role("searchbox").fill(text)
        expect(page.locator(".found")).to_have_text(found)


@pytest.mark.parametrize("name", ["last", "0" * 31, f"{1:032X}"])
def test_a_trace_is_found_by_what_names_it(dashboard: Dashboard, page: Page, name: str) -> None:
    """`last`, or the start of an id; the address says the whole id then."""
    page.goto(f"{dashboard.url}/traces/{name}")
    titles(page, "Support", "Node1")
    assert address(page).startswith(f"{dashboard.url}/traces/{1:032x}")


@pytest.mark.parametrize("name", ["abc", "a/b", "<img src=x>", "%00", "x" * 3000, "0'--", "%"])
def test_a_trace_that_is_not_there_is_told(
    dashboard: Dashboard, page: Page, faults: list[str], name: str
) -> None:
    """Whatever the address says, it is text."""
    page.goto(f"{dashboard.url}/traces/x")
    page.evaluate("name => location.assign(`/traces/${name}`)", name)
    expect(page.locator(".trouble")).to_contain_text("no trace")
    assert page.locator("img:not([src='/static/icon.svg'])").count() == 0
    faults.clear()


def test_a_running_trace_grows_while_one_looks(fresh: Dashboard, page: Page) -> None:
    """It turns up in the list, its steps as they start and end, and its end: without a reload."""
    first, second = Gate(), Gate()
    page.goto(fresh.url)
    with running(fresh.store, first, second):
        page.get_by_role("link", name="Growing").click()
        titles(page, "Growing", "Step", "prep", "exec")
        expect(page.locator(".summary .badge")).to_have_text("running")
        expect(page.locator("#live")).to_have_text("live")
        page.evaluate("document.querySelector('.tree').dataset.kept = 'yes'")

        first.opened.set()
        titles(page, "Growing", "Step", "prep", "exec", "Step#2", "prep", "exec")
        second.opened.set()
        expect(page.locator(".summary .badge")).to_have_text("ok")
        titles(page, "Growing", "Step", "prep", "exec", "Step#2", "prep", "exec")
        page.locator(".row-title", has_text="exec").last.click()
        expect(page.locator(".inspector")).to_contain_text("step 2 of 2")
        expect(page.locator("#live")).to_have_text("")
    assert page.locator(".tree[data-kept=yes]").count() == 1


def test_a_running_trace_goes_on_growing_after_a_restart(
    fresh: Dashboard, page: Page, faults: list[str]
) -> None:
    """What happened while nobody served it is there as well."""
    gates = [Gate(), Gate(), Gate()]
    with running(fresh.store, *gates):
        assert gates[0].reached.wait(20)
        page.goto(fresh.url)
        page.get_by_role("link", name="Growing").click()
        titles(page, "Growing", "Step", "prep", "exec")
        assert fresh.end() == (0, "")
        gates[0].opened.set()
        assert gates[1].reached.wait(20)
        gates[1].opened.set()
        with served(fresh.store, page, fresh.port):
            titles(
                page, "Growing", "Step", "prep", "exec", "Step#2", "prep", "exec", "Step#3", "prep", "exec"
            )
            gates[2].opened.set()
            expect(page.locator(".summary .badge")).to_have_text("ok")
    faults.clear()


def test_a_run_whose_process_dies_is_shown_as_interrupted(fresh: Dashboard, page: Page) -> None:
    """While one looks, within seconds."""
    page.goto(fresh.url)
    child = start_child(KILLED, fresh.store)
    page.locator("tbody a.name").click()
    expect(page.locator(".summary .badge")).to_have_text("running")
    child.kill()
    expect(page.locator(".summary .badge")).to_have_text("interrupted", timeout=20_000)
    expect(page.locator("#live")).to_have_text("")


def test_a_trace_that_is_deleted_while_one_looks_is_told(fresh: Dashboard, page: Page) -> None:
    """What was read of it stays."""
    store = Store(fresh.store)
    store.begin(made_trace(1, ended=False))
    page.goto(f"{fresh.url}/traces/last")
    expect(page.locator("#live")).to_have_text("live")
    store.delete_all()
    store.close()
    expect(page.locator(".trouble")).to_contain_text("This trace was deleted")


def test_only_what_is_new_is_sent(fresh: Dashboard) -> None:
    """A stream gives the spans that changed since the place it is asked from, and where it is then."""
    store = Store(fresh.store)
    open_one = made_trace(1, spans=3, ended=False)
    store.begin(open_one)
    store.write(open_one.spans[:2])
    place = fresh.client.get(f"/api/traces/{1:032x}").json()["place"]
    assert place == "2-1"
    store.write(open_one.spans[2:])
    with fresh.client.stream("GET", f"/api/traces/{1:032x}/changes?since={place}") as answer:
        events = _events(answer.iter_lines())
        id, name, form = next(events)
        assert (id, name, [span["name"] for span in form["spans"]]) == ("3-1", "grown", ["Flow", "Node2"])
        store.end(made_trace(1, spans=0))
        store.write(made_trace(1, spans=1).spans)
        names = []
        for id, name, form in events:
            names.append((id, name, [span["name"] for span in form.get("spans", ())]))
    store.close()
    assert [entry for entry in names if entry[1] == "ended" or entry[2]] in (
        [("3-", "grown", ["Flow"]), ("", "ended", [])],
        [("", "ended", [])],
    )


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Id, name and data of each event of a stream."""
    said: dict[str, str] = {}
    for line in lines:
        field, _, value = line.partition(": ")
        if line:
            said[field] = value
        elif "event" in said:
            yield said.get("id", ""), said["event"], json.loads(said["data"])
            said = {}


def test_hostile_texts_are_texts(tmp_path: Path, page: Page) -> None:
    """In every name, id and value, in lists and pages, also where a text turns the direction of others."""
    evil = "</script><img src=x onerror=alert(1)><script>alert(2)</script>'\"`&amp;\u202e\x00\x1b[31m\ud800"
    hostile = failed(
        trace(
            1, evil, session_id=evil, user_id=evil, tags=[evil], project=evil,
            metadata={evil: evil}, variant=evil, release=evil,
        )
    )  # fmt: skip
    hostile.spans[1].name = hostile.spans[1].node_key = evil
    hostile.spans[1].attributes = {"action": evil, "warnings": [evil]}
    hostile.spans[1].input = {evil: [evil], "big": "<b>" * 1_000_000}
    hostile.spans[1].status_message = evil
    assert hostile.spans[1].error is not None
    hostile.spans[1].error.message = hostile.spans[1].error.stacktrace = evil
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    with served(kept(tmp_path / "traces.db", hostile), page) as dashboard:
        for path in ("/", "/sessions", "/metrics", "/traces/last"):
            page.goto(dashboard.url + path)
            expect(page.locator("tbody a.name, .headline h1").first).to_contain_text(
                "<img src=x onerror=alert(1)>"
            )
            assert page.locator("img:not([src='/static/icon.svg'])").count() == 0
            assert page.locator("script").count() == 1
        page.goto(dashboard.url)
        page.locator("tbody .who a").first.click()
        expect(page.locator(".chip:not(.chip-all)")).to_have_text(re.compile("^session: </script>"))
        expect(page.locator("tbody a.name")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(dashboard: Dashboard, open_page: Opened, scheme: str) -> None:
    """axe-core finds no serious fault in the page of a trace."""
    page = open_page(color_scheme=scheme)
    page.goto(f"{dashboard.url}/traces/last")
    titles(page, "Support", "Node1")
    assert serious(page) == []

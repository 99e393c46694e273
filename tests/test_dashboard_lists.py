"""The lists of the dashboard in a real browser: traces and sessions, filtered, in pages, and live."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser_support import address
from dashboard_support import Dashboard, Opened, failed, kept, rows, serious, served, trace

from pocketflow_tracing.model import Status
from pocketflow_tracing.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api").expect
HOUR_NS = 3600 * 1_000_000_000


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard over five traces that differ in everything one can filter by."""
    old = trace(1, "Old", tags=[], session_id=None)
    old.start_ns -= 30 * HOUR_NS
    traces = [
        old,
        trace(2, "Support", session_id="chat-1", user_id="ada", tags=["nightly"], project="desk"),
        failed(trace(3, "Support", session_id="chat-1", user_id="ben", tags=["nightly", "v2"])),
        trace(4, "Research", session_id=None, tags=[], status=Status.CANCELLED),
        trace(5, "Translate", session_id="chat-2", metadata={"language": "Klingon"}, tags=[]),
    ]
    with served(kept(tmp_path_factory.mktemp("lists") / "traces.db", *traces)) as dashboard:
        yield dashboard


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard over a store that is not there yet."""
    with served(tmp_path / "traces.db") as dashboard:
        yield dashboard


def listed(page: Page, *names: str) -> None:
    """Wait until the list holds these names, from top to bottom."""
    expect(page.locator("tbody a.name")).to_have_text(list(names))


def test_the_list_shows_all_traces_newest_first(dashboard: Dashboard, page: Page) -> None:
    """With how each ended, how long it took, and whose it was."""
    page.goto(dashboard.url)
    listed(page, "Translate", "Research", "Support", "Support", "Old")

    row = page.locator("tbody tr").nth(2)
    assert row.locator("td").all_inner_texts()[1:2] + row.locator("td").all_inner_texts()[3:] == [
        "error\nSupport", "1.00 µs", "1", "", "1", "", "", "chat-1", "ben", "nightlyv2",
    ]  # fmt: skip
    expect(page.locator(".total")).to_have_text("5 traces")
    assert page.title() == "Traces · pocketflow-tracing"


FILTERED = {
    "name=Support": ["Support", "Support"],
    "name=*ans*": ["Translate"],
    "status=error": ["Support"],
    "status=cancelled": ["Research"],
    "session=chat-1": ["Support", "Support"],
    "user=ada": ["Support"],
    "tag=v2": ["Support"],
    "project=desk": ["Support"],
    "text=took+too+long": ["Support"],
    "name=Support&user=ben&status=error": ["Support"],
}


def test_every_filter_narrows_the_list(dashboard: Dashboard) -> None:
    """Alone, and together with others."""
    for query, names in FILTERED.items():
        page = dashboard.client.get(f"/api/traces?{query}").json()
        assert [found["name"] for found in page["traces"]] == names, query
        if not query.startswith("text="):
            assert dashboard.client.get(f"/api/count?{query}").json() == {"count": len(names)}


@pytest.mark.parametrize(
    "query",
    [
        "status=well",
        "limit=0",
        "limit=x",
        "since_ms=-1",
        f"text={'x' * 1001}",
        "before=abc",
        "after=1-x",
        "before=1&after=[",
    ],
)
def test_what_makes_no_sense_is_the_requests_fault(dashboard: Dashboard, query: str) -> None:
    """Not that of the store."""
    answer = dashboard.client.get(f"/api/traces?{query}")
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_the_address_carries_the_filters(dashboard: Dashboard, page: Page) -> None:
    """A list can be kept as a link, and there is one chip for each filter."""
    page.goto(f"{dashboard.url}/?since=24h")
    listed(page, "Translate", "Research", "Support", "Support")
    page.goto(f"{dashboard.url}/?text=klingon&project=dashboard")
    expect(page.locator(".empty")).to_contain_text("No trace matches.")
    assert page.locator(".chip").all_inner_texts() == [
        "text: klingon\n×",
        "project: dashboard\n×",
        "Clear all",
    ]


def test_a_chip_takes_its_filter_off(dashboard: Dashboard, page: Page) -> None:
    """The others stay."""
    page.goto(f"{dashboard.url}/?name=Support&user=ben")
    listed(page, "Support")
    page.get_by_role("button", name="Take the filter away: user: ben").click()
    listed(page, "Support", "Support")
    assert address(page) == f"{dashboard.url}/?name=Support"


def test_filters_are_typed_and_chosen(dashboard: Dashboard, page: Page) -> None:
    """The list follows, and so does the address; going back undoes it."""
    page.goto(dashboard.url)
    page.get_by_role("searchbox").fill("klingon")
    listed(page, "Translate")
    page.get_by_role("searchbox").fill("")
    listed(page, "Translate", "Research", "Support", "Support", "Old")
    page.locator("[name=status]").select_option("error")
    listed(page, "Support")
    assert address(page) == f"{dashboard.url}/?status=error"

    page.go_back()
    listed(page, "Translate", "Research", "Support", "Support", "Old")
    page.get_by_text("More filters").click()
    page.locator("[name=tag]").fill("v2")
    listed(page, "Support")
    assert address(page) == f"{dashboard.url}/?tag=v2"


def test_a_click_on_a_session_user_or_tag_narrows_the_list(dashboard: Dashboard, page: Page) -> None:
    """One link each."""
    page.goto(dashboard.url)
    page.get_by_role("link", name="nightly").first.click()
    listed(page, "Support", "Support")
    page.get_by_role("link", name="ben").click()
    listed(page, "Support")
    assert address(page) == f"{dashboard.url}/?tag=nightly&user=ben"


def test_nothing_found_says_so(dashboard: Dashboard, page: Page) -> None:
    """With a way back to everything."""
    page.goto(f"{dashboard.url}/?name=Nobody")
    expect(page.locator(".empty")).to_contain_text("No trace matches.")
    page.get_by_role("button", name="Clear the filters").click()
    listed(page, "Translate", "Research", "Support", "Support", "Old")


def test_keys_lead_through_the_list(dashboard: Dashboard, page: Page) -> None:
    """j and k go down and up, Enter opens, / goes to the search."""
    page.goto(dashboard.url)
    listed(page, "Translate", "Research", "Support", "Support", "Old")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.textContent") == "Research"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "text"
    page.locator("tbody a.name").nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/traces/*")


def test_pages_lead_through_a_long_list(tmp_path: Path, page: Page) -> None:
    """120 traces make three pages; cursors stay right when newer traces come."""
    store = kept(tmp_path / "traces.db", *(trace(number, f"Flow {number}") for number in range(1, 121)))
    with served(store, page) as dashboard:
        page.goto(dashboard.url)
        expect(page.locator("tbody a.name")).to_have_count(50)
        expect(page.locator(".total")).to_have_text("120 traces")
        page.get_by_role("link", name="Older").click()
        expect(page.locator("tbody a.name").first).to_have_text("Flow 70")
        kept(store, trace(121, "Flow 121"))
        page.get_by_role("link", name="Older").click()
        expect(page.locator("tbody a.name")).to_have_text([f"Flow {number}" for number in range(20, 0, -1)])
        assert page.get_by_role("link", name="Older").count() == 0
        page.get_by_role("link", name="Newer").click()
        expect(page.locator("tbody a.name").first).to_have_text("Flow 70")
        page.get_by_role("link", name="Newest").click()
        expect(page.locator("tbody a.name").first).to_have_text("Flow 121")


def test_the_list_fills_by_itself(empty: Dashboard, page: Page, faults: list[str]) -> None:
    """From a store that is not there yet, over one that is written, to one that was replaced."""
    page.goto(empty.url)
    expect(page.locator(".empty")).to_contain_text("pocketflow-tracing run your_script.py")
    assert not empty.store.exists()

    with closing(Store(empty.store)) as store:
        running = trace(1, "First", end_ns=None, status=Status.UNSET)
        store.begin(running)
        listed(page, "First")
        expect(page.locator("tbody tr")).to_have_class(re.compile("is-unset"))
        store.end(trace(1, "First"))
        expect(page.locator("tbody tr")).to_have_class(re.compile("is-ok"))
        store.end(trace(2, "Second"))
        listed(page, "Second", "First")
        store.delete_all()
        expect(page.locator(".empty")).to_contain_text("No traces yet")
    for file in empty.store.parent.iterdir():
        file.unlink()
    kept(empty.store, trace(3, "Third"))
    listed(page, "Third")
    # In the moment in which only some of its files are gone, a store cannot be read.
    assert all("503" in fault for fault in faults)
    faults.clear()


def test_a_damaged_store_is_told(empty: Dashboard, page: Page, faults: list[str]) -> None:
    """In one line; the list is back with the store."""
    empty.store.write_bytes(b"this is no database, whatever its name says" * 100)
    page.goto(empty.url)
    expect(page.locator(".trouble")).to_contain_text("is damaged")
    empty.store.unlink()
    kept(empty.store, trace(1, "Back"))
    listed(page, "Back")
    expect(page.locator(".trouble")).to_be_empty()
    assert {fault.partition(":")[0] for fault in faults} <= {"console"}
    faults.clear()


def test_a_dashboard_that_ended_is_told_and_found_again(
    tmp_path: Path, page: Page, faults: list[str]
) -> None:
    """The page says that nobody answers, and goes on when somebody does."""
    store = kept(tmp_path / "traces.db", trace(1, "First"))
    with served(store) as dashboard:
        page.goto(dashboard.url)
        listed(page, "First")
        expect(page.locator("#live")).to_have_text("live")
        assert dashboard.end() == (0, "")
        expect(page.locator("#live")).to_have_text("no connection")
    kept(store, trace(2, "Second"))
    with served(store, page, dashboard.port):
        listed(page, "Second", "First")
        expect(page.locator("#live")).to_have_text("live")
    faults.clear()


def test_sessions_hold_their_traces_together(dashboard: Dashboard, page: Page) -> None:
    """Each with how its traces went; a click lists them."""
    page.goto(f"{dashboard.url}/sessions")
    expect(page.locator("tbody a.name")).to_have_text(["chat-2", "chat-1"])
    assert (
        page.locator("tbody tr").nth(1).locator("[role=img]").get_attribute("aria-label") == "1 ok, 1 error"
    )
    page.get_by_role("link", name="chat-1").click()
    listed(page, "Support", "Support")
    assert address(page) == f"{dashboard.url}/?session=chat-1"


def test_metrics_show_figures_over_time(dashboard: Dashboard, page: Page) -> None:
    """Of all flows or one, as plots and as a table, whose rows lead to the traces."""
    page.goto(f"{dashboard.url}/metrics")
    expect(page.locator(".tile").first).to_have_text("Runs4")
    assert page.locator(".plot-title").all_inner_texts() == [
        "Runs", "Success rate", "Duration, p50 and p95", "Retries", "Tokens", "Cost",
    ]  # fmt: skip
    assert page.locator(".per-flow tbody a").all_inner_texts() == ["Support", "Research", "Translate"]

    page.get_by_role("link", name="Support").click()
    expect(page.locator(".tile").first).to_have_text("Runs2")
    expect(page.locator(".tile").nth(1)).to_have_text("Success rate50%")
    page.locator("[name=period]").select_option("30d")
    page.wait_for_url("**/metrics?since=30d&name=Support")
    page.get_by_text("The figures as a table").click()
    page.locator(".as-table tbody a").first.click()
    listed(page, "Support", "Support")


def test_plots_tell_what_is_pointed_at(dashboard: Dashboard, page: Page) -> None:
    """All of them, for the same time; a click leads to the traces of that time."""
    page.goto(f"{dashboard.url}/metrics?since=24h")
    bar = page.locator(".plot-bar.look-ok").first
    bar.hover()
    expect(page.locator(".plot-told").first).to_have_text(re.compile(r" · ok \d, failed 1, other 1$"))
    expect(page.locator(".plot-told").nth(1)).to_have_text(re.compile(r" · \d+%$"))
    bar.click()
    listed(page, "Translate", "Research", "Support", "Support")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(dashboard: Dashboard, open_page: Opened, scheme: str) -> None:
    """axe-core finds no serious fault in any list, light or dark."""
    page = open_page(color_scheme=scheme)
    for path in ("/?status=error&tag=v2", "/?name=Nobody", "/sessions", "/metrics"):
        page.goto(dashboard.url + path)
        page.locator("tbody a.name, .empty p").first.wait_for(state="attached")
        assert serious(page) == [], path


def test_a_narrow_window_shows_all_of_it(dashboard: Dashboard, open_page: Opened) -> None:
    """The list scrolls in its own place; the page does not."""
    page = open_page(viewport={"width": 360, "height": 640})
    for path in ("/", "/sessions", "/metrics"):
        page.goto(dashboard.url + path)
        page.locator("tbody a.name").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert rows(page)

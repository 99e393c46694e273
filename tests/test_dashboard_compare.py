"""Two traces side by side in the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from browser_support import address
from dashboard_support import Dashboard, Opened, failed, kept, serious, served, trace

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api").expect


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard over two runs of a flow, one of which failed, and one of another flow."""
    good, bad = trace(1, "Support"), failed(trace(3, "Support"))
    good.spans[1].output, bad.spans[1].attributes = "x" * 1000, {"visit": 1, "action": "retry"}
    store = kept(tmp_path_factory.mktemp("compare") / "traces.db", good, trace(2, "Other"), bad)
    with served(store) as dashboard:
        yield dashboard


def test_two_ticked_traces_are_compared(dashboard: Dashboard, page: Page) -> None:
    """Step by step: how each ended, and what differs."""
    page.goto(dashboard.url)
    page.get_by_role("checkbox").nth(2).check()
    expect(page.locator(".list-head .button")).to_have_text("Tick another one to compare")
    page.get_by_role("checkbox").nth(0).check()
    page.get_by_role("link", name="Compare the two").click()

    expect(page.locator(".side")).to_have_count(2)
    assert page.locator(".step-name").all_inner_texts() == ["flow Support", "Node1"]
    assert page.locator(".differing").inner_text() == "2 steps of 2 differ"
    told = page.locator(".differences").nth(1).locator("dt").all_inner_texts()
    assert told == ["status", "action", "error"]
    assert page.locator(".differences").nth(1).locator("dd").first.inner_text().startswith("ok")
    assert address(page).endswith(f"/compare?a={1:032x}&b={3:032x}")

    page.get_by_role("link", name="Swap the two").click()
    expect(page.locator(".differences").nth(1).locator("dd .given-a").first).to_have_text("error")


def test_the_third_tick_takes_the_first_off(dashboard: Dashboard, page: Page) -> None:
    """There are two sides."""
    page.goto(dashboard.url)
    for place in (0, 1, 2):
        page.get_by_role("checkbox").nth(place).check()
    assert [box.is_checked() for box in page.get_by_role("checkbox").all()] == [False, True, True]


def test_a_trace_is_compared_with_the_run_before(dashboard: Dashboard, page: Page) -> None:
    """One click from its page; the run before is that of the same flow."""
    page.goto(f"{dashboard.url}/traces/last")
    page.get_by_role("link", name="Compare").click()
    page.wait_for_url(f"**/compare?a={1:032x}&b={3:032x}")


def test_a_side_of_a_step_leads_to_it(dashboard: Dashboard, page: Page) -> None:
    """In the page of its trace."""
    page.goto(f"{dashboard.url}/compare?a={1:032x}&b={3:032x}")
    page.locator(".step a").last.click()
    page.wait_for_url(f"**/traces/{3:032x}#{2:016x}")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("b=2", "no trace '2'"),
        (f"b={2:032x}", "there is no earlier trace of Other to compare this one with"),
        ("a=last&b=zzz", "no trace 'zzz'"),
    ],
)
def test_what_cannot_be_compared_is_told(
    dashboard: Dashboard, page: Page, faults: list[str], query: str, told: str
) -> None:
    """With the reason, and a way on."""
    page.goto(f"{dashboard.url}/compare?{query}")
    expect(page.locator(".trouble")).to_contain_text(told)
    assert page.get_by_role("link", name="All traces").count() == 1
    assert [fault.partition(":")[0] for fault in faults] == ["console"]
    faults.clear()


def test_without_two_traces_the_page_says_how_to_choose_them(dashboard: Dashboard, page: Page) -> None:
    """It leads to the list."""
    page.goto(f"{dashboard.url}/compare")
    expect(page.locator(".empty")).to_contain_text("Tick two traces in the list")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(dashboard: Dashboard, open_page: Opened, scheme: str) -> None:
    """axe-core finds no serious fault."""
    page = open_page(color_scheme=scheme)
    page.goto(f"{dashboard.url}/compare?a={1:032x}&b={3:032x}")
    expect(page.locator(".side")).to_have_count(2)
    assert serious(page) == []


def test_a_run_compared_with_itself_does_not_differ(dashboard: Dashboard, page: Page) -> None:
    """The page says so."""
    page.goto(f"{dashboard.url}/compare?a=last&b=last")
    expect(page.get_by_text("No difference but in the durations")).to_be_visible()
    answer = dashboard.client.get("/api/compare", params={"a": "last", "b": "last"}).json()
    assert (answer["differing"], len(answer["steps"])) == (0, 2)
    assert dashboard.client.get("/api/compare").status_code == 400

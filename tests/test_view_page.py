"""The page of a trace in a real browser: its views are linked by click, keys and address."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser_support import address
from page_support import Shown, agent, inspected, opened, row, section, selected, titles
from store_support import until
from view_support import TraceBuilder, long_loop, support_flow

from pocketflow_tracing.model import ErrorInfo, SpanKind, Status, Trace

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def shown(open_page: Callable[..., Page], tmp_path: Path) -> Shown:
    """Opens the page of a trace in the browser."""

    def show(trace: Trace, fragment: str = "", **options: Any) -> Page:
        return opened(open_page, tmp_path, trace, fragment, **options)

    return show


def test_the_tree_shows_every_step(shown: Shown) -> None:
    """Each span has a row, in the order of the tree, with its level and how it went."""
    page = shown(support_flow().trace())

    assert titles(page) == [
        "Support", "Classify", "prep", "exec", "exec", "post", "iteration 0", "Read#2", "exec",
    ]  # fmt: skip
    levels = page.locator("[role=treeitem]").evaluate_all("rows => rows.map((row) => row.ariaLevel)")
    assert levels == ["1", "2", "3", "3", "3", "3", "2", "3", "4"]
    assert page.locator(".state-recovered .note").all_inner_texts() == ["attempt 1 of 3", "retried"]


def test_the_summary_says_how_it_went(shown: Shown) -> None:
    """Status, name, duration and counts stand above, and in the title of the window."""
    page = shown(agent())

    assert page.locator(".headline").inner_text().split("\n") == [
        "failed", "Agent", "39.0 ms", "4 nodes", "15 spans", "1 retry", "1 error", "1,234 tokens", "$0.0031",
    ]  # fmt: skip
    assert page.title() == "✕ Agent · a1b2c3d4"


def test_a_run_whose_process_died_says_so(shown: Shown) -> None:
    """It is not taken for one that runs: how long it was seen is all that is known."""
    trace = agent()
    trace.status, trace.end_ns, trace.complete = Status.INTERRUPTED, None, False
    trace.spans[0].status, trace.spans[0].end_ns = Status.INTERRUPTED, None
    page = shown(trace)

    headline = page.locator(".headline").inner_text().split("\n")
    assert (headline[0], headline[2], headline[-1]) == ("interrupted", "at least 16.0 ms", "incomplete")


def test_an_attempt_that_no_fallback_caught_is_not_said_to_be(shown: Shown) -> None:
    """The process was killed early in the next attempt; a fallback has a row."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Support", end_ns=None, status=Status.INTERRUPTED)
    late = ErrorInfo("TimeoutError", "slow")
    for name in ("Ask", "Fall"):
        node = build.add(flow, SpanKind.NODE, name, end_ns=None, status=Status.INTERRUPTED)
        build.failed(node, SpanKind.EXEC, f"{name}.exec", late, attempt=1, max_attempts=2, recovered=True)
    build.add(node, SpanKind.FALLBACK, "Fall.exec_fallback")
    page = shown(build.trace(end_ns=None))

    notes = page.locator(".state-recovered .note").all_inner_texts()
    assert notes == ["attempt 1 of 2", "retried", "attempt 1 of 2", "caught by the fallback"]


def test_a_failed_run_opens_where_it_failed(shown: Shown) -> None:
    """The error is what one looks for first."""
    page = shown(agent())

    assert selected(page) == "exec"
    told = [line for line in section(page, "Error").inner_text().split("\n") if line]
    assert told[:4] == [
        "ERROR", "ValueError: no answer in <b>time</b>", "asked twice", "Traceback (most recent call last):",
    ]  # fmt: skip


def test_a_click_on_a_row_shows_it_everywhere(shown: Shown) -> None:
    """Row, inspector, graph and address all speak of the same step."""
    page = shown(agent())
    row(page, "prep").click()

    assert inspected(page).split("\n")[:3] == ["Agent", "Decide", "prep"]
    assert page.locator(".graph .is-selected .node-label").text_content() == "Decide"
    assert address(page).endswith("#0000000000000003")


def test_a_click_in_the_graph_goes_through_the_runs_of_a_node(shown: Shown) -> None:
    """The first visit, the second, and the first again."""
    page = shown(agent())
    addresses = []
    for _ in range(3):
        page.locator(".node", has_text="Decide").click()
        addresses.append(address(page)[-2:])

    assert addresses == ["02", "08", "02"]
    assert selected(page) == "Decide"


def test_an_address_leads_to_a_step(shown: Shown) -> None:
    """What stands behind the # is selected at the start, and when it changes."""
    page = shown(agent(), "#0000000000000006")
    first = selected(page)
    page.evaluate("location.hash = '0000000000000003'")
    page.locator(".row.is-selected", has_text="prep").wait_for()

    assert (first, selected(page)) == ("Search", "prep")


def test_the_graph_shows_the_way_that_the_run_took(shown: Shown) -> None:
    """What ran is numbered and counted, what did not is grey, where it failed is red."""
    page = shown(agent())
    looks = page.locator(".node").evaluate_all(
        "nodes => nodes.map((node) => node.querySelector('.node-label').textContent + ' ' + node.classList[1]"
        " + ' ' + (node.querySelector('.node-steps')?.textContent ?? ''))"
    )

    assert looks == ["Decide is-taken 1 3", "Search is-taken 2", "Answer is-failed 4", "Stop is-untaken "]
    edges = page.locator(".edge").evaluate_all(
        "edges => edges.map((edge) => edge.querySelector('title')?.textContent ?? edge.classList[1])"
    )
    assert edges == [
        "is-taken",
        "search: taken once, step 1",
        "decide: taken once, step 2",
        "answer: taken once, step 3",
        "give_up: not taken",
    ]


def test_a_way_that_leads_nowhere_dangles_in_red(shown: Shown) -> None:
    """PocketFlow's warning stands in the graph where the way ends, and the inspector says what to do."""
    build = support_flow()
    build.spans = build.spans[:6]
    for span in build.spans[:2]:
        span.node_key = span.name
    page = shown(build.trace(), "#0000000000000001")

    assert page.locator(".edge.is-lost .edge-label").text_content() == "route_ticket not found"
    assert page.locator(".spot-lost").count() == 1
    assert 'classify - "route_ticket" >> next_node' in section(page, "Warnings").inner_text()


def test_arrow_keys_go_through_the_tree(shown: Shown) -> None:
    """Up and down, in and out, to both ends."""
    page = shown(agent(), "#0000000000000001")
    seen = []
    for key in ("ArrowDown", "ArrowLeft", "ArrowDown", "ArrowLeft", "Home", "End", "PageUp"):
        page.keyboard.press(key)
        seen.append(selected(page))

    assert seen == ["Decide", "Decide", "Search", "Search", "Agent", "chat", "Agent"]
    assert row(page, "Decide").get_attribute("aria-expanded") == "false"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert selected(page) == "prep"
    page.keyboard.press("ArrowLeft")
    assert selected(page) == "Decide"


def test_a_search_finds_names_and_values(shown: Shown) -> None:
    """Whatever a value holds, as it is: also what looks like HTML. What is around a find stays."""
    page = shown(agent(), "#0000000000000001")
    page.keyboard.press("/")
    page.keyboard.type("<B>2</b>")
    page.locator(".found", has_text=re.compile("^3 steps$")).wait_for()  # each letter is looked for

    assert titles(page) == ["Agent", "Decide", "Decide", "Answer", "exec"]
    page.keyboard.press("Enter")
    assert selected(page) == "Decide"
    page.keyboard.press("/")
    page.keyboard.type("nowhere at all")
    page.locator(".tree-empty").wait_for()
    page.keyboard.press("Escape")
    assert len(titles(page)) == 15


def test_errors_alone_can_be_looked_at(shown: Shown) -> None:
    """By key and by button; e goes from one to the next, over folded steps."""
    page = shown(agent(), "#0000000000000001")
    page.keyboard.press("!")
    assert titles(page) == ["Agent", "Answer", "exec", "exec"]
    page.get_by_role("button", name="Only errors").click()
    page.keyboard.press("f")
    assert titles(page) == ["Agent", "Decide", "Search", "Decide", "Answer"]
    page.keyboard.press("e")
    first = address(page)[-2:]
    page.keyboard.press("e")
    page.keyboard.press("E")

    assert (first, address(page)[-2:], selected(page)) == ("0d", "0d", "exec")


def test_every_key_is_listed(shown: Shown) -> None:
    """? opens the list, and Escape closes it and nothing else."""
    page = shown(agent())
    page.keyboard.press("?")
    listed = page.locator("dialog kbd").all_inner_texts()
    page.keyboard.press("Escape")

    assert {"/", "?", "e", "z", "g", "Esc", "Enter"} <= set(listed)
    assert not page.locator("dialog").is_visible()


def test_the_graph_can_be_hidden_and_a_step_stretched(shown: Shown) -> None:
    """g hides the graph; z stretches the selected step over the whole width, and back."""
    page = shown(agent())
    page.keyboard.press("g")
    assert not page.locator(".graph").is_visible()
    bar = page.locator(".row.is-selected .bar")
    before = bar.bounding_box()
    page.keyboard.press("z")
    stretched = bar.bounding_box()
    page.keyboard.press("z")

    assert before and stretched and stretched["width"] > 4 * before["width"]
    assert bar.bounding_box() == before


def test_enter_leads_into_the_inspector_and_escape_back(shown: Shown) -> None:
    """The keys then scroll what is read; Escape gives them back to the tree."""
    page = shown(agent())
    page.keyboard.press("Enter")
    inside = page.evaluate("document.activeElement.className")
    page.keyboard.press("Escape")

    assert (inside, page.evaluate("document.activeElement.className")) == ("inspector", "tree-rows")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_as_dark_as_the_system_until_it_is_told_otherwise(shown: Shown, scheme: str) -> None:
    """The switch turns it round, and the choice is remembered."""
    page = shown(agent(), color_scheme=scheme)
    ground = "getComputedStyle(document.querySelector('.trace-page')).backgroundColor"
    grounds = [page.evaluate(ground)]
    page.keyboard.press("t")
    grounds.append(page.evaluate(ground))

    def is_as_chosen() -> bool:
        page.reload()
        return bool(page.evaluate(ground) == grounds[1])

    dark, light = "rgb(15, 18, 23)", "rgb(255, 255, 255)"
    assert grounds == ([light, dark] if scheme == "light" else [dark, light])
    until(is_as_chosen)  # a browser writes down what it remembers a little later


def test_paper_gets_every_row(shown: Shown) -> None:
    """What is printed is not cut off at the screen, and is light."""
    page = shown(agent(), viewport={"width": 900, "height": 300}, color_scheme="dark")
    on_screen = len(titles(page))
    page.emulate_media(media="print")
    page.locator(".row").nth(14).wait_for(state="attached")

    assert on_screen < 15
    assert not page.locator(".search").is_visible()
    ground = page.evaluate("getComputedStyle(document.querySelector('.trace-page')).backgroundColor")
    assert ground == "rgb(255, 255, 255)"


def test_a_very_long_run_is_printed_in_part_and_says_so(shown: Shown) -> None:
    """Three thousand rows fill a hundred sheets; what is left out is counted."""
    page = shown(long_loop(1_000).trace())
    page.keyboard.press("o")
    page.emulate_media(media="print")
    page.locator(".row").nth(2_999).wait_for(state="attached")

    assert page.locator(".row").count() == 3_000
    assert page.locator(".tree-unprinted").inner_text() == "1,001 more steps not printed"

"""The inspector in a real browser: values as a reader wants them, and what is not to be seen said so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser_support import address
from page_support import PROMPT, Shown, agent, inspected, opened, row, section
from view_support import TraceBuilder

from pocketflow_tracing.model import SpanKind, Trace

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def shown(open_page: Callable[..., Page], tmp_path: Path) -> Shown:
    """Opens the page of a trace in the browser."""

    def show(trace: Trace, fragment: str = "", **options: Any) -> Page:
        return opened(open_page, tmp_path, trace, fragment, **options)

    return show


def one_value(value: Any, **given: Any) -> Trace:
    """A trace of one step that gave `value`."""
    build = TraceBuilder()
    build.add(None, SpanKind.SPAN, "Step", output=value, **given)
    return build.trace()


def test_masked_and_cut_values_say_so(shown: Shown) -> None:
    """At the value itself, above all sections, and where what holds it is folded."""
    value = {"api_key": "[redacted]", "pages": [{"text": "long… +9 more"}] * 20}
    trace = one_value(value, redacted=["output.api_key"], truncated=["output.pages[3].text"])
    page = shown(trace)

    assert [" ".join(gap.split()) for gap in page.locator(".gap").all_inner_texts()] == [
        "1 value masked: output.api_key",
        "1 value cut short: output.pages[3].text",
    ]
    assert page.locator(".leaf", has_text="api_key").inner_text().split() == [
        "api_key",
        '"[redacted]"',
        "masked",
    ]
    folded = page.locator("summary", has_text="pages")
    assert folded.locator(".flag-cut").get_attribute("title") == "something beneath is cut short"
    folded.click()
    page.locator("summary", has_text="{1 key}").nth(3).click()
    assert "cut short" in page.locator(".leaf", has_text="long… +9 more").inner_text()


def test_what_a_step_changed_is_a_list(shown: Shown) -> None:
    """Added, changed with before and after, removed."""
    page = shown(agent(), "#0000000000000002")

    changes = section(page, "Changes in the store").locator(".changes > li").all_inner_texts()
    assert [line.split("\n")[0].strip() for line in changes] == ["+", "~", "−"]
    assert changes[1].split("\n") == ["~", "steps", "[1]", "→", "[1,2]"]


def test_the_metadata_of_the_trace_stands_at_its_root(shown: Shown) -> None:
    """What `tracing(metadata=…)` was given is shown where the run as a whole is looked at, and only there."""
    build = TraceBuilder()
    root = build.add(None, SpanKind.FLOW, "Support")
    build.add(root, SpanKind.NODE, "Classify")
    page = shown(build.trace(metadata={"customers": 2, "tenant": {"plan": "pro"}}))

    shown_there = section(page, "Metadata of the trace").locator(".leaf").all_inner_texts()
    assert [leaf.split() for leaf in shown_there] == [["customers", "2"], ["plan", '"pro"']]
    row(page, "Classify").click()
    assert section(page, "Metadata of the trace").count() == 0


def test_a_text_is_shown_as_text_or_markdown(shown: Shown) -> None:
    """Markdown becomes headings, lists and tables; HTML in it stays text, and links lead nowhere."""
    page = shown(agent())
    prompt = section(page, "Input · prep_res")
    assert prompt.locator("pre").inner_text() == PROMPT
    prompt.get_by_role("button", name="Markdown").click()

    assert prompt.locator(".markdown h4").inner_text() == "Plan"
    assert prompt.locator(".markdown li").all_inner_texts() == ["one step", "two"]
    assert prompt.locator(".markdown td").all_inner_texts() == ["1", "<b>2</b>"]
    assert prompt.locator(".markdown p").inner_text() == "here (https://example.com/x)"
    assert page.locator("a").count() == 0


def test_a_text_that_is_json_folds_and_numbers_stay_as_written(shown: Shown) -> None:
    """JavaScript knows no integers beyond 2^53 and no 2.0; a reader wants to see what was there."""
    page = shown(agent())
    row(page, "chat").click()
    output = section(page, "Output")
    output.get_by_role("button", name="JSON").click()

    assert output.locator(".number").all_inner_texts() == ["1", "2.0", "12345678901234567890"]
    assert "gpt-5" in section(page, "Model call").inner_text()


def test_the_reader_s_choice_holds_for_the_next_step(shown: Shown) -> None:
    """Who wants JSON of one step's output wants it of the next one's."""
    build = TraceBuilder()
    root = build.add(None, SpanKind.SPAN, "One", output={"a": 1})
    build.add(root, SpanKind.SPAN, "Two", output={"b": 2})
    page = shown(build.trace())
    section(page, "Output").get_by_role("button", name="JSON").click()
    row(page, "Two").click()

    assert section(page, "Output").locator("pre").inner_text() == '{\n  "b": 2\n}'


def test_a_value_is_copied_whole(shown: Shown) -> None:
    """The button puts JSON, or the text itself, onto the clipboard."""
    page = shown(agent(), permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy: Input").click()
    page.locator(".copy.is-done").wait_for()

    assert page.evaluate("navigator.clipboard.readText()") == PROMPT


def test_a_long_list_comes_piece_by_piece(shown: Shown) -> None:
    """A hundred entries at once; the rest on demand."""
    page = shown(one_value(list(range(1_234))))
    before = page.locator(".entries > li").count()
    page.get_by_role("button", name="show more: 1,134 items left").click()

    assert (before, page.locator(".entries > li").count()) == (100, 200)


def test_a_text_of_five_megabytes_comes_piece_by_piece(shown: Shown) -> None:
    """It is all there to be copied, and the page holds what is looked at only."""
    page = shown(one_value("x" * 5_000_000))

    assert len(section(page, "Output").locator("pre").inner_text()) == 20_000
    assert page.get_by_role("button", name="show more").inner_text() == "show more: 5.0 M characters left"


def test_a_step_without_values_says_so(shown: Shown) -> None:
    """Nothing is shown as if it were empty."""
    page = shown(one_value(None))

    assert "No values were kept of this step." in inspected(page)


def test_the_error_of_a_node_leads_to_where_it_was_raised(shown: Shown) -> None:
    """The stack trace is kept once; the steps it passed point there."""
    page = shown(agent(), "#0000000000000001")
    page.get_by_role("button", name="To where it was raised").click()

    assert address(page).endswith("#000000000000000e")
    assert page.locator(".stack-place").all_inner_texts() == [
        '  File "/srv/main.py", line 3, in <module>',
        '  File "/srv/app.py", line 31, in ask',
    ]

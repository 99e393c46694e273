"""Nothing in a trace can act on its page, and the page reaches nowhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_support import Shown, agent, inspected, opened
from view_support import TraceBuilder

from pocketflow_tracing.model import ErrorInfo, Graph, GraphEdge, GraphNode, SpanKind, Status, Trace
from pocketflow_tracing.view.page import render_page
from pocketflow_tracing.view.page.bundle import ASSETS, STYLES, script, style
from pocketflow_tracing.view.page.embedded import embedded

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = (
    "</script><script>window.ran=1</script><img src=x onerror=window.ran=1><!--<script>]]>"
    "&lt;b&gt;\u202egnp.exe\u2066\x00\x07\x1b[31m\u2028\u2029\ud800\ufeff\U000e0001 {{7*7}} "
    "javascript:ran=1"
)
SEEN = (
    "</script><script>window.ran=1</script><img src=x onerror=window.ran=1><!--<script>]]>"
    "&lt;b&gt;\\u202egnp.exe\\u2066\\x00\\x07\\x1b[31m\\u2028\\u2029\\ud800\\ufeff\\U000e0001 {{7*7}} "
    "javascript:ran=1"
)


def hostile(big: int = 0) -> Trace:
    """A trace in which every text is hostile, and one of them as big as this."""
    build = TraceBuilder(HOSTILE)
    value = {
        HOSTILE: HOSTILE,
        "__proto__": {"polluted": HOSTILE},
        "list": [HOSTILE, [HOSTILE]],
        "big": "",
    }
    error = ErrorInfo(
        HOSTILE, HOSTILE, f'  File "{HOSTILE}", line 1\n{HOSTILE}', [HOSTILE], [HOSTILE], locals=value
    )
    root = build.add(
        None, SpanKind.FLOW, HOSTILE, node_key=HOSTILE, input=HOSTILE, status=Status.ERROR, error=error
    )
    root.attributes = {
        HOSTILE: HOSTILE,
        "action": HOSTILE,
        "warnings": [f"Flow ends: '{HOSTILE}' not found in []"],
    }
    root.redacted, root.truncated = [f"input.{HOSTILE}"], [f"output.{HOSTILE}"]
    node = build.node(root, HOSTILE, "exec", node_key=HOSTILE, action=HOSTILE, output=value)
    node.output = {**value, "big": "<" * big}
    node.changes = {"added": {HOSTILE: HOSTILE}, "changed": {HOSTILE: [HOSTILE, HOSTILE]}, "removed": {}}
    edges = [GraphEdge(HOSTILE, HOSTILE, HOSTILE, HOSTILE)]
    graph = Graph([GraphNode(HOSTILE, HOSTILE, HOSTILE, "node", HOSTILE)], edges)
    given = {
        "session_id": HOSTILE,
        "user_id": HOSTILE,
        "tags": [HOSTILE],
        "release": HOSTILE,
        "project": HOSTILE,
    }
    return build.trace(graph=graph, metadata={HOSTILE: HOSTILE}, **given)


@pytest.fixture
def shown(open_page: Callable[..., Page], tmp_path: Path) -> Shown:
    """Opens the page of a trace in the browser."""

    def show(trace: Trace) -> Page:
        return opened(open_page, tmp_path, trace)

    return show


def test_a_hostile_trace_is_shown_and_runs_nothing(shown: Shown) -> None:
    """Names, actions, values, errors, tags: all of it is text, with what is invisible written out."""
    page = shown(hostile(big=5_000_000))
    texts = []
    for key in ("Home", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
        for button in page.locator(".mode").all():
            button.click()
        for details in page.locator("summary").all():
            details.click()
        texts.append(inspected(page))

    assert page.evaluate("[window.ran, {}.polluted, document.images.length]") == [None, None, 0]
    assert SEEN in texts[0]
    assert SEEN in texts[1]
    assert page.locator("h1").inner_text() == SEEN
    assert page.locator("script").count() == 3


def test_a_hostile_text_is_found_by_what_it_says(shown: Shown) -> None:
    """The search takes a query as text, too."""
    page = shown(hostile())
    page.keyboard.press("/")
    page.keyboard.insert_text("<img src=x onerror=window.ran=1>")
    page.locator(".found", has_text="3 steps").wait_for()

    assert page.evaluate("window.ran") is None


def test_the_page_may_do_nothing_but_show(page: Page, tmp_path: Path, faults: list[str]) -> None:
    """Even if a text of a trace came to stand in it as HTML, its script and its picture would not load."""
    injected = "<script>ran=1</script><p style='color:red'><img src=https://example.com/x onerror=ran=1>"
    file = tmp_path / "trace.html"
    file.write_text(render_page(agent()).replace("<main", injected + "<main"), encoding="utf-8")
    page.goto(file.as_uri())

    assert page.evaluate("window.ran") is None
    assert page.evaluate("fetch('https://example.com').then(() => 'sent', () => 'refused')") == "refused"
    refused = [fault for fault in faults if "Content Security Policy" in fault]
    assert len(refused) == 6
    # The browser announces a picture before it refuses to load it.
    assert set(faults) - set(refused) == {"request: https://example.com/x"}
    faults.clear()


def test_the_policy_names_the_one_script_and_the_one_style() -> None:
    """Their hashes, and nothing else that a page could load or do."""
    page = render_page(agent())
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]+)"', page)

    def hashed(tag: str) -> str:
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert policy is not None
    assert policy[1] == (
        f"default-src 'none'; script-src '{hashed('script')}'; style-src '{hashed('style')}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert not re.search(
        r"https?://(?!www\.w3\.org/2000/svg)", re.sub(r"<script type.*?</script>", "", page, flags=re.DOTALL)
    )


def test_the_modules_fit_into_one_script() -> None:
    """No import or export is left, nothing ends the element, and every module is in it once."""
    code = script()

    assert not re.search(r"^\s*(import|export)\b", code, re.MULTILINE)
    assert not re.search("</script|<!--|sourceMappingURL", code, re.IGNORECASE)
    modules = list(ASSETS.glob("**/*.js"))
    assert len(re.findall(r"^const module\d+ = ", code, re.MULTILINE)) == len(modules)
    assert {path.name for path in ASSETS.glob("*.css")} == set(STYLES)
    assert "</style" not in style() and "url(" not in style()


def test_the_library_comes_with_its_licence() -> None:
    """What is not ours says whose it is."""
    assert "Chris Pettitt" in (ASSETS / "vendor" / "dagre.LICENSE.txt").read_text()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_embedded_json_is_the_value_and_nothing_that_html_knows(value: object) -> None:
    """It reads back as what it was, on one line, without a letter that HTML would act on."""
    text = embedded(value)

    assert not set(text) & set("<>&\n\r\u2028\u2029")
    text.encode()
    if not re.search("NaN|Infinity", text):
        assert json.loads(text) == value

"""Traces for tests of the page, and what can be read from it in the browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from view_support import TraceBuilder, stacktrace

from pocketflow_tracing.model import (
    ErrorInfo,
    Generation,
    Graph,
    GraphEdge,
    GraphNode,
    SpanKind,
    Status,
    Trace,
)
from pocketflow_tracing.view.page import render_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

Shown = Callable[..., "Page"]
FLOW = "Agent"
PROMPT = "# Plan\n\n- **one** step\n- `two`\n\n| a | b |\n|---|---|\n| 1 | <b>2</b> |\n\n[here](https://example.com/x)"


def opened(
    open_page: Callable[..., Page], folder: Path, trace: Trace, fragment: str = "", **options: Any
) -> Page:
    """The page of a trace, as a file in the browser."""
    file = folder / "trace.html"
    file.write_text(render_page(trace), encoding="utf-8")
    page = open_page(**options)
    page.goto(file.as_uri() + fragment)
    return page


def wired(*edges: tuple[str, str, str], flow: str = FLOW) -> Graph:
    """A graph of one flow, from (source, action, target)."""
    keys = dict.fromkeys(key for source, _, target in edges for key in (source, target))
    nodes = [GraphNode(key, key, key, "node", flow) for key in keys]
    return Graph(nodes, [GraphEdge(action, source, target, flow) for source, action, target in edges])


def agent() -> Trace:
    """An agent that went round once, retried a call, and failed in the end."""
    build = TraceBuilder(FLOW)
    broken = ErrorInfo(
        "ValueError", "no answer in <b>time</b>", stacktrace(function="ask"), notes=["asked twice"]
    )
    shared = {"question": "why?", "api_key": "[redacted]", "steps": [1, 2, 3]}
    root = build.add(None, SpanKind.FLOW, FLOW, node_key=FLOW, status=Status.ERROR, input={"shared": shared})
    root.redacted = ["input.shared.api_key"]
    for visit in (1, 2):
        action = ("search", "answer")[visit - 1]
        decide = build.node(
            root, "Decide", "prep", "exec", "post", node_key="Decide", action=action, visit=visit
        )
        decide.changes = {
            "added": {"plan": PROMPT},
            "changed": {"steps": [[1], [1, 2]]},
            "removed": {"old": None},
        }
        if visit == 1:
            build.node(root, "Search", "exec", node_key="Search", action="decide", visit=1)
    answer = build.add(
        root, SpanKind.NODE, "Answer", node_key="Answer", status=Status.ERROR, visit=1, attempts=2
    )
    late = ErrorInfo("TimeoutError", "slow", stacktrace())
    build.failed(answer, SpanKind.EXEC, "Answer.exec", late, attempt=1, max_attempts=2, recovered=True)
    last = build.failed(answer, SpanKind.EXEC, "Answer.exec", broken, attempt=2, max_attempts=2)
    last.input = {"prep_res": PROMPT}
    call = Generation(model="gpt-5", usage={"input": 1200, "output": 34}, cost={"total": 0.0031})
    build.add(
        last, SpanKind.GENERATION, "chat", generation=call, output='{"a": [1, 2.0, 12345678901234567890]}'
    )
    passed = ErrorInfo("ValueError", "no answer in <b>time</b>", raised_in=last.span_id)
    answer.error = root.error = passed
    edges = [("Decide", "search", "Search"), ("Search", "decide", "Decide"), ("Decide", "answer", "Answer")]
    return build.trace(graph=wired(*edges, ("Decide", "give_up", "Stop")), end_ns=40_000_000)


def titles(page: Page) -> list[str]:
    """The titles of the rows that are on the page."""
    return page.locator(".row-title").all_inner_texts()


def selected(page: Page) -> str:
    """The title of the selected row."""
    return page.locator(".row.is-selected .row-title").inner_text()


def inspected(page: Page) -> str:
    """What the inspector shows, as text."""
    return page.locator(".inspector").inner_text()


def row(page: Page, title: str, nth: int = 0) -> Any:
    """The row with this title."""
    return page.locator(".row", has=page.locator(f".row-title:text-is('{title}')")).nth(nth)


def section(page: Page, title: str) -> Any:
    """The section of the inspector with this title."""
    return page.locator(".section", has=page.locator(f"h3:text-is('{title}')"))

"""The page of a trace: one file that shows all of it and reaches nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from view_support import support_flow

from pocketflow_tracing.model import Trace
from pocketflow_tracing.view.page import render_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

Shown = Callable[..., "Page"]


@pytest.fixture
def shown(open_page: Callable[..., Page], tmp_path: Path) -> Shown:
    """Opens the page of a trace in the browser."""

    def show(trace: Trace, fragment: str = "", **options: Any) -> Page:
        file = tmp_path / "trace.html"
        file.write_text(render_page(trace), encoding="utf-8")
        page = open_page(**options)
        page.goto(file.as_uri() + fragment)
        return page

    return show


def titles(page: Page) -> list[str]:
    """The titles of the rows that can be seen."""
    return page.locator(".row-title").all_inner_texts()


def test_the_tree_shows_every_step(shown: Shown) -> None:
    """Each span has a row, in the order of the tree."""
    page = shown(support_flow().trace())

    assert titles(page) == [
        "Support", "Classify", "prep", "exec", "exec", "post", "iteration 0", "Read#2", "exec",
    ]  # fmt: skip

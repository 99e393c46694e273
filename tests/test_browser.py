"""The browser that tests of pages use: what it sees, and what it holds against a page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

HTML = "<!doctype html><link rel=icon href='data:,'><title>Trace</title>"


def test_a_page_on_its_own_has_no_faults(page: Page, faults: list[str], tmp_path: Path) -> None:
    """A file that needs nothing else is fine, and its scripts run."""
    file = tmp_path / "trace.html"
    file.write_text(f"{HTML}<p></p><script>document.querySelector('p').textContent = 'ran'</script>")
    page.goto(file.as_uri())

    assert (page.title(), page.inner_text("p"), faults) == ("Trace", "ran", [])


def test_a_page_that_reaches_out_or_fails_is_found_out(page: Page, faults: list[str], tmp_path: Path) -> None:
    """Requests beyond this machine, files beside the page, exceptions and errors are faults."""
    (tmp_path / "beside.js").write_text("")
    file = tmp_path / "trace.html"
    file.write_text(
        f"{HTML}<script src=beside.js></script><script>console.error('told'); null.name</script>"
        "<img src=https://example.com/pixel.png>"
    )
    page.goto(file.as_uri())

    assert sorted(faults) == [
        "console: Failed to load resource: net::ERR_NAME_NOT_RESOLVED",
        "console: told",
        f"request: {(tmp_path / 'beside.js').as_uri()}",
        "request: https://example.com/pixel.png",
        "script: Cannot read properties of null (reading 'name')",
    ]
    faults.clear()


def test_other_tests_may_run_a_loop_of_their_own(page: Page) -> None:
    """Playwright's own stays on the thread, and is put aside between tests of pages."""
    assert asyncio.get_running_loop() is not None


def test_a_loop_runs_after_tests_of_pages() -> None:
    """The thread is free again."""
    assert asyncio.run(asyncio.sleep(0, "ran")) == "ran"

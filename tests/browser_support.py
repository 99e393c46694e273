"""A real browser for tests of pages: one for each pytest process, a fresh context for each test.

Whatever takes the fixture `browser`, also by way of `page` or `open_page`, has the marker `browser`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Request

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 30_000
"""How long anything is waited for: a busy machine takes many times what an idle one does."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SWITCHES = [
    "--disable-gpu",
    "--disable-quic",
    # No name leads anywhere, whatever the browser itself would like to look up.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of these tests."""
    config.addinivalue_line("markers", "browser: needs playwright and Chromium (set by itself)")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the browser, so that `-m "not browser"` leaves it out."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


def absent(what: str) -> NoReturn:
    """Skip for want of `what`; where everything is to be tested, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing")
    pytest.skip(f"needs {what}")


@pytest.fixture(scope="session")
def _launched() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """The browser, and the event loop of playwright, which runs on this thread from here on."""
    executable = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if executable is None:
        absent("Chromium")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        absent("playwright")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=SWITCHES)
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield browser, loop
        asyncio._set_running_loop(loop)
        browser.close()


@pytest.fixture
def browser(_launched: tuple[Browser, asyncio.AbstractEventLoop]) -> Iterator[Browser]:
    """Chromium, driven by playwright; `open_page` gives more to tests of pages."""
    browser, loop = _launched
    # Playwright leaves its loop as the running one of this thread, where no other could run then.
    asyncio._set_running_loop(loop)
    yield browser
    asyncio._set_running_loop(None)


@pytest.fixture
def faults() -> Iterator[list[str]]:
    """What went wrong in the pages of this test. Who expects some asserts them and clears the list."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def open_page(browser: Browser, faults: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens an empty page in a context of its own, with the options of playwright's `new_context`.

    Nothing it does may reach beyond this machine, raise in a script, or be an error on its console.
    """
    contexts = []

    def open_one(**options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        watch(context, faults)
        return context.new_page()

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """An empty page, watched as by `open_page`."""
    return open_page()


def watch(context: BrowserContext, faults: list[str]) -> None:
    """Add to `faults` what the pages of `context` should not do."""
    context.on("request", lambda request: reaches_out(request) and faults.append(f"request: {request.url}"))
    context.on(
        "console", lambda message: message.type == "error" and faults.append(f"console: {message.text}")
    )
    context.on("weberror", lambda failure: faults.append(f"script: {failure.error}"))


def address(page: Page) -> str:
    """Where a page is, as it says itself: `page.url` learns of a changed fragment some time later."""
    return str(page.evaluate("location.href"))


def reaches_out(request: Request) -> bool:
    """Whether a request goes to another machine, or to a file beside the page."""
    url = urlsplit(request.url)
    if url.scheme == "file":
        return not request.is_navigation_request()
    return url.scheme not in ("about", "blob", "data") and url.hostname not in LOOPBACK

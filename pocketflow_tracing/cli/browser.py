"""Showing an address in the user's browser."""

from __future__ import annotations

import webbrowser


def open_in_browser(address: str) -> bool:
    """Whether a browser with windows was found; one that takes over the terminal is not what is meant."""
    try:
        browser = webbrowser.get()
        if type(browser) is webbrowser.GenericBrowser:
            return False
        return browser.open(address)
    except webbrowser.Error:
        return False

"""Debug lines are shown where somebody asked for them, however little logging is set up."""

from __future__ import annotations

import logging
import sys

from ..errors import logger

_shown: list[bool] = []


def show_debug_lines() -> None:
    """Let our debug lines through, to stderr where the program has no logging of its own."""
    if _shown:
        return
    _shown.append(True)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.DEBUG)
    if not logger.hasHandlers():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        # A program that sets up its logging later shows them itself.
        handler.addFilter(lambda record: not logging.getLogger().handlers)

"""The store as the dashboard reads it: opened for each answer, and never written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..store import Store

PATIENCE_SECONDS = 2.0


class Source:
    """The trace store at `path`, which may appear, change, be replaced and go at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """The store, for one answer: opening it is quick, and no answer waits for another."""
        store = Store(self.path, patience=PATIENCE_SECONDS, read_only=True)
        try:
            yield store
        finally:
            store.close()

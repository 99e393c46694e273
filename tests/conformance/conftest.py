"""Every test here runs once with each probe, and is told of nothing it did not ask for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pocketflow_tracing import Trace, flush
from pocketflow_tracing.store import Store

pytest.register_assert_rewrite(f"{__package__}.harness")


class Listener(logging.Handler):
    """Keeps the messages it is given, at level WARNING and above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        self.lines.append(record.getMessage())


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of these tests."""
    marker = "profile_misses(reason, before=None): what setprofile cannot see, before some version of Python"
    config.addinivalue_line("markers", marker)


@pytest.fixture(autouse=True)
def every_probe(probe: str, request: pytest.FixtureRequest) -> str:
    """The probe in use. What `sys.setprofile` cannot show must indeed be missed with it."""
    missed = request.node.get_closest_marker("profile_misses")
    if missed is not None and probe == "profile" and sys.version_info < missed.kwargs.get("before", (4,)):
        request.node.add_marker(pytest.mark.xfail(reason=missed.args[0], strict=True))
    return probe


@pytest.fixture(autouse=True)
def told() -> Iterator[list[str]]:
    """The lines the user was told. A test that expects some asserts them and clears the list."""
    listener = Listener()
    logger = logging.getLogger("pocketflow_tracing")
    logger.addHandler(listener)
    yield listener.lines
    logger.removeHandler(listener)
    assert listener.lines == []


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Trace]]:
    """Gives the traces that this test's runs left in the store, spans and all."""
    path = tmp_path / "traces.db"
    monkeypatch.setenv("POCKETFLOW_TRACING_STORE", str(path))

    def load() -> list[Trace]:
        assert flush(30) == 0
        if not path.exists():
            return []
        store = Store(path)
        try:
            return [store.load(trace.id) for trace in store.traces()]
        finally:
            store.close()

    return load

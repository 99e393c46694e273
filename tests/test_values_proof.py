"""Nothing that leaves the process shows a secret: the file, the console, what the commands print."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_support import OURS, child, tracing_cli
from values_corpus import SECRETS
from values_planting import PLACES, seen_in

from pocketflow_tracing.model import Trace
from pocketflow_tracing.store import Store

_PROGRAM = Path(__file__).with_name("values_planting.py")


class Planted:
    """What the program that plants secrets left behind, run by the command line in a process of its own."""

    def __init__(self, folder: Path, redact: str) -> None:
        self.folder = folder
        self.path = folder / "traces.db"
        self.environment = {
            "POCKETFLOW_TRACING_STORE": str(self.path),
            "POCKETFLOW_TRACING_REDACT": redact,
            "POCKETFLOW_TRACING_EXIT_TIMEOUT": "120",
        }
        self.done = child([*OURS, "run", str(_PROGRAM)], folder, environment=self.environment)
        assert self.done.returncode == 0, self.done.stderr[-2000:]

    def traces(self) -> Iterator[Trace]:
        store = Store(self.path)
        try:
            for trace in store.traces(limit=100_000):
                yield store.load(trace.id)
        finally:
            store.close()

    def files(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.folder.iterdir() if path.is_file())


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return Planted(tmp_path_factory.mktemp("planted"), "on")


def test_the_file_holds_no_secret(planted: Planted) -> None:
    """Searched byte for byte, journal and all."""
    assert seen_in(planted.files()) == []


def test_the_console_shows_no_secret(planted: Planted) -> None:
    """Neither the trees nor the messages."""
    assert seen_in(planted.done.stdout + planted.done.stderr) == []


def test_a_trace_as_json_holds_no_secret(planted: Planted) -> None:
    """Every part of every trace, in the form that is exported."""
    traces = [json.dumps(trace.to_dict(), ensure_ascii=False) for trace in planted.traces()]

    assert len(traces) > len(PLACES) * 20
    assert seen_in("\n".join(traces)) == []


@pytest.mark.parametrize("option", ["--json", "--full", "--values"])
def test_the_commands_print_no_secret(planted: Planted, option: str) -> None:
    """What is shown of the last trace, and the list of all."""
    shown = tracing_cli("show", "last", option, folder=planted.folder, environment=planted.environment)
    listed = tracing_cli("list", "-n", "2000", folder=planted.folder, environment=planted.environment)

    assert shown.returncode == listed.returncode == 0
    assert seen_in(shown.stdout + listed.stdout) == []


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """With masking off, every one of the secrets is seen: the program does plant them."""
    planted = Planted(tmp_path, "off")

    assert seen_in(planted.files()) == [text for text, _ in SECRETS]
    assert len(seen_in(planted.done.stdout + planted.done.stderr)) > len(SECRETS) // 2

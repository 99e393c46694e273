"""`view`: a trace as a page in a file of its own, opened in the browser."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_support import tracing_cli
from click.testing import CliRunner, Result
from store_support import until
from view_support import TRACE_ID, support_flow

from pocketflow_tracing.cli.commands import commands
from pocketflow_tracing.store import Store
from pocketflow_tracing.view.page import render_page

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs a command in this process, with one trace in the store."""
    monkeypatch.setenv("POCKETFLOW_TRACING_STORE", str(tmp_path / "t.db"))
    store = Store(tmp_path / "t.db")
    store.end(support_flow().trace())

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(commands, arguments, prog_name="pocketflow-tracing")

    yield run
    store.close()


def test_a_page_is_written_where_it_is_asked_for(command: Command, tmp_path: Path) -> None:
    """It holds the whole trace, and nobody else may read it."""
    done = command("view", "last", "--no-open", "--output", str(tmp_path / "trace.html"))
    page = tmp_path / "trace.html"

    assert done.stdout == f"wrote {page} ({page.stat().st_size / 1000:,.0f} kB)\n"
    assert page.read_text(encoding="utf-8") == render_page(support_flow().trace(project=None))
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.glob("*.html*")) == ["trace.html"]


def test_a_page_goes_beside_the_store_for_a_day(command: Command, tmp_path: Path) -> None:
    """Those of earlier days are cleared away, and nothing else that lies there."""
    folder = tmp_path / "t.db.pages"
    command("view", "--no-open")
    old, other = folder / f"{'b' * 32}.html", folder / "mine.html"
    for path in (old, other):
        path.write_text("")
        os.utime(path, (1, 1))
    done = command("view", TRACE_ID[:8], "--no-open")

    assert done.stdout.startswith(f"wrote {folder / TRACE_ID}.html (")
    assert sorted(path.name for path in folder.iterdir()) == [f"{TRACE_ID}.html", "mine.html"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_deleting_a_trace_deletes_its_page(command: Command, tmp_path: Path) -> None:
    """What is gone from the store does not live on beside it."""
    command("view", "--no-open")
    command("delete", TRACE_ID[:8])

    assert list((tmp_path / "t.db.pages").iterdir()) == []


def test_a_page_may_go_to_stdout(command: Command) -> None:
    """Then nothing else is printed, and nothing is opened."""
    assert command("view", "-o", "-").stdout == render_page(support_flow().trace(project=None))


def test_a_page_that_cannot_be_written_says_why(command: Command, tmp_path: Path) -> None:
    """The file and the reason, on one line, and exit status 1."""
    done = command("view", "--no-open", "-o", str(tmp_path / "nowhere" / "trace.html"))

    path = tmp_path / "nowhere" / "trace.html"
    reason = f"pocketflow-tracing: {path} cannot be written: No such file or directory\n"
    assert (done.exit_code, done.stderr) == (1, reason)


@pytest.mark.parametrize("how", ["%s &", "%s"])
def test_the_page_is_opened_in_a_browser_with_windows(command: Command, tmp_path: Path, how: str) -> None:
    """One that would take over the terminal is left alone, and the address is told."""
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened.part\nmv {tmp_path}/opened.part {tmp_path}/opened\n'
    )
    browser.chmod(0o755)
    environment = {"BROWSER": f"{browser} {how}", "POCKETFLOW_TRACING_STORE": str(tmp_path / "t.db")}
    done = tracing_cli("view", folder=tmp_path, environment=environment)
    address = (tmp_path / "t.db.pages" / f"{TRACE_ID}.html").as_uri()

    assert done.returncode == 0, done.stderr
    if how.endswith("&"):
        until((tmp_path / "opened").exists)
        assert (tmp_path / "opened").read_text() == address
    else:
        assert done.stdout.splitlines()[-1] == f"no browser was found here; open it yourself: {address}"

"""`doctor` where there is no server to ask: what the store and the list of commands say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cli_support import tracing_cli
from click.testing import CliRunner

from pocketflow_tracing.cli.commands import commands


def test_a_store_that_no_run_could_make_is_something_to_set_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A store that is not there yet is fine only where its folder can be made."""
    (tmp_path / "home").write_text("a file, as no home should be")
    store = tmp_path / "home" / "data" / "traces.db"
    monkeypatch.setenv("POCKETFLOW_TRACING_STORE", str(store))

    said = CliRunner().invoke(commands, ["doctor"]).output

    assert f"✗ the store {store} cannot be written: {tmp_path / 'home'} is not a folder\n" in said
    assert "    name another file in POCKETFLOW_TRACING_STORE\n" in said


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no /proc")
def test_a_place_that_takes_no_file_is_something_to_set_right(monkeypatch: pytest.MonkeyPatch):
    """Whatever its permissions say: to root, /proc looks as if it could be written."""
    monkeypatch.setenv("POCKETFLOW_TRACING_STORE", "/proc/none/traces.db")

    said = CliRunner().invoke(commands, ["doctor"]).output

    assert "✗ the store /proc/none/traces.db cannot be written: no file can be made in /proc (" in said
    assert "    name another file in POCKETFLOW_TRACING_STORE\n" in said


def test_a_store_yet_to_be_made_is_fine_and_stays_unmade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Asking about the store makes neither the file nor its folder."""
    monkeypatch.setenv("POCKETFLOW_TRACING_STORE", str(tmp_path / "new" / "traces.db"))

    said = CliRunner().invoke(commands, ["doctor"]).output

    assert f"✓ the store {tmp_path / 'new' / 'traces.db'} holds 0 traces\n" in said
    assert list(tmp_path.iterdir()) == []


def test_no_line_of_the_list_of_commands_breaks_off(tmp_path: Path):
    """What each command is for fits its line, also in a terminal of 80 columns."""
    listed = tracing_cli("--help", folder=tmp_path).stdout.partition("Commands:\n")[2]

    assert listed and "..." not in listed

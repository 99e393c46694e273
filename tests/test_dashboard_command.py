"""`pocketflow-tracing ui`: how it starts, ends, and says why it cannot."""

from __future__ import annotations

import signal
import socket
import sys
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from cli_support import OURS, child, tracing_cli
from dashboard_support import kept, served, trace

from pocketflow_tracing.cli import dashboard as command
from pocketflow_tracing.cli.browser import open_in_browser

WITHOUT = """
import sys
sys.modules[{module!r}] = None
sys.argv = ["pocketflow-tracing", "ui", "--no-open", "--port", "0"]
from pocketflow_tracing.cli import main
main()
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly_while_somebody_looks(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C is how it is meant to end: status 0 and no word, also with streams open."""
    with (
        served(kept(tmp_path / "traces.db", trace(1, "Support"))) as dashboard,
        dashboard.client.stream("GET", "/api/changes") as answer,
    ):
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(3)] == ["retry: 1000", "", "event: changed"]
        assert dashboard.end(how) == (0 if how is signal.SIGINT else -how, "")


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    """With what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = tracing_cli("ui", "--no-open", "--port", port, folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"pocketflow-tracing: port {port} is taken; stop what listens there, or name another with --port\n"
    )


@pytest.mark.parametrize("module", ["starlette", "uvicorn"])
def test_what_is_not_installed_is_named(tmp_path: Path, module: str) -> None:
    """With the command that installs it."""
    done = child([sys.executable, "-c", WITHOUT.format(module=module)], tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f'pocketflow-tracing: the dashboard needs {module}: pip install "pocketflow-tracing[ui]"\n'
    )


def test_a_store_that_is_off_is_told(tmp_path: Path) -> None:
    """Unless another one is named."""
    done = tracing_cli("ui", folder=tmp_path, environment={"POCKETFLOW_TRACING_STORE": "off"})

    assert done.returncode == 1
    assert done.stderr == (
        "pocketflow-tracing: the trace store is off (POCKETFLOW_TRACING_STORE); name a file with --store\n"
    )


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    """Before anything is served."""
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be looked at" * 100)
    done = tracing_cli("ui", "--no-open", "--port", "0", "--store", "notes.txt", folder=tmp_path)

    assert done.returncode == 1
    assert "notes.txt is damaged" in done.stderr


def test_the_first_lines_say_where_it_is(tmp_path: Path) -> None:
    """And which traces it shows, also where there are none yet."""
    with served(tmp_path / "new folder" / "traces.db") as dashboard:
        assert dashboard.child.stdout is not None
        assert dashboard.child.stdout.readline() == f"traces: {dashboard.store}\n"
        assert dashboard.child.stdout.readline() == "end it: Ctrl-C\n"
        assert dashboard.client.get("/api/traces").json() == {
            "traces": [], "older": None, "newer": None, "store": str(dashboard.store),
        }  # fmt: skip
    assert not dashboard.store.parent.exists()


def test_other_commands_do_not_load_the_server(tmp_path: Path) -> None:
    """Starlette and uvicorn come with `ui` alone."""
    program = (
        "import sys, pocketflow_tracing.cli.dashboard; print({'starlette', 'uvicorn'} & set(sys.modules))"
    )

    assert child([OURS[0], "-c", program], tmp_path).stdout == "set()\n"


def test_the_browser_is_opened(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One with windows; where there is none, the address stands in the terminal."""
    opened: list[str] = []

    class Windows(webbrowser.BaseBrowser):
        def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
            opened.append(url)
            return True

    def none() -> Any:
        raise webbrowser.Error("none here")

    monkeypatch.setattr(webbrowser, "get", Windows)
    command._open("http://127.0.0.1:1/")
    assert (opened, capsys.readouterr().out) == (["http://127.0.0.1:1/"], "")

    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("lynx"))
    command._open("http://127.0.0.1:1/")
    monkeypatch.setattr(webbrowser, "get", none)
    assert not open_in_browser("http://127.0.0.1:1/")
    assert (len(opened), capsys.readouterr().out) == (1, "no browser was found here; open it yourself\n")

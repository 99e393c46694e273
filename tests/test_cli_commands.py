"""`delete`, and how every command ends."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from cli_support import DEADLINE, OURS, Command, keep, tracing_cli
from view_support import long_loop, support_flow

from pocketflow_tracing.store import Store


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["show"], ["delete", "last"]])
def test_an_empty_store_is_no_failure_of_ours(arguments: list[str], path: Path, command: Command):
    """Nothing found is exit status 1, with a word on how to get something; no file is made."""
    shown = command(*arguments)

    assert shown.exit_code == 1
    if "--json" in arguments:
        assert (shown.stdout, shown.stderr) == ("[]\n", "")
    else:
        words = (
            f"pocketflow-tracing: no traces in {path} yet; make one: pocketflow-tracing run your_script.py\n"
        )
        assert (shown.stdout, shown.stderr) == ("", words)
    assert not path.exists()


def test_an_id_that_is_unknown_or_ambiguous_is_said_to_be(store: Store, command: Command):
    """Neither is guessed at."""
    keep(store, long_loop(1), "aaaa1111")
    keep(store, long_loop(1), "aaaa2222")

    unknown, ambiguous = command("show", "ffff"), command("show", "aaaa")

    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "no trace 'ffff'" in unknown.stderr
    assert (ambiguous.exit_code, ambiguous.stdout) == (1, "")
    assert "more than one trace: aaaa1111, aaaa2222" in ambiguous.stderr


def test_delete_by_id_deletes_these_and_no_others(store: Store, command: Command):
    """Starts of ids and `last` name traces here too; a trace named twice is deleted once."""
    for id in ("aaaa1111", "bbbb2222", "cccc3333"):
        keep(store, long_loop(1), id)

    deleted = command("delete", "aaaa", "last", "cccc3333")

    assert deleted.exit_code == 0
    assert deleted.output == (f"deleted 2 traces from {store.path}\nwhat is left: pocketflow-tracing list\n")
    assert [trace.id[:8] for trace in store.traces()] == ["bbbb2222"]


def test_delete_refuses_what_may_not_be_meant_as_an_id(store: Store, command: Command):
    """A single digit is no id, also where only one trace begins with it; nothing is deleted."""
    keep(store, long_loop(1), "3aaa1111")
    keep(store, long_loop(1), "bbbb2222")

    short, ambiguous = command("delete", "bbbb2222", "3"), command("delete", "last", "")

    assert (short.exit_code, ambiguous.exit_code) == (2, 2)
    assert "'3' is too short to delete by; give the whole id or its first 4 digits at least" in short.stderr
    assert len(store.traces()) == 2
    assert command("delete", "3aaa").exit_code == 0


def test_delete_with_one_unknown_id_deletes_nothing(store: Store, command: Command):
    """A typing mistake does not leave half of the work done."""
    keep(store, long_loop(1), "aaaa1111")

    assert command("delete", "aaaa", "ffff").exit_code == 1
    assert len(store.traces()) == 1


@pytest.mark.parametrize(("age", "left"), [("30d", 2), ("4w", 2), ("36h", 2), ("90m", 1), ("0.5d", 1)])
def test_delete_older_than_an_age(age: str, left: int, store: Store, command: Command):
    """Ages are given in minutes, hours, days or weeks."""
    for days in (0, 1, 40):
        keep(store, long_loop(1), f"{days}".rjust(8, "a"), age_days=days)

    assert command("delete", "--older-than", age).exit_code == 0
    assert len(store.traces()) == left
    assert command("delete", "--older-than", age).exit_code == 1


@pytest.mark.parametrize("age", ["", "30", "d", "-1d", "30 days", "1e9d", "9999999d"])
def test_an_age_that_is_none_is_wrong_usage(age: str, store: Store, command: Command):
    """The message says what an age looks like."""
    shown = command("delete", "--older-than", age)

    assert shown.exit_code == 2
    assert "like 30d" in shown.stderr


def test_delete_all_asks_unless_told(store: Store, command: Command):
    """Without a terminal to ask on, --yes is wanted."""
    keep(store, long_loop(1), "aaaa1111")

    refused = command("delete", "--all")
    assert (refused.exit_code, len(store.traces())) == (2, 1)
    assert "add --yes" in refused.stderr

    deleted = command("delete", "--all", "--yes")
    assert deleted.output == f"deleted 1 trace from {store.path}\n"
    assert store.traces() == []
    assert command("delete", "--all", "--yes").exit_code == 1


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 1), (b"\n", 1), (b"y\n", 0)])
def test_delete_all_asks_on_a_terminal(answer: bytes, left: int, store: Store, tmp_path: Path):
    """Only yes means yes."""
    keep(store, long_loop(1), "aaaa1111")
    main, side = pty.openpty()
    os.write(main, answer)
    ended = subprocess.run(
        [*OURS, "delete", "--all"], stdin=side, capture_output=True, cwd=tmp_path, timeout=DEADLINE
    )
    os.close(main)
    os.close(side)

    assert ended.returncode == (1 if left else 0)
    assert b"Delete every trace in" in ended.stderr
    assert len(store.traces()) == left


@pytest.mark.parametrize(
    "arguments",
    [["delete"], ["delete", "a", "--all"], ["delete", "--all", "--older-than", "1d"], ["nonsense"]],
)
def test_wrong_usage_ends_with_status_2(arguments: list[str], path: Path, command: Command):
    """What to delete has to be said in exactly one way."""
    assert command(*arguments).exit_code == 2


def test_a_store_that_is_off_or_mistyped_is_said_to_be(command: Command, monkeypatch: pytest.MonkeyPatch):
    """Off is a reason for finding nothing; a bad setting is wrong usage."""
    monkeypatch.setenv("POCKETFLOW_TRACING_STORE", "off")
    shown = command("list")
    assert shown.exit_code == 1
    assert "the trace store is off" in shown.stderr

    monkeypatch.setenv("POCKETFLOW_TRACING_STORE_MAX_BYTES", "many")
    shown = command("list")
    assert shown.exit_code == 2
    assert "POCKETFLOW_TRACING_STORE_MAX_BYTES" in shown.stderr


def test_a_file_that_is_no_store_is_named_and_left_alone(path: Path, command: Command):
    """A clear line in place of a traceback."""
    path.parent.mkdir()
    path.write_text("something else " * 1_000)

    shown = command("list")

    assert shown.exit_code == 1
    assert str(path) in shown.stderr
    assert path.read_text().startswith("something else")


@pytest.mark.parametrize(("arguments", "size"), [(["list"], 1), (["show", "--full"], 2_000)], ids=str)
def test_a_reader_that_has_seen_enough_gets_no_traceback(
    arguments: list[str], size: int, store: Store, tmp_path: Path
):
    """`list | head -1` prints one line and nothing on stderr, however much there would be to print."""
    keep(store, long_loop(size), "aaaa1111")
    line = 'set -o pipefail; "$@" | head -n 1'
    ended = subprocess.run(
        ["bash", "-c", line, "bash", *OURS, *arguments],
        capture_output=True,
        cwd=tmp_path,
        timeout=DEADLINE,
    )

    assert ended.stderr == b""
    assert len(ended.stdout.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["list"], ["show", "--full"], ["list", "--json"], ["--help"]])
def test_a_full_disk_gets_one_line(arguments: list[str], store: Store, tmp_path: Path):
    """`list > file` where the file cannot grow: what went wrong, status 1, and no traceback."""
    keep(store, support_flow(), "aaaa1111")
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [*OURS, *arguments], stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, timeout=DEADLINE
        )

    assert ended.stderr == b"pocketflow-tracing: the output cannot be written: No space left on device\n"
    assert ended.returncode == 1


def test_an_ascii_terminal_gets_ascii(store: Store, tmp_path: Path):
    """Under the C locale with UTF-8 mode off, the tree has stand-ins for its marks."""
    keep(store, support_flow(), "aaaa1111")

    ended = tracing_cli("show", folder=tmp_path, environment={"PYTHONIOENCODING": "ascii"})

    assert "|- * Classify -> route_ticket - 2 attempts" in ended.stdout
    assert ended.returncode == 0


def test_the_package_runs_as_a_module_and_knows_its_version(path: Path, tmp_path: Path):
    """`python -m pocketflow_tracing` is the command by another name."""
    ended = tracing_cli("--version", folder=tmp_path)

    assert re.fullmatch(r"pocketflow-tracing, version \S+\n", ended.stdout)
    assert "run" in tracing_cli("--help", folder=tmp_path).stdout


def test_a_click_of_the_programs_own_does_not_stop_the_command(path: Path, tmp_path: Path):
    """`python -m` puts the working directory first on the path; the command does not import from it."""
    (tmp_path / "click.py").write_text("raise SystemExit('imported')")

    assert "imported" not in tracing_cli("--help", folder=tmp_path).stderr

"""What `pocketflow-tracing run` adds to a program: the trees, the traces, one last line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pocketflow
import pytest
from cli_support import DEADLINE, FLOW, OURS, child, environment_of, tracing_cli, written

from pocketflow_tracing import TracingConfig
from pocketflow_tracing.cli.observed import _Shown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the module `greeting`, whose function `run` runs a flow of one node."""
    return written(tmp_path, {"greeting.py": FLOW})


def run(folder: Path, source: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program run and traced; its traces go to a store in its folder."""
    written(folder, {"app.py": source})
    return child([*OURS, "run", *options, "app.py"], folder, environment=environment_of(folder) | environment)


def headers(folder: Path) -> list[dict[str, Any]]:
    """What `list --json` says of the traces that were kept, oldest first."""
    ended = tracing_cli("list", "--json", folder=folder, environment=environment_of(folder))
    return list(reversed(json.loads(ended.stdout)))


def settled(output: str) -> str:
    """The output without durations and ids, which differ from run to run."""
    output = re.sub(r" +[\d.]+ (ns|µs|ms|s)$", "", output, flags=re.M)
    output = re.sub(r"· [\d.]+ (ns|µs|ms|s) ·", "· TIME ·", output)
    return re.sub(r"show [0-9a-f]{8}\b", "show ID", output)


def test_the_tree_of_every_flow_goes_to_stderr_as_it_ends(folder: Path):
    """The program's stdout stays its own, and the last line tells how to see the trace again."""
    ended = run(folder, "import greeting\ngreeting.run()\nprint('done')")

    assert (ended.stdout, ended.returncode) == ("done\n", 0)
    assert (
        settled(ended.stderr)
        == """
✓ flow Welcome
│  +greeting
└─ ✓ Greet
      +greeting "hello"
ok · TIME · 1 node
closer look: pocketflow-tracing show ID

pocketflow-tracing: 1 trace kept; again: pocketflow-tracing show last
"""
    )


def test_the_command_that_the_tree_names_works(folder: Path):
    """Copying the last line of a tree shows that trace."""
    ended = run(folder, "import greeting\ngreeting.run()\ngreeting.run()")
    ids = re.findall(r"closer look: pocketflow-tracing show (\w+)", ended.stderr)

    assert len(ids) == 2
    assert "2 traces kept; again: pocketflow-tracing list" in ended.stderr
    for id in ids:
        shown = tracing_cli("show", id, folder=folder, environment=environment_of(folder))
        assert shown.stdout.startswith(f"trace {id}")
        assert "✓ flow Welcome" in shown.stdout


def test_flows_in_every_thread_are_traced(folder: Path):
    """The scope of `run` is the whole process."""
    source = """
import threading, greeting
threads = [threading.Thread(target=greeting.run) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    ended = run(folder, source)

    assert ended.stderr.count("✓ flow Welcome") == 3
    assert [header["name"] for header in headers(folder)] == ["Welcome"] * 3


def test_quiet_keeps_the_traces_and_says_nothing(folder: Path):
    """stderr is the program's alone."""
    ended = run(folder, "import greeting\ngreeting.run()", "--quiet")

    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)
    assert len(headers(folder)) == 1


def test_a_program_without_flows_gets_one_line(folder: Path):
    """Someone who expected a tree is told why there is none: a flow that ran may not have been seen."""
    ended = run(folder, "print('x')")

    assert ended.stderr == "\npocketflow-tracing: no PocketFlow flow was seen, so there is nothing to show\n"


def test_where_only_some_runs_are_traced_that_is_said():
    """A flow that ran and was not chosen is not one that was not found."""
    shown = _Shown(TracingConfig(sample_rate=0.25))

    why = "no PocketFlow flow was seen, or none chosen to be traced (sample_rate is 0.25)"
    assert shown.summary(0) == f"pocketflow-tracing: {why}, so there is nothing to show"


def test_session_user_and_tags_are_those_of_the_command(folder: Path):
    """The options of `run` are the keywords of `tracing`."""
    options = ("--session", "batch-7", "--user=ada", "--tag", "nightly", "--tag", "-x")
    run(folder, "import greeting\ngreeting.run()", *options)

    (header,) = headers(folder)
    assert (header["session_id"], header["user_id"], header["tags"]) == ("batch-7", "ada", ["nightly", "-x"])


def test_a_program_that_fails_shows_its_tree_and_its_own_traceback(folder: Path):
    """What failed is in the tree, and the traceback is that of plain Python."""
    source = """
from pocketflow import Flow, Node
class Fail(Node):
    def exec(self, prep_res):
        raise ValueError("bad")
Flow(start=Fail()).run({})
"""
    ended = run(folder, source)
    plain = child([sys.executable, "app.py"], folder)

    assert ended.returncode == plain.returncode == 1
    assert plain.stderr in ended.stderr
    assert "   └─ ✗ exec" in ended.stderr
    assert "         ValueError: bad" in ended.stderr
    assert ended.stderr.endswith("1 trace kept; again: pocketflow-tracing show last\n")


def test_flows_that_run_at_exit_are_traced_too(folder: Path):
    """The program's exit handlers run before the last line is written."""
    ended = run(folder, "import atexit, greeting\natexit.register(greeting.run)\ngreeting.run()")

    assert ended.stderr.count("✓ flow Welcome") == 2
    assert len(headers(folder)) == 2


def test_off_runs_the_program_plainly(folder: Path):
    """With tracing off there is no trace of us, in the environment, the modules or the output."""
    source = """
import sys, greeting
greeting.run()
print([name for name in sys.modules if "tracing" in name])
"""
    for environment in ({"POCKETFLOW_TRACING": "off"}, {}):
        if not environment:
            written(folder, {".env": "POCKETFLOW_TRACING=off"})
        ended = run(folder, source, **environment)
        assert (ended.stdout, ended.stderr) == ("[]\n", "")
    assert not (folder / "traces.db").exists()


def test_without_a_store_the_trees_are_shown_and_nothing_is_promised(folder: Path):
    """No command is named that could not find the trace."""
    ended = run(folder, "import greeting\ngreeting.run()", POCKETFLOW_TRACING_STORE="off")

    assert "✓ flow Welcome" in ended.stderr
    assert ended.stderr.endswith("pocketflow-tracing: 1 trace shown, none kept: the store is off\n")
    assert "pocketflow-tracing show" not in ended.stderr


def test_a_store_that_cannot_be_used_is_told_and_nothing_is_promised(folder: Path):
    """Neither a tree nor the last line names a command that could not find the trace."""
    ended = run(folder, "import greeting\ngreeting.run()", POCKETFLOW_TRACING_STORE="/proc/nope/traces.db")

    assert ended.stderr.startswith("[TRACING] the trace store /proc/nope/traces.db cannot be used: ")
    assert "✓ flow Welcome" in ended.stderr
    assert ended.stderr.endswith(
        "pocketflow-tracing: 1 trace shown, none kept: the store could not be used\n"
    )
    assert "pocketflow-tracing show" not in ended.stderr


def test_a_store_that_breaks_meanwhile_is_promised_for_what_it_has(folder: Path):
    """The trees that were kept name their command, the others do not, and the last line counts both."""
    source = """
import contextlib, os, greeting, pocketflow_tracing
greeting.run()
pocketflow_tracing.flush()
for end in ("", "-wal", "-shm"):
    with contextlib.suppress(FileNotFoundError):  # the last two go when the worker closes the file
        os.remove("traces.db" + end)
os.mkdir("traces.db")
greeting.run()
"""
    ended = run(folder, source)

    assert ended.stderr.count("closer look: pocketflow-tracing show ") == 1
    assert ended.stderr.count("✓ flow Welcome") == 2
    assert "pocketflow-tracing: 2 traces shown, 1 kept: the store could not be used; again: " in ended.stderr


def test_a_bad_setting_is_told_once(folder: Path):
    """By the command or by the program's own process, and whether it leaves tracing on or turns it off."""
    for name, on in (("POCKETFLOW_TRACING_MAX_DEPTH", True), ("POCKETFLOW_TRACING", False)):
        ended = run(folder, "import greeting\ngreeting.run()", **{name: "deep"})
        assert ended.stderr.count(f"[TRACING] {name} must be ") == 1
        assert ("✓ flow Welcome" in ended.stderr) is on
    (folder / ".env").write_bytes(b"\xff")
    assert run(folder, "").stderr.count("cannot be read: it is not UTF-8 text") == 1


def test_a_redirected_stderr_of_the_program_gets_none_of_ours(folder: Path):
    """What a program catches of its own stderr is what it would catch without us."""
    source = """
import contextlib, io, greeting
with contextlib.redirect_stderr(io.StringIO()) as caught:
    greeting.run()
print(repr(caught.getvalue()))
"""
    ended = run(folder, source)

    assert ended.stdout == "''\n"
    assert "✓ flow Welcome" in ended.stderr


def test_a_stderr_that_nobody_reads_changes_neither_output_nor_status(folder: Path):
    """A broken pipe is ours to swallow: the program never wrote there."""
    written(folder, {"app.py": "import greeting, sys\ngreeting.run()\nprint('done')\nsys.exit(7)"})
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as broken:
        ended = subprocess.run(
            [*OURS, "run", "app.py"],
            cwd=folder,
            env={**os.environ, **environment_of(folder)},
            stdout=subprocess.PIPE,
            stderr=broken,
            timeout=DEADLINE,
        )

    assert (ended.stdout, ended.returncode) == (b"done\n", 7)
    assert len(headers(folder)) == 1


def test_what_runs_in_forked_children_is_counted_too(folder: Path):
    """The last line counts every tree that was shown and every trace that was kept."""
    source = """
import multiprocessing, greeting
context = multiprocessing.get_context("fork")
greeting.run()
children = [context.Process(target=greeting.run) for _ in range(3)]
[child.start() for child in children]
[child.join() for child in children]
"""
    ended = run(folder, source)

    assert ended.stderr.count("closer look: ") == 4
    assert ended.stderr.endswith("pocketflow-tracing: 4 traces kept; again: pocketflow-tracing list\n")
    assert len(headers(folder)) == 4


def test_a_child_of_fork_does_not_speak_for_its_parent(folder: Path):
    """The last line is written once, by the process that was started."""
    source = """
import os, sys, greeting
pid = os.fork()
greeting.run()
if pid == 0:
    sys.exit(0)
os.waitpid(pid, 0)
"""
    ended = run(folder, source)

    assert ended.stderr.count("kept; again:") == 1
    assert len(headers(folder)) == 2


def test_a_pocketflow_beside_the_script_is_the_one_that_is_traced(folder: Path):
    """Many programs carry their own copy of PocketFlow's hundred lines."""
    copied = Path(pocketflow.__file__).read_text(encoding="utf-8")
    written(folder, {"pocketflow/__init__.py": copied})

    ended = run(folder, "import greeting, pocketflow\ngreeting.run()\nprint(pocketflow.__file__)")

    assert ended.stdout == f"{folder / 'pocketflow' / '__init__.py'}\n"
    assert "└─ ✓ Greet" in ended.stderr


def test_modules_beside_the_script_do_not_disturb_the_tracing(folder: Path):
    """Files called like libraries of ours are the program's, and are imported by it alone."""
    names = ("rich", "queue", "pathlib", "dotenv", "unicodedata", "zipfile", "sqlite3", "mmap")
    written(folder, {f"{name}.py": f"print('imported {name}')" for name in names})
    command = written(folder / "bin", {"tool": "from pocketflow_tracing.cli import main\nmain()\n"}) / "tool"
    written(folder, {"app.py": "import greeting\ngreeting.run()"})

    ended = child([sys.executable, str(command), "run", "app.py"], folder, environment=environment_of(folder))

    # PocketFlow itself imports asyncio, which imports some of them from here.
    assert ended.stdout == child([sys.executable, "app.py"], folder).stdout
    assert "└─ ✓ Greet" in ended.stderr
    assert "1 trace kept" in ended.stderr


def test_settings_read_while_the_program_runs_are_not_read_by_a_module_beside_it(folder: Path):
    """A `.env` that comes up later is read by the library, not by a `dotenv.py` of the program's."""
    written(folder, {"dotenv.py": "print('imported')", "pathlib.py": "print('imported')"})
    source = """
import greeting
with open(".env", "w") as file:
    file.write("POCKETFLOW_USER_ID=ada")
greeting.run()
"""
    ended = run(folder, source)
    (folder / "dotenv.py").unlink()

    assert ended.stdout == ""
    assert [header["user_id"] for header in headers(folder)] == ["ada"]


LOADED = "import sys; print([name for name in ('click', 'rich', 'sqlite3', 'dotenv') if name in sys.modules])"


def test_little_is_loaded_before_the_program_begins(folder: Path):
    """A short script is not slowed by libraries that it may never need."""
    launcher = f"""
import os, sys
def execve(*command):
    {LOADED}
    sys.exit()
os.execve = execve
sys.argv[1:] = ["run", "app.py"]
from pocketflow_tracing.cli import main
main()
"""
    ended = child([sys.executable, "-c", launcher], folder, environment=environment_of(folder))

    assert (ended.stdout, ended.stderr) == ("[]\n", "")
    assert run(folder, LOADED).stdout == "[]\n"


@pytest.mark.parametrize("arguments", [[], ["-q"], ["-m"], ["-c"], ["--nonsense", "app.py"]])
def test_wrong_usage_ends_with_status_2_and_runs_nothing(arguments: list[str], folder: Path):
    """The options of `run` come before the program."""
    ended = tracing_cli("run", *arguments, folder=folder)

    assert ended.returncode == 2
    assert ended.stderr.startswith("Usage: pocketflow-tracing run [OPTIONS] (SCRIPT | -m MODULE | -c CODE)")


def test_a_missing_script_is_pythons_to_complain_about(folder: Path):
    """The same words and the same status, and nothing of ours."""
    ended = tracing_cli("run", "missing.py", folder=folder)
    plain = child([sys.executable, "missing.py"], folder)

    assert (ended.stdout, ended.stderr, ended.returncode) == ("", plain.stderr, 2)
    assert "can't open file" in plain.stderr

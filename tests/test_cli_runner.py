"""A program under `pocketflow-tracing run` cannot tell, and its user cannot either."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from awkward_programs import MODULES_OF_ONES_OWN, SCRIPTS, SPAWN, WATCHED_FROM_PYTHON, WHO_AM_I
from cli_support import DEADLINE, OURS, child, written

from pocketflow_tracing.cli.runner import interpreter_flags

BESIDE = {
    "beside.py": "print('beside')",
    "broken.py": "def f(:\n",
    "failing.py": "def f():\n    raise ValueError('in import')\nf()",
    "package/__init__.py": "print('package', __name__)",
    "package/__main__.py": WHO_AM_I,
    "package/part.py": WHO_AM_I + "\n1 / 0",
    "empty/__init__.py": "",
}


def both(
    program: list[str],
    folder: Path,
    *,
    flags: tuple[str, ...] = (),
    stdin: str = "Ada\nand more\n",
    environment: dict[str, str] | None = None,
    ours: Sequence[str] = OURS[1:],
) -> list[tuple[str, str, int]]:
    """What plain Python and the quiet runner make of one command line: stdout, stderr, exit status."""
    (folder / "traces").mkdir(exist_ok=True)
    variables = {"POCKETFLOW_TRACING_STORE": str(folder / "traces" / "t.db"), **(environment or {})}
    plain = [sys.executable, *flags]
    with ThreadPoolExecutor() as pool:
        running = [
            pool.submit(child, [*command, *program], folder, stdin=stdin, environment=variables)
            for command in (plain, [*plain, *ours, "run", "--quiet"])
        ]
        ended = [process.result() for process in running]
    return [(_settled(one.stdout), _settled(one.stderr), one.returncode) for one in ended]


def _settled(output: str) -> str:
    """`output` without the addresses of objects, and without how often a recursion went round.

    Where an exception unwinds, a monitoring callback of ours takes one frame of the limit.
    """
    output = re.sub(r"line repeated \d+ more times", "line repeated many times", output)
    return re.sub(r"0x[0-9a-f]{8,}", "0x…", output)


LAUNCHER = "from pocketflow_tracing.cli import main\nmain()\n"
"""What installing the package puts beside Python as `pocketflow-tracing`."""


def watched(name: str) -> object:
    """The name of a script; expected to differ where a callback of ours shows."""
    until, reason = WATCHED_FROM_PYTHON.get(name, ((3, 0), ""))
    return pytest.param(name, marks=pytest.mark.xfail(sys.version_info < until, reason=reason, strict=True))


@pytest.mark.parametrize("name", [watched(name) for name in SCRIPTS])
def test_a_script_runs_as_it_does_without_us(name: str, tmp_path: Path):
    """Every byte on stdout and stderr is the same, and so is the exit status."""
    written(tmp_path, {**BESIDE, "app.py": SCRIPTS[name]})

    plain, traced = both(["app.py", "--quiet", "-m", "x y"], tmp_path)

    assert traced == plain


def test_multiprocessing_works_from_a_script_under_run(tmp_path: Path):
    """Spawned children import the script as their main module, as they do without us."""
    written(tmp_path, {"app.py": SPAWN})

    plain, traced = both(["app.py", "argument"], tmp_path)

    assert traced == plain
    assert plain[0].count("__mp_main__") == 4
    assert plain[2] == 0


@pytest.mark.parametrize(
    "program",
    [
        ["-m", "beside", "a"],
        ["-m", "package", "a", "-m"],
        ["-mpackage"],
        ["-m", "package.part"],
        ["-m", "empty"],
        ["-m", "empty.missing"],
        ["-m", "missing"],
        ["-m", "broken"],
        ["-m", "failing"],
        ["-c", WHO_AM_I, "a", "-c", "--quiet"],
        ["-cimport sys; print(sys.argv)", "x"],
        ["-c", "def f():\n    1 / 0\nf()"],
        ["-c", "if True print(1)"],
        ["package", "a"],
        ["./package/../package/part.py"],
        [os.path.join("package", "part.py"), "a"],
        ["empty"],
        ["missing.py"],
        ["app.zip", "a"],
        ["link.py"],
        ["noextension", "-h"],
        ["--", "-dashed.py", "--help"],
        ["compiled.pyc"],
    ],
    ids=" ".join,
)
def test_whatever_python_takes_runs_as_it_does_without_us(program: list[str], tmp_path: Path):
    """Modules, code, folders, zip files, links and what is missing: Python's own words for each."""
    deep = tmp_path / "deep" / "er"
    written(
        tmp_path, {**BESIDE, "noextension": WHO_AM_I, "-dashed.py": WHO_AM_I, "deep/er/real.py": WHO_AM_I}
    )
    (tmp_path / "link.py").symlink_to(deep / "real.py")
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("__main__.py", WHO_AM_I + "\n1 / 0")
    compiling = "import py_compile; py_compile.compile('beside.py', cfile='compiled.pyc')"
    subprocess.run([sys.executable, "-c", compiling], cwd=tmp_path, check=True)

    plain, traced = both(program, tmp_path)

    assert traced == plain


@pytest.mark.parametrize("source", [WHO_AM_I, "def f():\n    1 / 0\nf()", "print(input())\nAda"])
def test_a_script_on_stdin_runs_as_it_does_without_us(source: str, tmp_path: Path):
    """`run -` reads the program where Python reads it."""
    plain, traced = both(["-", "a", "b"], tmp_path, stdin=source)

    assert traced == plain


@pytest.mark.parametrize(
    "flags",
    [("-W", "error"), ("-Werror::UserWarning", "-O"), ("-u", "-X", "dev"), ("-Xutf8", "-bB"), ("-q", "-OO")],
    ids=" ".join,
)
def test_the_flags_of_python_are_passed_on(flags: tuple[str, ...], tmp_path: Path):
    """`python -O -m pocketflow_tracing run` runs the program with -O."""
    source = WHO_AM_I + "\nimport warnings; assert False, 'kept'; warnings.warn('x')"
    written(tmp_path, {"app.py": source})

    plain, traced = both(["app.py"], tmp_path, flags=flags, environment={"PYTHONWARNINGS": "default"})

    assert traced == plain


@pytest.mark.skipif(sys.version_info < (3, 11), reason="safe paths came with Python 3.11")
@pytest.mark.parametrize("environment", [{"PYTHONSAFEPATH": "1"}, {}])
def test_a_safe_path_stays_safe(environment: dict[str, str], tmp_path: Path):
    """Under -P nothing beside the script is imported, by neither of us."""
    written(tmp_path, {"app.py": "import sys, queue; print(sys.path, queue)", "queue.py": "print('own')"})

    plain, traced = both(["app.py"], tmp_path, flags=() if environment else ("-P",), environment=environment)

    assert traced == plain


CUSTOMISED = """
import sys
if "pocketflow_tracing" not in sys.orig_argv:  # our own command is a Python too
    print("customised", __file__, __name__)
"""


@pytest.mark.parametrize("python_path", [None, "", "{0}/lib", "{0}/lib:", ":{0}/lib:{0}/lib"])
def test_pythonpath_and_a_sitecustomize_of_the_users_stay_theirs(python_path: str | None, tmp_path: Path):
    """The program sees the variable it was given, and the user's own start module has run once."""
    source = "import os, sys; print(os.environ.get('PYTHONPATH'), sys.path, sys.modules.get('sitecustomize'))"
    written(tmp_path, {"app.py": source, "lib/sitecustomize.py": CUSTOMISED})
    environment = {} if python_path is None else {"PYTHONPATH": python_path.format(tmp_path)}
    if python_path is None and "PYTHONPATH" in os.environ:
        pytest.skip("PYTHONPATH is set for these tests")

    plain, traced = both(["app.py"], tmp_path, environment=environment)

    assert traced == plain
    assert plain[0].count("customised") == ("lib" in (python_path or ""))


def test_a_failing_sitecustomize_fails_as_it_does_without_us(tmp_path: Path):
    """Python's own complaint about it, and then the program runs."""
    written(tmp_path, {"app.py": "print('on')", "lib/sitecustomize.py": f"{CUSTOMISED}    1 / 0"})

    plain, traced = both(["app.py"], tmp_path, environment={"PYTHONPATH": str(tmp_path / "lib")})

    assert traced == plain
    assert "ZeroDivisionError" in plain[1]


def test_a_module_beside_the_script_is_the_one_it_imports(tmp_path: Path):
    """Whatever the tracer uses itself, the program's own file of that name comes first, and runs once."""
    own = {f"{name}.py": "print('own', __name__)" for name in MODULES_OF_ONES_OWN}
    imports = "\n".join(f"import {name}; print({name}.__file__)" for name in MODULES_OF_ONES_OWN)
    written(tmp_path, {**own, "app.py": imports})
    command = written(tmp_path / "bin", {"pocketflow-tracing": LAUNCHER}) / "pocketflow-tracing"

    plain, traced = both(["app.py"], tmp_path, ours=[str(command)])

    assert traced == plain
    assert plain[0].count("own") == len(MODULES_OF_ONES_OWN)


def test_a_reader_that_goes_away_is_noticed_as_without_us(tmp_path: Path):
    """`run app.py | head -1`: the same complaint and the same status as plain Python."""
    written(tmp_path, {"app.py": "for number in range(100_000): print(number)"})
    outcomes = []
    for command in ([sys.executable], [*OURS, "run", "--quiet"]):
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "wb") as closed:
            ended = subprocess.run(
                [*command, "app.py"], cwd=tmp_path, stdout=closed, stderr=subprocess.PIPE, timeout=DEADLINE
            )
        outcomes.append((ended.stderr, ended.returncode))

    assert outcomes[1] == outcomes[0]
    assert b"BrokenPipeError" in outcomes[0][0]


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_missing_standard_streams_are_missing_for_the_program_alone(closed: tuple[int, ...], tmp_path: Path):
    """A program started without stdin, stdout or stderr runs as it does without us."""
    source = "import sys; open('seen', 'w').write(f'{sys.stdin} {sys.stdout} {sys.stderr}'); sys.exit(3)"
    written(tmp_path, {"app.py": source})
    seen = []
    for command in ([sys.executable], [*OURS, "run", "--quiet"]):
        closing = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
        line = f'exec "$@" {closing}'
        ended = subprocess.run(["sh", "-c", line, "sh", *command, "app.py"], cwd=tmp_path, timeout=DEADLINE)
        seen.append(((tmp_path / "seen").read_text(), ended.returncode))

    assert seen[1] == seen[0]
    assert seen[0][1] == 3


@pytest.mark.parametrize("flag", ["-E", "-I"])
def test_a_python_that_cannot_be_traced_is_refused_clearly(flag: str, tmp_path: Path):
    """Flags that keep our start module out are named, and nothing runs untraced in silence."""
    written(tmp_path, {"app.py": "print('ran')"})
    ended = child([sys.executable, flag, *OURS[1:], "run", "app.py"], tmp_path)

    assert (ended.stdout, ended.returncode) == ("", 1)
    assert ended.stderr == f"pocketflow-tracing: run cannot trace under Python's {flag}; start it without\n"


@pytest.mark.parametrize(
    ("line", "as_module", "flags"),
    [
        ("python /bin/pocketflow-tracing", False, []),
        ("python -sE /bin/pocketflow-tracing", False, []),
        ("python -sPu /bin/pocketflow-tracing", False, ["-u"]),
        ("python -W error -X dev /bin/pocketflow-tracing", False, ["-W", "error", "-X", "dev"]),
        ("python -m pocketflow_tracing", True, []),
        ("python -mpocketflow_tracing", True, []),
        ("python -Bm pocketflow_tracing", True, ["-B"]),
        ("python -BPmpocketflow_tracing", True, ["-BP"]),
        ("python -Wm -Xm=m -m pocketflow_tracing", True, ["-Wm", "-Xm=m"]),
        ("python -W m -m pocketflow_tracing", True, ["-W", "m"]),
        ("python -P -c code", False, []),
        ("python --check-hash-based-pycs never -m pocketflow_tracing", True,
         ["--check-hash-based-pycs", "never"]),
    ],
)  # fmt: skip
def test_pythons_own_flags_are_read_off_its_command_line(line: str, as_module: bool, flags: list[str]):
    """Those of an installed command's first line are about that command, not about the program."""
    assert interpreter_flags([*line.split(), "run", "-q"], 2, as_module) == flags

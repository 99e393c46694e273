"""`nox` checks everything: lint, types, import layers, and the tests on every interpreter found.

`nox -s tests-3.12 -- tests/test_config.py` runs a part; `nox -s coverage` says what no test reaches.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import nox

REQUIRED = ["3.10", "3.11", "3.12", "3.13"]
WHERE_FOUND = [version for version in ("3.14", "3.15") if shutil.which(f"python{version}")]
PYTHONS = REQUIRED + WHERE_FOUND
OLDEST_AND_NEWEST = [REQUIRED[0], REQUIRED[-1]]
POCKETFLOWS = ["0.0.1", "0.0.2", "0.0.3"]
LANGFUSES = {"3.10": ["langfuse==4.7.0", "langfuse==4.18.0"], "3.13": ["langfuse==4.18.0"]}
# What is left out does not meet PocketFlow's code in another way.
ENGINE_TESTS = [
    "tests/conformance",
    "tests/property",
    "--programs=50",
    "-k=not 100_000_steps and not multiprocessing and not coverage_measures",
]
# Not what needs one Python only; an option is known where the folder that has it is named.
PART = ["-m", "not browser and not one_python", "tests", "tests/property", "--programs=150"]
WORKERS = ["-n3", "--dist=worksteal"]  # a third of the time they wait for processes and servers

# Tests start hundreds of processes, which would each compile all that they import.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"  # an interpreter that is missing should be seen to be missing
nox.options.error_on_missing_interpreters = bool(os.environ.get("CI"))
nox.options.reuse_existing_virtualenvs = True


@nox.session(python="3.12")
def lint(session: nox.Session) -> None:
    """Style, types, and which module may import which."""
    session.install("-e", ".[dev]", "nox")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests, with the newest PocketFlow. Some need one Python only: those that drive a browser, say.

    So do most of the random programs: what Pythons do differently, the conformance tests show.
    """
    session.install("-e", ".[dev]")
    session.install("--upgrade", "pocketflow")
    part = [] if session.python == REQUIRED[-1] else PART
    session.run("pytest", *(session.posargs or [*WORKERS, *part]))


@nox.session(python=OLDEST_AND_NEWEST)
def engine(session: nox.Session) -> None:
    """The tests of the engine, with the versions of PocketFlow that are not the newest.

    The oldest Python has one probe and the newest both. What differs between Pythons beyond that is the
    bytecode that calls are read from, and the newest PocketFlow shows each of them the same calls.
    """
    session.install("-e", ".[dev]")
    session.install("--upgrade", "pocketflow")
    ask = "from importlib.metadata import version; print(version('pocketflow'))"
    newest = str(session.run("python", "-c", ask, silent=True)).strip()
    for version in POCKETFLOWS:
        if version == newest:
            continue  # all tests run with it
        session.install(f"pocketflow=={version}")
        session.run("pytest", *(session.posargs or [*WORKERS, *ENGINE_TESTS]))


@nox.session(python=OLDEST_AND_NEWEST)
def langfuse(session: nox.Session) -> None:
    """The observations of Langfuse's own SDK nest, with its older versions; `tests` has the newest."""
    session.install("-e", ".[dev]")
    for version in LANGFUSES[str(session.python)]:
        session.install("--upgrade", version)
        session.run("pytest", *(session.posargs or ["tests/test_langfuse_sdk.py"]))


@nox.session(python=OLDEST_AND_NEWEST)
def wheel(session: nox.Session) -> None:
    """The built wheel works on its own, outside this folder."""
    example = Path("examples/support_tickets.py").resolve()
    with tempfile.TemporaryDirectory() as folder:
        session.install("build[uv]")
        session.run("python", "-m", "build", "--installer", "uv", "--outdir", folder, silent=True)
        (built,) = Path(folder).glob("*.whl")
        session.install("--force-reinstall", str(built))
        session.chdir(folder)
        session.run(
            "pocketflow-tracing", "run", str(example), env={"POCKETFLOW_TRACING_STORE": f"{folder}/t.db"}
        )


@nox.session(python=REQUIRED[-1])
def readme(session: nox.Session) -> None:
    """The README's first command, as it stands there, where there is nothing but Python and its pip."""
    command = next(line[2:] for line in Path("README.md").read_text().splitlines() if line[:2] == "$ ")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "venv", f"{folder}/venv")
        path = os.pathsep.join([f"{folder}/venv/bin", os.environ["PATH"]])
        env = {"PATH": path, "POCKETFLOW_TRACING_STORE": f"{folder}/t.db"}
        session.run("sh", "-c", command, env=env, external=True)


@nox.session(python="3.12", default=False)
def coverage(session: nox.Session) -> None:
    """Which lines no test reaches."""
    session.install("-e", ".[dev]")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *(session.posargs or ["-q"]))
    session.run("coverage", "combine")
    session.run("coverage", "report")

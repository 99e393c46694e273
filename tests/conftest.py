"""What every test stands on: a store of its own, and proof that nothing is left behind."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from cli_support import Command
from click.testing import CliRunner, Result
from store_support import end_children
from surroundings_support import HAS_MONITORING, PROBES, Surroundings, left_registered, remaining_threads

from pocketflow_tracing import errors
from pocketflow_tracing.cli.commands import commands
from pocketflow_tracing.store import Store

if TYPE_CHECKING:
    from langfuse_support import CommandLine
    from otlp_server_support import Server

    from pocketflow_tracing import TracingConfig
    from pocketflow_tracing.delivery import Delivery
    from pocketflow_tracing.delivery.shipping.courier import Courier

pytest_plugins = ["browser_support"]


def pytest_configure(config: pytest.Config) -> None:
    """Tests that take long and meet nothing that differs between versions of Python are marked."""
    config.addinivalue_line("markers", "one_python: run on one version of Python only")


@pytest.fixture(scope="session", autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads the developer's settings or writes the developer's traces."""
    kept = dict(os.environ)
    for name in kept:
        if name.startswith(("LANGFUSE_", "POCKETFLOW_")):
            del os.environ[name]
    os.environ["POCKETFLOW_TRACING_STORE"] = str(tmp_path_factory.mktemp("store") / "traces.db")
    yield
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture(scope="session", autouse=True)
def interrupts_arrive() -> None:
    """Ctrl-C reaches the children of tests, also where the tests run in the background of a shell."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=PROBES)
def probe(request: pytest.FixtureRequest) -> Iterator[str]:
    """The probe the test runs with: the test runs once with each that this interpreter has."""
    name: str = request.param
    if name == "profile" and HAS_MONITORING:
        os.environ["POCKETFLOW_TRACING_PROBE"] = name
    yield name
    os.environ.pop("POCKETFLOW_TRACING_PROBE", None)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Imports an example by name, as a fresh module."""
    folder = str(Path(__file__).parent.parent / "examples")
    monkeypatch.syspath_prepend(folder)
    known = set(sys.modules)

    yield importlib.import_module
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(folder):
            del sys.modules[name]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the store of a test is to be, for its commands too; neither file nor folder is there yet."""
    store = tmp_path / "store" / "traces.db"
    monkeypatch.setenv("POCKETFLOW_TRACING_STORE", str(store))
    return store


@pytest.fixture
def settings(path: Path) -> TracingConfig:
    """The settings of a run that keeps its trace at `path`."""
    from live_support import config

    return config(path)


@pytest.fixture
def delivery() -> Iterator[Delivery]:
    """A worker of the test's own."""
    from live_support import own_delivery

    with own_delivery() as delivery:
        yield delivery


@pytest.fixture
def server() -> Iterator[Server]:
    """A strict server that takes traces as Langfuse does."""
    from otlp_server_support import running_server

    with running_server() as server:
        yield server


@pytest.fixture
def courier(server: Server) -> Iterator[Courier]:
    """Sends to the first project of `server`."""
    from langfuse_support import sink_of

    from pocketflow_tracing.delivery.shipping.courier import Courier

    courier = Courier(sink_of(server))
    yield courier
    courier.close()


@pytest.fixture
def cli(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Runs commands with a store, and with keys for `server`."""
    from langfuse_support import CommandLine

    return CommandLine(tmp_path, server, monkeypatch)


@pytest.fixture(autouse=True)
def no_child_left_running() -> Iterator[None]:
    """A test that fails or hangs takes its child processes with it."""
    yield
    end_children()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """After each test the process is as before it, our one idle worker thread apart."""
    errors.forget_told()
    before = Surroundings.now()
    threads = set(threading.enumerate())
    known = left_registered()  # only the test that leaves something fails
    yield
    assert Surroundings.now() == before
    assert remaining_threads(threads) == []
    assert [left for left in left_registered() if left not in known] == []


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """The store of the commands."""
    store = Store(path)
    yield store
    store.close()


@pytest.fixture
def command() -> Command:
    """Runs a command in this process."""

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(commands, arguments, input=stdin, prog_name="pocketflow-tracing")

    return run

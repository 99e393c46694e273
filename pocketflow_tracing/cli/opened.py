"""The store and the output of a command, and clear words when something is missing."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from ..config import TracingConfig
from ..errors import ConfigError, TracingError
from ..model import Trace
from ..store import Store
from ..view.lines import Block, fitted
from ..view.output import rendered
from ..view.text import visible

Command = TypeVar("Command", bound=Callable[..., Any])


class NothingFound(TracingError):
    """There are no traces in the store; `quiet` where the output says so already."""

    def __init__(self, store: Store, quiet: bool = False) -> None:
        super().__init__(f"no traces in {store.path} yet; make one: pocketflow-tracing run your_script.py")
        self.quiet = quiet


def failing_clearly(command: Command) -> Command:
    """Let `command` end with one line and exit status 1, or 2 for a bad setting, where it fails."""

    @functools.wraps(command)
    def guarded(*args: Any, **keywords: Any) -> Any:
        try:
            return command(*args, **keywords)
        except TracingError as failure:
            if not getattr(failure, "quiet", False):
                click.echo(f"pocketflow-tracing: {visible(str(failure))}", err=True)
            sys.exit(2 if isinstance(failure, ConfigError) else 1)

    return guarded  # type: ignore[return-value]


@contextmanager
def opened_store() -> Iterator[Store]:
    """The store that the settings name, open for a while; raises TracingError where it is off."""
    config = TracingConfig.from_env()
    if config.store is None:
        raise TracingError("the trace store is off (POCKETFLOW_TRACING_STORE), so no traces are kept")
    store = Store(config.store, max_bytes=config.store_max_bytes, max_days=config.store_max_days)
    try:
        yield store
    finally:
        store.close()


def trace_named(store: Store, id: str) -> Trace:
    """The trace that `id` names: "last", an id, or the start of one."""
    if id.lower() != "last":
        return store.load(id.lower())
    newest = store.last()
    if newest is None:
        raise NothingFound(store)
    return newest


def tell(shown: Block | str) -> None:
    """Print to stdout, as its encoding and its being a terminal allow."""
    if isinstance(shown, Block):
        click.echo(rendered(shown, sys.stdout), color=True)
    else:
        click.echo(fitted(shown, getattr(sys.stdout, "encoding", None)))

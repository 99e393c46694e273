"""The store and the output of a command, and clear words when something is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..config import TracingConfig
from ..errors import TracingError
from ..model import Trace
from ..store import Store
from ..view.lines import Block, fitted
from ..view.output import rendered


class NothingFound(TracingError):
    """There are no traces in the store; `quiet` where the output says so already."""

    def __init__(self, store: Store, quiet: bool = False) -> None:
        super().__init__(f"no traces in {store.path} yet; make one: pocketflow-tracing run your_script.py")
        self.quiet = quiet


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
        return store.load(id)
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

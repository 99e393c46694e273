"""Rows of older versions get the columns that came later, when somebody first asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from .database import StoreDamaged
from .rows import COUNTS, trace_row

if TYPE_CHECKING:
    import sqlite3

    from .store import Store

AT_ONCE = 100
"""Traces counted in one transaction: others write in between."""

_UNCOUNTED = "SELECT id FROM traces WHERE nodes IS NULL LIMIT ?"
_COLUMNS = ("project", "tags", *COUNTS)
_COMPLETE = f"UPDATE traces SET {', '.join(f'{name} = ?' for name in _COLUMNS)} WHERE id = ?"


@contextmanager
def completed(store: Store) -> Iterator[sqlite3.Connection | None]:
    """One unchanging view of the store with every trace counted, or None where there is no file.

    In a file that cannot be written, what an older version wrote stays uncounted.
    """
    while not store.read_only and (ids := _uncounted(store)) and _complete(store, ids):
        pass
    with store.reading() as connection:
        yield connection


def _uncounted(store: Store) -> list[str]:
    with store.reading() as connection:
        found = [] if connection is None else connection.execute(_UNCOUNTED, (AT_ONCE,)).fetchall()
    return [row[0] for row in found]


def _complete(store: Store, ids: list[str]) -> bool:
    updates = [_update(store, id) for id in ids]
    try:
        with store.transaction(create=False) as connection:
            connection.executemany(_COMPLETE, updates)
    except StoreError:
        return False
    return True


def _update(store: Store, id: str) -> tuple[Any, ...]:
    try:
        row = trace_row(store.load(id))
    except StoreDamaged:
        raise
    except StoreError:  # deleted meanwhile
        return (None, None, *(0 for _ in COUNTS), id)
    return (row.project, row.tags, *(getattr(row, name) or 0 for name in COUNTS), id)

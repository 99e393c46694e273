"""Which traces are to be sent where. Nothing in here is a secret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from typing import NamedTuple as Record
else:
    from .record import Record

_ADD = "INSERT OR IGNORE INTO destinations (kind, host, account) VALUES (?, ?, ?)"
_FIND = "SELECT number FROM destinations WHERE kind = ? AND host = ? AND account = ?"
_ADDRESS = """
INSERT OR IGNORE INTO outbox (destination, trace) SELECT ?, number FROM traces WHERE id = ?
"""
_ALL = """
SELECT t.id, d.kind, d.host, d.account
FROM outbox o JOIN traces t ON t.number = o.trace JOIN destinations d ON d.number = o.destination
"""


class Destination(Record):
    """Where a network sink sends to: `account` is a public key, or a hash of what tells two apart."""

    kind: str
    host: str
    account: str


def address(connection: sqlite3.Connection, addressed: Iterable[tuple[str, Destination]]) -> None:
    """Note that these traces, by id, are to be sent, within the caller's transaction."""
    numbers: dict[Destination, int] = {}
    for id, destination in addressed:
        if destination not in numbers:
            numbers[destination] = number_of(connection, destination)
        connection.execute(_ADDRESS, (numbers[destination], id))


def number_of(connection: sqlite3.Connection, destination: Destination) -> int:
    """The number of a destination in this file, which is given one where it has none."""
    found = connection.execute(_FIND, destination).fetchone()
    if found is None:
        connection.execute(_ADD, destination)
        found = connection.execute(_FIND, destination).fetchone()
    return int(found[0])


def all_addressed(connection: sqlite3.Connection) -> Iterator[tuple[str, Destination]]:
    """Every trace, by id, with a destination that has not confirmed it."""
    for id, *destination in connection.execute(_ALL):
        yield id, Destination._make(destination)

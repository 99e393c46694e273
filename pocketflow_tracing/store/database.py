"""Opening the file: private from its first byte, never somebody else's, and with errors that explain."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreError
from . import schema

MEMORY = ":memory:"
SETUP_SECONDS = 5.0
"""How long opening waits in all: several processes may set up the same file at the same time."""
COMPANIONS = ("-wal", "-shm", "-journal")

_DAMAGED = ("malformed", "not a database", "no such table", "no such column", "file is encrypted")
_LOCKED = ("locked", "busy")


class StoreLocked(StoreError):
    """Another process holds the file for longer than we wait; the same call may work later."""


class StoreEmpty(StoreError):
    """The file has no tables yet: another process is making it right now."""


class StoreDamaged(StoreError):
    """The file is no longer a database."""


def told(path: str, failure: Exception) -> StoreError:
    """What went wrong with the file at `path`, as an error for people."""
    reason = getattr(failure, "strerror", None) or str(failure)
    if any(word in reason for word in _DAMAGED):
        return StoreDamaged(f"the trace store {path} is damaged: {reason}")
    if any(word in reason for word in _LOCKED):
        return StoreLocked(f"the trace store {path} is locked by another process")
    return StoreError(f"the trace store {path} cannot be used: {reason}")


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn what SQLite and the system raise in the block into StoreErrors that name the file."""
    try:
        yield
    except (sqlite3.Error, OSError, MemoryError) as failure:
        raise told(path, failure) from failure


def connect(path: str, *, create: bool, patience: float, read_only: bool = False) -> sqlite3.Connection:
    """An open connection to the store at `path`, its schema up to date.

    Without `create` the file must exist. A file that cannot be written is opened for reading. One
    statement waits for at most `patience` seconds for a lock that another process holds. With
    `read_only`, SQLite refuses every write, and a file of an older version is refused as well.
    """
    with explained(path):
        if path == MEMORY:
            return _open(path, patience)
        if create:
            make_file(Path(path))
        check_file(Path(path))
        deadline = time.monotonic() + min(SETUP_SECONDS, 4 * patience)
        while True:
            try:
                # SQLite makes a file that went away just now, unless it is told not to.
                mode = None if create else "mode=ro" if read_only else "mode=rw"
                return _open(path, patience, read_only, option=mode)
            except StoreLocked:
                # Switching to WAL does not wait for a lock by itself.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            except StoreError:
                if create or os.access(Path(path).parent, os.W_OK) or Path(f"{path}-wal").exists():
                    raise
                # WAL needs a second file even to read, unless nobody can write here at all.
                return _open(path, patience, read_only, option="immutable=1")


def _uri(path: str, option: str) -> str:
    from urllib.parse import quote

    return f"file:{quote(os.fsencode(path))}?{option}"


def _open(
    path: str, patience: float, read_only: bool = False, *, option: str | None = None
) -> sqlite3.Connection:
    # Threads take turns with it under the store's lock; transactions are begun by hand.
    connection = sqlite3.connect(
        path if option is None else _uri(path, option),
        timeout=patience,
        isolation_level=None,
        check_same_thread=False,
        uri=option is not None,
    )
    try:
        with explained(path):
            _check(connection, path)
            if path != MEMORY:
                _make_private(path)
            if not read_only:
                _prepare(connection)
            elif schema.version_of(connection) == 0:
                raise StoreEmpty(f"the trace store {path} has no tables yet")
            elif schema.version_of(connection) < len(schema.MIGRATIONS):
                raise StoreError(
                    f"the trace store {path} was written by an older version of pocketflow-tracing; "
                    "bring it up to date: pocketflow-tracing list"
                )
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: str) -> None:
    # One moment for both questions: another process may be making the tables right now.
    connection.execute("BEGIN")
    found, foreign = schema.version_of(connection), schema.is_foreign(connection)
    connection.rollback()
    if foreign:
        raise StoreError(f"{path} is a database of another program; name another file for the trace store")
    if found > len(schema.MIGRATIONS):
        raise StoreError(
            f"the trace store {path} was written by a newer version of pocketflow-tracing "
            f"(schema {found}; this one knows {len(schema.MIGRATIONS)}): upgrade, or name another file"
        )


def _prepare(connection: sqlite3.Connection) -> None:
    found = schema.version_of(connection)
    connection.execute("PRAGMA secure_delete = ON")
    try:
        if found == 0:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode this loses nothing when the process dies, and needs no fsync a commit.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA journal_size_limit = 16777216")
        schema.migrate(connection)
    except sqlite3.OperationalError as failure:
        if found != len(schema.MIGRATIONS) or "readonly" not in str(failure):
            raise


def make_file(path: Path) -> None:
    """Create an empty file that only we can read, in a folder that only we can enter."""
    if path.parent.exists() and not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        # Never through a link: O_EXCL refuses one, also one that leads nowhere.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        os.fchmod(handle, 0o600)  # the umask may have taken even our own rights
    finally:
        os.close(handle)


def check_file(path: Path) -> None:
    """Refuse what is not a plain file of our user's.

    The file is only looked at, never opened: closing it would drop the locks that SQLite holds on
    it elsewhere in this process.
    """
    me = os.geteuid()
    link = os.lstat(path)
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in (me, 0):
        raise StoreError(f"the trace store {path} is a link that another user made; name another file")
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"the trace store {path} is not a file")
    if found.st_uid != me and me != 0:
        raise StoreError(f"the trace store {path} belongs to another user; name another file")


def _make_private(path: str) -> None:
    """Take everybody else's rights away, now that it is known to be a trace store."""
    for name in (path, *(f"{path}{companion}" for companion in COMPANIONS)):
        try:
            mode = stat.S_IMODE(os.stat(name).st_mode)
            if mode & 0o077:
                os.chmod(name, mode & 0o700)
        except OSError:
            pass  # not there, or not ours to change


def move_aside(path: Path, damaged: tuple[int, int]) -> Path | None:
    """Rename a damaged store, so that a new one can start; None where another process did it already.

    `damaged` is device and inode of the file that was found damaged: only that one is moved. A file
    that does not look like a store of ours (a wrong path in the settings) is left alone: StoreError.
    """
    if path.suffix not in (".db", ".sqlite", ".sqlite3") and not Path(f"{path}-wal").exists():
        raise StoreError(f"{path} is not a trace store and was left alone; name another file")
    with _folder_lock(path.parent):
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return None
        if (found.st_dev, found.st_ino) != damaged:
            return None
        aside = _free_name(path)
        os.rename(path, aside)
        for companion in COMPANIONS:
            if os.path.lexists(f"{path}{companion}"):
                os.rename(f"{path}{companion}", f"{aside}{companion}")
        return aside


def _free_name(path: Path) -> Path:
    moment = time.strftime("%Y%m%d-%H%M%S")
    number = 1
    aside = path.with_name(f"{path.name}.corrupt-{moment}")
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.corrupt-{moment}-{number}")
    return aside


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """One process at a time in here; where the file system knows no locks, all at once."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:
                break
        yield
    finally:
        os.close(handle)

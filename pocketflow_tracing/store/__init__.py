"""The local store: every trace in one SQLite file, shared by processes."""

from .database import StoreDamaged, StoreLocked
from .store import Store

__all__ = ["Store", "StoreDamaged", "StoreLocked"]

"""Any object → a small, masked, JSON-able value: capture, redaction, change sets."""

from .changes import ChangeSet, compare
from .nodes import Limits, Snapshot
from .redaction import Policy
from .rendering import Rendered, render
from .snapshot import snapshot

__all__ = ["ChangeSet", "Limits", "Policy", "Rendered", "Snapshot", "compare", "render", "snapshot"]

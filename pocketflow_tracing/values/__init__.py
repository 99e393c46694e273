"""Any object → a small, masked, JSON-able value: capture, redaction, change sets."""

from typing import TYPE_CHECKING

from .changes import ChangeSet, Difference, compare
from .nodes import Limits, Snapshot
from .snapshot import snapshot

if TYPE_CHECKING:
    from .redaction import Policy
    from .rendering import Rendered, render

__all__ = [
    "ChangeSet",
    "Difference",
    "Limits",
    "Policy",
    "Rendered",
    "Snapshot",
    "compare",
    "render",
    "snapshot",
]

if not TYPE_CHECKING:

    def __getattr__(name):
        """Rendering and masking, loaded when first asked for: capturing does without them."""
        if name not in ("Policy", "Rendered", "render"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import redaction, rendering

        return getattr(redaction if name == "Policy" else rendering, name)

"""What became of the traces of a run over the network, in a line or two."""

from __future__ import annotations

from ..delivery.shipping import Shipper
from ..view.text import counted, visible

MAX_URLS = 3


def delivered(shipper: Shipper) -> list[str]:
    """Where the last traces can be looked at, and what could not be sent in time."""
    urls = list(shipper.urls().values())
    lines = [f"in Langfuse: {visible(url)}" for url in urls[-MAX_URLS:]]
    if shipper.left_at_end:
        spans = counted(shipper.left_at_end, "span")
        lines.append(f"{spans} still to be sent: pocketflow-tracing push")
    return lines

"""Where events come from: one probe for each means the interpreter offers."""

from __future__ import annotations

import os
import sys

from ..anatomy import Machinery
from .base import Listener, Probe


def make_probe(machinery: dict[int, Machinery], listener: Listener) -> Probe:
    """The best probe of this interpreter; `POCKETFLOW_TRACING_PROBE=profile` asks for `sys.setprofile`."""
    if sys.version_info >= (3, 12) and os.environ.get("POCKETFLOW_TRACING_PROBE") != "profile":
        from .monitoring import MonitoringProbe

        return MonitoringProbe(machinery, listener)
    from .profile import ProfileProbe

    return ProfileProbe(machinery, listener)

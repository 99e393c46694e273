"""Child processes that trace and deliver: the first lines of their programs."""

from __future__ import annotations

import os

FOLDER = os.path.dirname(os.path.abspath(__file__))

TRACED = f"""
import os, signal, sys, threading, time
sys.path.insert(0, {FOLDER!r})
from live_support import Run, config, traced
from pocketflow_tracing.delivery import delivery
PATH, HOST, KEY = sys.argv[1:4]
settings = config(None if PATH == "off" else PATH, langfuse_public_key=f"pk-lf-{{KEY}}",
                  langfuse_secret_key=f"sk-lf-{{KEY}}", langfuse_host=HOST)
"""
PATIENT = TRACED.replace("langfuse_host=HOST", "langfuse_host=HOST, exit_timeout=30")
"""For what shall arrive however busy the machine is."""

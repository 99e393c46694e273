"""`python -m pocketflow_tracing` is the same as `pocketflow-tracing`."""

import os
import sys

if sys.path and sys.path[0] == os.getcwd() and not getattr(sys.flags, "safe_path", False):
    # -m puts the working directory first, and a program may have a `click.py` of its own there.
    del sys.path[0]

from .cli import main

main()

"""`python -m pocketflow_tracing` is the same as `pocketflow-tracing`."""

from .cli import main

main()

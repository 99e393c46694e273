"""The command line: `pocketflow-tracing`, also `python -m pocketflow_tracing`."""


def main() -> None:
    """Do what the arguments of this process say, and exit."""
    from .commands import commands

    commands(prog_name="pocketflow-tracing")

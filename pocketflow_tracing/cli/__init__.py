"""The command line: `pocketflow-tracing`, also `python -m pocketflow_tracing`."""

import sys


def main() -> None:
    """Do what the arguments of this process say, and exit."""
    from .ending import output_failed

    try:
        _run_at_once(sys.argv[1:])
        from .commands import commands

        commands(prog_name="pocketflow-tracing")
    except OSError as failure:  # a broken pipe is dealt with by click
        output_failed(failure)


def _run_at_once(words: list[str]) -> None:
    """Run a program without options of ours before it: the parser of the others would cost 0.1 s."""
    from .ending import failing_clearly
    from .program import Program

    program = Program.of(words[1:]) if words[:1] == ["run"] else None
    if program is not None:
        from .runner import run

        failing_clearly(run)(program, quiet=False, keywords={})

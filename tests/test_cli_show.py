"""`show`: one trace as a tree, whole or in part."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from cli_support import Command, keep
from view_support import MS, TraceBuilder, long_loop, stacktrace, support_flow

from pocketflow_tracing.model import ErrorInfo, SpanKind, Trace
from pocketflow_tracing.store import Store


def test_show_shows_the_last_trace_unless_told_otherwise(store: Store, command: Command):
    """`show`, `show last`, an id, its start and its start in capitals all find a trace."""
    keep(store, support_flow(), "aaaa1111", age_days=1)
    last = keep(store, long_loop(1), "bbbb2222")

    for arguments in ([], ["last"], ["LAST"], ["bbbb2222"], ["b"], ["BBBB"], [last.id]):
        shown = command("show", *arguments)
        assert shown.exit_code == 0
        assert shown.output.startswith(f"trace {last.id} · ")
        assert "✓ flow Loop" in shown.output
    assert "✓ flow Support" in command("show", "aaaa").output


def test_show_leaves_no_phase_out_and_ends_with_the_next_step(store: Store, command: Command):
    """The console folds quiet phases; `show` is the closer look."""
    keep(store, long_loop(1), "bbbb2222")

    lines = command("show").output.splitlines()

    assert [re.sub("  .*", "", line.strip(" ├└─│")) for line in lines[1:6]] == [
        "✓ flow Loop", "✓ Step", "✓ prep", "✓ exec", "✓ post",
    ]  # fmt: skip
    assert lines[-1] == "inputs and outputs: pocketflow-tracing show bbbb2222 --values"


def test_show_with_values_full_and_span(store: Store, command: Command):
    """Values are clipped, whole, or those of one step only; each output names the next closer one."""
    build = long_loop(2)
    build.spans[3].input = {"prep_res": "x" * 1_000}
    keep(store, build, "bbbb2222")

    values, full = command("show", "--values").output, command("show", "--full").output
    span, kind = command("show", "--span", "step.EXEC").output, command("show", "--span", "exec").output

    assert 'in prep_res "xxx' in values and "more" in values
    assert values.endswith("all of each value: pocketflow-tracing show bbbb2222 --full\n")
    assert "x" * 1_000 in full
    assert full.endswith("all traces: pocketflow-tracing list\n")
    assert span.count("✓ exec") == 2 and "prep " not in span and "in prep_res" in span
    assert span.endswith("all of each value: pocketflow-tracing show bbbb2222 --span step.EXEC --full\n")
    assert kind.replace("--span exec", "") == span.replace("--span step.EXEC", "")


@pytest.mark.parametrize(
    ("input", "error", "is_short"),
    [
        ({"text": "short", "many": [1, 2]}, None, True),
        ({"text": "x" * 300}, None, False),
        ({"many": list(range(100))}, None, False),
        ({}, ErrorInfo("ValueError", "bad", stacktrace()), False),
    ],
    ids=["short", "text", "list", "error"],
)
def test_all_of_each_value_is_offered_only_where_something_is_missing(
    store: Store, command: Command, input: dict[str, Any], error: ErrorInfo | None, is_short: bool
):
    """A value that was cut, or a stack trace that `--full` alone shows."""
    build = TraceBuilder()
    node = build.node(build.add(None, SpanKind.FLOW, "Support"), "Ask")
    node.input, node.error = input, error
    keep(store, build, "bbbb2222")

    assert command("show", "--values").output.splitlines()[-1] == (
        "all traces: pocketflow-tracing list"
        if is_short
        else "all of each value: pocketflow-tracing show bbbb2222 --full"
    )


def test_an_id_that_is_not_there_is_named_as_it_was_given(store: Store, command: Command):
    """Letter by letter, though capitals do not matter."""
    keep(store, long_loop(1), "bbbb2222")

    assert "no trace 'Weird' in " in command("show", "Weird").stderr


def test_show_says_which_names_there_are(store: Store, command: Command):
    """A mistyped step is answered with the steps of the trace."""
    keep(store, long_loop(1), "bbbb2222")

    shown = command("show", "--span", "Stepp")

    assert shown.exit_code == 1
    assert shown.stderr == (
        "pocketflow-tracing: no step is called 'Stepp'; "
        "the names are Loop, Step, Step.exec, Step.post, Step.prep\n"
    )


def test_show_as_json_is_the_whole_trace(store: Store, command: Command):
    """What is printed is read back as the very same trace."""
    trace = keep(store, support_flow(), "aaaa1111")

    shown = command("show", "--json").output

    assert Trace.from_dict(json.loads(shown)).to_dict() == store.load(trace.id).to_dict()
    assert shown.isascii()
    assert command("show", "--json", "--full").exit_code == 2


def test_an_endless_trace_is_cut_unless_it_is_asked_for_in_full(store: Store, command: Command):
    """`show` prints a bounded number of lines and says how many steps are missing."""
    build = TraceBuilder("Chain")
    flow = build.add(None, SpanKind.FLOW, "Chain")
    for number in range(1_000):
        build.node(flow, f"Step{number}", "prep", "exec", "post")
    keep(store, build, "bbbb2222")

    shown, full = command("show").output, command("show", "--full").output

    assert len(shown.splitlines()) < 2_010
    assert "… 2,001 more steps not shown here" in shown
    assert len(full.splitlines()) == 4_004


def test_a_long_loop_is_folded_unless_it_is_asked_for_in_full(store: Store, command: Command):
    """The tree says how to see every round."""
    keep(store, long_loop(100), "bbbb2222")

    shown = command("show").output

    assert "├─ … Step ×96" in shown
    assert "\nevery round: pocketflow-tracing show bbbb2222 --full\n" in shown
    assert command("show", "--full").output.count("Step") == 100


def test_show_only_what_failed_or_was_retried(store: Store, command: Command):
    """Branches without trouble are left out, and counted; the next step keeps the choice."""
    keep(store, support_flow(), "aaaa1111")

    shown = command("show", "--errors").output

    assert "✗ Read#2" in shown and "↻ exec · attempt 1 of 3" in shown and "prep" not in shown
    assert "… 2 other steps left out\n" in shown
    assert shown.endswith("pocketflow-tracing show aaaa1111 --errors --values\n")


@pytest.mark.parametrize(
    ("options", "steps", "again"),
    [
        (["--slow"], ["Loop", "Step", "exec"], "--slow 10"),
        (["--slow", "1"], ["Loop", "Step", "exec"], "--slow 1"),
        (["--slow=50ms"], ["Loop", "Step", "exec"], "--slow 50ms"),
        (["--slow", "0.05s"], ["Loop", "Step", "exec"], "--slow 50ms"),
    ],
)
def test_show_only_what_took_long(
    options: list[str], steps: list[str], again: str, store: Store, command: Command
):
    """The slowest by a number of them, or by how long they took."""
    build = TraceBuilder("Loop")
    flow = build.add(None, SpanKind.FLOW, "Loop", start_ns=MS, end_ns=101 * MS)
    node = build.add(flow, SpanKind.NODE, "Step", start_ns=MS, end_ns=101 * MS)
    build.add(node, SpanKind.EXEC, "Step.exec", start_ns=MS, end_ns=101 * MS)
    if options != ["--slow"]:
        build.add(flow, SpanKind.NODE, "Quick", start_ns=101 * MS, end_ns=101 * MS + 1)
    keep(store, build, "aaaa1111")

    shown = command("show", "last", *options).output

    marked = [line.strip("├└─│ ").split()[1:] for line in shown.splitlines() if "✓" in line]
    assert [words[1] if words[0] == "flow" else words[0] for words in marked] == steps
    assert shown.endswith(f"pocketflow-tracing show aaaa1111 {again} --values\n")


def test_show_to_a_certain_depth(store: Store, command: Command):
    """Two levels beneath the top are the phases of the nodes of a plain flow."""
    keep(store, long_loop(1), "bbbb2222")

    assert "prep" not in command("show", "--depth", "1").output
    assert "prep" in command("show", "--depth", "2").output


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--slow", "soon"], 2, "'--slow': it takes a number of steps, like 5, or a duration, like 500ms"),
        (["--slow", "0"], 2, "'--slow': it takes a number of steps"),
        (["--depth", "-1"], 2, "-1 is not in the range"),
        (["--errors", "--slow"], 2, "--errors and --slow do not go together"),
        (["--json", "--errors"], 2, "--json prints everything"),
        (["--errors"], 1, "no step of trace bbbb2222 failed or was retried"),
        (["--slow", "10s"], 1, "no step of trace bbbb2222 took so long"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(
    options: list[str], status: int, words: str, store: Store, command: Command
):
    """Wrong usage is status 2; nothing found is status 1."""
    keep(store, long_loop(1), "bbbb2222")

    shown = command("show", "last", *options)

    assert (shown.exit_code, shown.stdout) == (status, "")
    assert words in " ".join(shown.stderr.split())

"""`list` and `stats`: many traces at a glance."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from cli_support import Command, keep
from view_support import MS, TraceBuilder, long_loop, support_flow

from pocketflow_tracing.model import ErrorInfo, Generation, SpanKind, Status
from pocketflow_tracing.store import Store
from pocketflow_tracing.tally import Tally
from pocketflow_tracing.view.listing import Listing
from pocketflow_tracing.view.tables import Column, table


def test_list_shows_the_newest_first(store: Store, command: Command):
    """One line a trace with what tells traces apart, and then what to do next."""
    keep(store, support_flow(), "aaaa1111aaaa", age_days=2, status=Status.ERROR)
    keep(store, long_loop(3), "bbbb2222bbbb", age_days=1)

    shown = command("list")

    assert shown.exit_code == 0
    times = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", shown.output)
    assert [" ".join(line.split()) for line in times.splitlines()] == [
        "id started flow status duration nodes spans retries errors",
        "bbbb2222 TIME Loop ✓ ok 12.0 ms 3 13",
        "aaaa1111 TIME Support ✗ error 12.0 ms 2 9 1 1",
        "",
        "look at one: pocketflow-tracing show bbbb2222",
    ]


def test_list_fits_into_the_terminal():
    """Names give up what is missing; what says nothing, such as a column without errors, is left out."""
    well, failed = support_flow().trace(), support_flow().trace(status=Status.ERROR)
    well.name = failed.name = "A flow with a name of its own"

    for traces, errors in (([well], 0), ([well, failed], 1)):
        lines = Listing([(trace, Tally(nodes=2, errors=errors)) for trace in traces]).lines(80)
        assert max(line.width() for line in lines) <= 80
        assert ("errors" in lines[0].plain()) is bool(errors)
        assert "A flow" in lines[1].plain() and "…" in lines[1].plain()
    assert well.name in Listing([(well, Tally())]).lines()[1].plain()


def test_what_is_nested_keeps_the_end_of_its_name_where_room_is_short():
    """The beginning is that of the flow around it, the same on every line."""
    columns = (Column("flow and node", least=16),)
    rows = [["  ReviewAnswer/CheckFacts"], ["  ReviewAnswer/Publish"], ["  ClassificationNode"]]

    assert [line.plain() for line in table(columns, rows, room=16)[1:]] == [
        "  …er/CheckFacts",
        "  …nswer/Publish",
        "  Classificatio…",
    ]


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (90, "id started flow status duration nodes spans errors"),
        (80, "id started flow status duration nodes errors"),
        (75, "id started flow status duration errors"),
        (60, "id flow status duration errors"),
    ],
)
def test_a_narrow_list_leaves_out_what_matters_least(columns: int, titles: str):
    """What a run is, how it went and whether anything failed stays on the line, whatever the screen."""
    build = support_flow()
    cut, failed = build.trace(end_ns=None, status=Status.INTERRUPTED), build.trace(status=Status.ERROR)

    lines = Listing([(cut, Tally()), (failed, Tally(nodes=2, errors=1))]).lines(columns)

    assert lines[0].plain().split() == titles.split()
    assert max(line.width() for line in lines) <= columns


def test_list_counts_nothing_of_what_has_not_ended():
    """Spans are counted as a run ends; an interrupted run with steps is not one of 0 nodes."""
    build = support_flow()
    ran, empty = build.trace(), build.trace(span_count=0)
    cut = build.trace(end_ns=None, status=Status.INTERRUPTED, span_count=0)

    lines = Listing([(trace, Tally()) for trace in (ran, cut, empty)]).lines()

    assert [line.plain().split()[6:] for line in lines[1:]] == [
        ["12.0", "ms", "0", "9"], [], ["12.0", "ms", "0", "0"],
    ]  # fmt: skip


def test_list_shows_as_many_as_asked_for(store: Store, command: Command):
    """-n limits the table, and 0 is no number of traces."""
    for number in range(5):
        keep(store, long_loop(1), f"{number}" * 8, age_days=number)

    shown = command("list", "-n", "2").output.splitlines()

    assert len(shown) == 6
    assert shown[-1] == "there are older ones: -n 4"
    assert "older" not in command("list", "-n", "5").output
    assert command("list", "-n", "0").exit_code == 2


def test_list_as_json_is_for_programs(store: Store, command: Command):
    """An array of headers, without the spans and without a next step."""
    trace = keep(store, support_flow(), "aaaa1111", session_id="s-1")

    (header,) = json.loads(command("list", "--json").output)

    assert (header["schema"], header["id"], header["session_id"]) == (1, trace.id, "s-1")
    assert (header["nodes"], header["errors"], header["duration_ns"]) == (2, 1, 12 * MS)
    assert "spans" not in header and "input" not in header


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--name", "Loop"], "bc"),
        (["--name", "L*p"], "bc"),
        (["--status", "error"], "a"),
        (["--status", "error", "--status", "ok"], "abc"),
        (["--status", "running"], ""),
        (["--since", "36h"], "bc"),
        (["--until", "36h"], "a"),
        (["--since", "60h", "--until", "1h"], "ab"),
        (["--session", "s-1"], "ab"),
        (["--user", "ada"], "b"),
        (["--tag", "nightly"], "c"),
        (["--project", "shop"], "c"),
        (["--text", "timeouterror"], "a"),
        (["--session", "s-1", "--name", "Loop"], "b"),
    ],
)
def test_list_shows_only_what_was_asked_for(options: list[str], found: str, store: Store, command: Command):
    """Each filter counts, in the table and as JSON; nothing found is status 1 and says where to look."""
    keep(store, support_flow(), "aaaa1111", age_days=2, status=Status.ERROR, session_id="s-1")
    keep(store, long_loop(1), "bbbb2222", age_days=1, session_id="s-1", user_id="ada")
    keep(store, long_loop(1), "cccc3333", tags=["nightly"], project="shop")

    shown, as_json = command("list", *options), command("list", *options, "--json")

    assert {header["id"][0] for header in json.loads(as_json.stdout)} == set(found)
    assert shown.exit_code == as_json.exit_code == (0 if found else 1)
    assert [line[0] for line in shown.stdout.splitlines()[1:] if line[:1] in ("a", "b", "c")] == sorted(
        found, reverse=True
    )
    if not found:
        assert shown.stderr == (
            f"pocketflow-tracing: no trace in {store.path} is like that; "
            "all of them: pocketflow-tracing list\n"
        )


def test_moments_are_ages_and_dates(store: Store, command: Command):
    """A date without a time is its first moment, in local time."""
    trace = keep(store, long_loop(1), "aaaa1111")
    day = time.strftime("%Y-%m-%d", time.localtime(trace.start_ns / 1e9))
    later = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(trace.start_ns / 1e9 + 2))

    assert command("list", "--since", day, "--until", later).exit_code == 0
    assert command("list", "--until", day).exit_code == 1
    assert command("list", "--since", later).exit_code == 1
    assert command("list", "--since", "90s").exit_code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--since", "yesterday"], "an age like 2h, or a date like 2026-11-27"),
        (["--until", "9999999d"], "an age like 2h"),
        (["--status", "broken"], "'broken' is not one of"),
        (["--text", ""], "a text to look for has 1 to 1,000 characters"),
        (["--text", "x" * 1_001], "a text to look for has 1 to 1,000 characters"),
    ],
)
def test_a_filter_that_is_none_is_wrong_usage(options: list[str], words: str, command: Command):
    """The message says what is wanted."""
    for name in ("list", "stats"):
        shown = command(name, *options)
        assert shown.exit_code == 2
        assert words in " ".join(shown.stderr.split())


def asked(tokens: int, failed: bool = False) -> TraceBuilder:
    """A flow that asks a model, and whose last node may fail."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Support", status=Status.ERROR if failed else Status.OK)
    node = build.node(flow, "Ask", "exec", node_key="Ask")
    call = Generation("m", {}, {"input": tokens}, {"total": tokens / 1e4})
    build.add(node, SpanKind.GENERATION, "m", generation=call)
    send = build.node(flow, "Send", "post")
    if failed:
        send.status, send.error = Status.ERROR, ErrorInfo("OSError", "no")
        flow.error = ErrorInfo("OSError", "no", raised_in=send.span_id)
    return build


def test_stats_sum_up_flows_and_their_nodes(store: Store, command: Command):
    """Runs, success, durations, errors, tokens and cost, and then what to look at."""
    keep(store, asked(1_000), "aaaa1111")
    keep(store, asked(500, failed=True), "bbbb2222", status=Status.ERROR)
    keep(store, long_loop(2), "cccc3333")

    shown = command("stats")

    assert [" ".join(line.split()) for line in shown.output.splitlines()] == [
        "flow and node runs success p50 p95 errors tokens cost",
        "Support 2 50.0 % 12.0 ms 12.0 ms 1 1,500 $0.1500",
        "Ask 2 100 % 2.00 ms 2.00 ms 1,500 $0.1500",
        "Send 2 50.0 % 2.00 ms 2.00 ms 1",
        "Loop 1 100 % 12.0 ms 12.0 ms",
        "Step 2 100 % 2.00 ms 2.00 ms",
        "",
        "what failed: pocketflow-tracing list --status error",
    ]
    assert "Ask" not in command("stats", "--flows").output
    assert command("stats", "--name", "Loop").output.endswith("the runs: pocketflow-tracing list\n")


def test_stats_as_json_are_for_programs(store: Store, command: Command):
    """One object a flow, durations in nanoseconds, its nodes within."""
    keep(store, asked(1_000), "aaaa1111")

    (flow,) = json.loads(command("stats", "--json").output)

    assert (flow["flow"], flow["runs"], flow["success_rate"], flow["p95_ns"]) == ("Support", 1, 1, 12 * MS)
    assert [(node["node"], node["tokens"]) for node in flow["nodes"]] == [("Ask", 1_000), ("Send", 0)]


def test_of_very_many_traces_nodes_are_summed_up_for_the_newest(
    store: Store, command: Command, monkeypatch: pytest.MonkeyPatch
):
    """The table says so."""
    monkeypatch.setattr("pocketflow_tracing.cli.statistics.MAX_TRACES", 2)
    for number in range(3):
        keep(store, long_loop(1), f"{number}" * 8, age_days=number)

    shown = command("stats").output

    assert [" ".join(line.split()[:2]) for line in shown.splitlines()[1:3]] == ["Loop 3", "Step 2"]
    assert "nodes: of the newest 2 traces" in shown


@pytest.mark.parametrize("arguments", [["stats"], ["stats", "--json"], ["compare"]])
def test_nothing_to_sum_up_or_compare_is_status_1(arguments: list[str], path: Path, command: Command):
    """No file is made, and the next step is named."""
    shown = command(*arguments)

    assert shown.exit_code == 1
    assert shown.stdout == ("[]\n" if "--json" in arguments else "")
    assert ("no traces in" in shown.stderr) is ("--json" not in arguments)
    assert not path.exists()

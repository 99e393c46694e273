"""What is left out of a tree that would be too long, and how it says so."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from counting_support import calls_in
from rich.console import Console
from view_support import TraceBuilder, long_loop, stacktrace

from pocketflow_tracing.model import ErrorInfo, Generation, Span, SpanKind, Status, Trace
from pocketflow_tracing.view.index import Index
from pocketflow_tracing.view.selecting import in_trouble, own_ns, slower_than, slowest
from pocketflow_tracing.view.terminal import Look, TraceTree

FOLDED = Look(folded=True)
WHOLE = Look(whole=True)


def tree(trace: Trace, look: Look = FOLDED, only: set[str] | None = None) -> str:
    """The plain tree, without durations."""
    shown = str(TraceTree(trace, look, only=only))
    return re.sub(r"(?<! ) {2,}[\d.]+ (ms|s)$", "", shown, flags=re.M) + "\n"


def outcome(trace: Trace, look: Look = FOLDED, only: set[str] | None = None) -> list[str]:
    """The lines of the tree, without guides and footer."""
    lines = tree(trace, look, only).splitlines()
    return [line.lstrip("├└─│ ") for line in lines if " · " not in line or line[:1] in "├└│ ✓✗"]


def test_a_long_loop_keeps_its_start_its_end_and_what_failed():
    """A thousand visits do not scroll the terminal away, and the visit that failed stands out."""
    build = long_loop(1_000)
    build.spans[1 + 4 * 500].status = Status.ERROR
    for visit in (100, 200, 300):
        build.spans[1 + 4 * visit + 2].attributes["attempt"] = 2

    assert outcome(build.trace()) == [
        "✓ flow Loop",
        "✓ Step",
        "✓ Step · visit 2",
        "✓ Step · visit 3",
        "… Step ×497, 3 retried",
        "✗ Step · visit 501",
        "… Step ×498",
        "✓ Step · visit 1000",
    ]


def test_a_fold_tells_how_long_its_rounds_took():
    """From the start of the first to the end of the last."""
    shown = str(TraceTree(long_loop(20).trace(), FOLDED)).splitlines()

    assert shown[4].split("  ")[0] == "├─ … Step ×16"
    assert shown[4].endswith(" 62.0 ms")  # 15 rounds of 4 ms, and one span


def test_a_cycle_of_nodes_is_folded_in_one_line():
    """Decide and Search, again and again, are told by name; a node that ran once stays."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Agent")
    for visit in range(1, 21):
        build.node(flow, "Decide", node_key="Decide", visit=visit)
        build.node(flow, "Search", node_key="Search#2", visit=visit)
        if visit == 10:
            build.node(flow, "Save")
    build.node(flow, "Answer")

    assert outcome(build.trace()) == [
        "✓ flow Agent",
        "✓ Decide",
        "✓ Search#2",
        "✓ Decide · visit 2",
        "✓ Search#2 · visit 2",
        "✓ Decide · visit 3",
        "✓ Search#2 · visit 3",
        "… Decide ×7 · Search#2 ×7",
        "✓ Save",
        "… Decide ×9 · Search#2 ×9",
        "✓ Decide · visit 20",
        "✓ Search#2 · visit 20",
        "✓ Answer",
    ]


def test_a_big_batch_folds_its_items_and_its_iterations():
    """Items that were retried are counted; one that failed for good is shown with its error."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Batch")
    node = build.node(flow, "Translate")
    bad = ErrorInfo("ValueError", "bad")
    for item in range(100):
        if item in (20, 30):
            build.failed(node, SpanKind.EXEC, "T.exec", bad, item=item, attempt=1, recovered=True)
        attempt = 2 if item in (20, 30) else 1
        build.add(node, SpanKind.EXEC, "T.exec", item=item, attempt=attempt)
    build.failed(node, SpanKind.EXEC, "T.exec", bad, item=100, attempt=1)
    for item in range(50):
        inner = build.node(build.add(flow, SpanKind.ITERATION, "iteration", item=item), "Step")
        if item == 40:
            build.failed(inner, SpanKind.EXEC, "Step.exec", bad)

    assert outcome(build.trace(), Look()) == [
        "✓ flow Batch",
        "✓ Translate · 101 items",
        "✓ exec · item 0",
        "✓ exec · item 1",
        "✓ exec · item 2",
        "… item ×97, 2 retried",
        "✗ exec · item 100",
        "ValueError: bad",
        *(line for item in (0, 1, 2) for line in (f"✓ iteration {item}", "✓ Step")),
        "… iteration ×37",
        "✓ iteration 40",
        "✓ Step",
        "✗ exec",
        "ValueError: bad",
        "… iteration ×8",
        "✓ iteration 49",
        "✓ Step",
    ]


def test_an_item_that_a_fallback_answered_for_is_shown_with_its_error():
    """However many there are; a retry that went well makes up for what failed before it."""
    build = TraceBuilder()
    node = build.node(build.add(None, SpanKind.FLOW, "Batch"), "Translate")
    bad = ErrorInfo("ValueError", "bad")
    caught = range(17, 27)
    for item in range(40):
        if item == 12 or item in caught:
            build.failed(node, SpanKind.EXEC, "T.exec", bad, item=item, attempt=1, recovered=True)
        if item in caught:
            build.add(node, SpanKind.FALLBACK, "T.exec_fallback", item=item)
        else:
            build.add(node, SpanKind.EXEC, "T.exec", item=item, attempt=2 if item == 12 else 1)

    lines = outcome(build.trace(), Look())[5:]

    assert lines[:4] == [
        "… item ×14, 1 retried",
        "↻ exec · item 17 · attempt 1 of 1 · caught by the fallback",
        "ValueError: bad",
        "✓ fallback · item 17",
    ]
    assert [line for line in lines if "fallback · " in line] == [
        f"✓ fallback · item {item}" for item in caught
    ]
    assert lines.count("ValueError: bad") == len(caught)
    assert lines[-2:] == ["… item ×12", "✓ exec · item 39"]


def test_nothing_that_ran_into_trouble_is_folded():
    """Running, cancelled and interrupted rounds, and those with a warning inside, are shown."""
    build = long_loop(40)
    odd = {10: Status.CANCELLED, 12: Status.INTERRUPTED, 14: Status.UNSET}
    for visit, status in odd.items():
        build.spans[1 + 4 * visit + 2].status = status
    build.spans[1 + 4 * 16].attributes["warnings"] = ["mind"]

    shown = tree(build.trace(), FOLDED)

    assert [f"Step · visit {visit + 1}\n" in shown for visit in (9, 10, 12, 14, 16, 17)] == [
        False, True, True, True, True, False,
    ]  # fmt: skip


def test_in_full_nothing_is_folded_and_a_fold_names_the_way_there():
    """`unfold` is shown where something was left out, and only there."""
    look = replace(FOLDED, unfold=("every round", "show --full"))

    assert "every round: show --full\n" in tree(long_loop(9).trace(), look)
    assert "every round" not in tree(long_loop(8).trace(), look)
    assert tree(long_loop(100).trace(), WHOLE).count("Step") == 100


def test_of_many_different_steps_the_middle_is_cut_where_there_is_a_limit():
    """A chain of nodes that ran once each is no loop; what failed in it stays."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Chain")
    for number in range(100):
        build.node(flow, f"Step{number}")
    build.spans[50].status = Status.ERROR

    assert outcome(build.trace(), Look(folded=True, max_siblings=8)) == [
        "✓ flow Chain",
        *(f"✓ Step{number}" for number in range(6)),
        "✗ Step49",
        "… 91 more of these went well",
        "✓ Step98",
        "✓ Step99",
    ]


def test_a_cut_tree_says_how_many_steps_are_missing_and_what_failed():
    """With the lines used up, the error of the run is told at the end."""
    build = long_loop(50)
    flow = build.spans[0]
    bad = build.node(flow, "Bad", status=Status.ERROR, error=ErrorInfo("ValueError", "no", stacktrace()))
    flow.status, flow.error = Status.ERROR, ErrorInfo("ValueError", "no", raised_in=bad.span_id)

    shown = tree(
        build.trace(), Look(folded=True, max_lines=4, next_step=("closer look", "pocketflow-tracing show x"))
    )

    assert shown.splitlines()[4:] == [
        "… 49 more steps not shown here",
        "ValueError: no  (app.py:31 in exec)",
        "error · 12.0 ms · 51 nodes · 1 error",
        "closer look: pocketflow-tracing show x",
    ]


def test_spans_that_are_not_at_hand_are_counted_as_missing():
    """`span_count` says how many there were."""
    build = TraceBuilder()
    build.add(None, SpanKind.FLOW, "Support")

    assert "… 99 more steps not shown here" in tree(build.trace(span_count=100))


def test_a_chain_of_flows_deeper_than_the_screen_is_folded():
    """Guides of so many levels would be longer than the text they guide to; in full, they are shown."""
    build = TraceBuilder()
    flow = None
    for _ in range(200):
        flow = build.add(flow, SpanKind.FLOW, "Inner")

    shown, whole = tree(build.trace()), tree(build.trace(), Look(whole=True))

    assert whole.count("✓ flow Inner") == 200
    assert "… 139 more steps further down" in shown
    assert max(len(line) for line in shown.splitlines()) < 250


def test_the_work_of_showing_a_tree_grows_with_its_spans_and_not_with_their_square():
    """Four times the spans, about four times the calls, plain and coloured."""

    def show(steps: int) -> int:
        trace = long_loop(steps).trace()

        def both() -> None:
            assert tree(trace, WHOLE).count("\n") == 4 * steps + 2
            Console(file=io.StringIO(), force_terminal=True, width=100).print(TraceTree(trace, WHOLE))

        return calls_in(both)

    show(1)  # what is loaded late
    assert show(400) < 5 * show(100)


def test_a_thousand_nested_flows_are_shown_in_full_without_looking_at_each_character():
    """Guides of a thousand levels, some million characters, take a few calls for each level."""
    build = TraceBuilder()
    flow = None
    for _ in range(1_000):
        flow = build.add(flow, SpanKind.FLOW, "Inner")
    shown = TraceTree(build.trace(), WHOLE)
    console = Console(file=io.StringIO(), force_terminal=True, width=100)

    assert calls_in(lambda: console.print(shown)) < 500_000
    assert str(shown).count("Inner") == 1_000


def test_a_tree_of_a_certain_depth_says_how_much_is_further_down():
    """Depth 1 is the run and what it consists of; that a node has phases need not be said."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Support")
    build.node(flow, "Ask", "prep", "exec")
    build.node(build.add(flow, SpanKind.FLOW, "Inner"), "Send", "prep")

    assert outcome(build.trace(), Look(max_depth=0)) == ["✓ flow Support", "… 6 more steps further down"]
    assert outcome(build.trace(), Look(max_depth=1)) == [
        "✓ flow Support",
        "✓ Ask",
        "✓ flow Inner",
        "… 2 more steps further down",
    ]


def troubled() -> TraceBuilder:
    """A flow with a quiet node, one that was retried, one that failed, and one that warned."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Support")
    build.node(flow, "Quiet", "prep", "exec", "post")
    retried = build.node(flow, "Retried", "prep")
    slow = ErrorInfo("TimeoutError", "slow")
    build.failed(retried, SpanKind.EXEC, "R.exec", slow, attempt=1, max_attempts=2, recovered=True)
    build.add(retried, SpanKind.EXEC, "R.exec", attempt=2, max_attempts=2)
    inner = build.add(flow, SpanKind.FLOW, "Inner", warnings=["mind"])
    failed = build.node(inner, "Failed", "prep", status=Status.ERROR)
    failed.error = slow
    return build


def test_only_what_had_trouble_is_left_with_what_leads_to_it():
    """Failed and retried branches, to the attempt that worked; the rest is counted."""
    trace = troubled().trace()

    assert tree(trace, Look(), in_trouble(Index(trace))).splitlines() == [
        "✓ flow Support",
        "├─ ✓ Retried",
        "│  ├─ ↻ exec · attempt 1 of 2 · retried",
        "│  │     TimeoutError: slow",
        "│  └─ ✓ exec · attempt 2 of 2",
        "└─ ✓ flow Inner",
        "   ├─ ✗ Failed",
        "   │     TimeoutError: slow",
        "   └─ ⚠ mind",
        "… 6 other steps left out",
        "ok · 12.0 ms · 3 nodes · 1 retry · 1 error · 1 warning",
    ]


def names(trace: Trace, ids: set[str]) -> list[str]:
    return [span.name for span in trace.spans if span.span_id in ids]


def test_the_slowest_steps_are_those_that_took_the_time_themselves():
    """A flow that only waits for its nodes is not slow; what leads to a slow step is shown."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Support", start_ns=0, end_ns=100)
    ask = build.add(flow, SpanKind.NODE, "Ask", start_ns=0, end_ns=60)
    build.add(ask, SpanKind.EXEC, "Ask.exec", start_ns=1, end_ns=59)
    build.add(flow, SpanKind.NODE, "Send", start_ns=60, end_ns=90)
    build.add(flow, SpanKind.NODE, "Wait", start_ns=90, end_ns=None)
    trace = build.trace()

    assert names(trace, slowest(Index(trace), 1)) == ["Support", "Ask", "Ask.exec"]
    assert names(trace, slowest(Index(trace), 2)) == ["Support", "Ask", "Ask.exec", "Send"]
    assert names(trace, slower_than(Index(trace), 60)) == ["Support", "Ask"]


@pytest.mark.parametrize(
    ("children", "own"),
    [([], 100), ([(0, 100)], 0), ([(10, 30), (20, 40)], 70), ([(10, 90), (20, 40)], 20), ([(50, 200)], 50)],
)
def test_time_in_which_several_children_ran_counts_once(children: list[tuple[int, int]], own: int):
    """What is left is a span's own, whether its children took turns or not."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "F", start_ns=0, end_ns=100)
    spans: list[Span] = [
        build.add(flow, SpanKind.NODE, "N", start_ns=start, end_ns=end) for start, end in children
    ]

    assert own_ns(flow, spans) == own


def test_the_footer_sums_up_what_calls_of_models_took():
    """Tokens and cost of the whole run."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Support")
    for cost in (0.0031, 1.2):
        call = Generation("m", {}, {"input": 1_000}, {"total": cost})
        build.add(flow, SpanKind.GENERATION, "m", generation=call)

    assert tree(build.trace()).endswith("\nok · 12.0 ms · 0 nodes · 2,000 tokens · $1.20\n")

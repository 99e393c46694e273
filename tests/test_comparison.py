"""Two traces side by side."""

from __future__ import annotations

import json
from dataclasses import replace

from cli_support import Command, keep
from view_support import MS, TraceBuilder

from pocketflow_tracing.model import ErrorInfo, SpanKind, Status
from pocketflow_tracing.store import Store
from pocketflow_tracing.view.compared import ComparedTraces
from pocketflow_tracing.view.comparison import MAX_DIFFERENCES, Difference, compare


def support(answer: object = "yes", *, items: int = 2, name: str = "Support") -> TraceBuilder:
    """A flow whose node asks, and a nested batch flow."""
    build = TraceBuilder(name)
    flow = build.add(None, SpanKind.FLOW, name, output={"result": "done", "shared": {"answer": answer}})
    changes = {"added": {"answer": answer}, "changed": {}, "removed": {}}
    ask = build.node(flow, "Ask", "prep", node_key="Ask", action="go", attempts=1, changes=changes)
    build.add(ask, SpanKind.EXEC, "Ask.exec", output=answer)
    batch = build.add(flow, SpanKind.FLOW, "Batch", node_key="Batch")
    for item in range(items):
        build.node(build.add(batch, SpanKind.ITERATION, "iteration", item=item), "Step")
    return build


def seen(a: TraceBuilder, b: TraceBuilder) -> list[tuple[str, int, str, list[str]]]:
    """The steps of a comparison: label, depth, sides it is on, and what differs."""
    return [
        (
            step.label,
            step.depth,
            "a" * bool(step.a) + "b" * bool(step.b),
            [difference.what for difference in step.differences],
        )
        for step in compare(a.trace(), b.trace()).steps
    ]


def test_traces_that_did_the_same_differ_in_nothing():
    """Durations are no difference, nor is the name of the run."""
    other = support(name="Other")
    other.spans[1].end_ns = 500 * MS

    comparison = compare(support().trace(), other.trace())

    assert comparison.differing == 0
    assert [(step.label, step.depth) for step in comparison.steps] == [
        ("Support", 0), ("Ask", 1), ("Batch", 1),
        ("iteration 0", 2), ("Step", 3), ("iteration 1", 2), ("Step", 3),
    ]  # fmt: skip


def test_each_step_tells_what_differs():
    """Status, action, attempts, errors, changes and results, by path."""
    a, b = support({"text": "yes", "score": [1, 2]}), support({"text": "no", "score": [1, 3]})
    b.spans[1].attributes.update(action="stop", attempts=2)

    assert seen(a, b)[:3] == [
        ("Support", 0, "ab", ["output.shared.answer.text", "output.shared.answer.score[1]"]),
        (
            "Ask",
            1,
            "ab",
            [
                "action",
                "attempts",
                "changes.added.answer.text",
                "changes.added.answer.score[1]",
                "output.text",
                "output.score[1]",
            ],
        ),
        ("Batch", 1, "ab", []),
    ]


def test_a_step_that_is_in_one_trace_only_stands_where_it_ran():
    """Items, visits and nodes that the other has not are there, in order."""
    a, b = support(items=2), support(items=3)
    build, root = a, a.spans[0]
    a.spans.insert(1, replace(root, span_id="f" * 16, parent_id=root.span_id, name="First"))
    build.node(root, "Ask", node_key="Ask", visit=2)

    assert [(label, sides) for label, _, sides, _ in seen(a, b)] == [
        ("Support", "ab"), ("First", "a"), ("Ask", "ab"), ("Batch", "ab"),
        ("iteration 0", "ab"), ("Step", "ab"), ("iteration 1", "ab"), ("Step", "ab"),
        ("iteration 2", "b"), ("Step", "b"), ("Ask · visit 2", "a"),
    ]  # fmt: skip


def test_steps_in_another_order_are_still_the_same_steps():
    """The order of the first trace counts where they do not agree."""
    a, b = TraceBuilder(), TraceBuilder()
    for build, order in ((a, "ABC"), (b, "CXAB")):
        flow = build.add(None, SpanKind.FLOW, "F")
        for name in order:
            build.node(flow, name)

    assert [(label, sides) for label, _, sides, _ in seen(a, b)] == [
        ("F", "ab"), ("X", "b"), ("A", "ab"), ("B", "ab"), ("C", "ab"),
    ]  # fmt: skip


def test_what_a_batch_gave_is_compared_by_item():
    """Attempts that failed and were made up for are not what a node gave."""
    a, b = TraceBuilder(), TraceBuilder()
    for build, last in ((a, 2), (b, 3)):
        node = build.node(build.add(None, SpanKind.FLOW, "F"), "Translate")
        slow = ErrorInfo("TimeoutError", "slow")
        build.failed(node, SpanKind.EXEC, "T.exec", slow, item=1, recovered=True)
        build.add(node, SpanKind.EXEC, "T.exec", item=1, output=last)
        build.add(node, SpanKind.EXEC, "T.exec", item=0, output=1)

    (_, node_step) = compare(a.trace(), b.trace()).steps

    assert node_step.differences == [Difference("output[1]", 2, 3)]


def test_of_very_many_differences_the_first_are_told():
    """A list that is all different does not fill the screen."""
    a, b = support({str(n): n for n in range(99)}), support({str(n): -n - 1 for n in range(99)})

    assert {len(step.differences) for step in compare(a.trace(), b.trace()).steps} == {0, MAX_DIFFERENCES}


def test_the_table_has_both_sides_and_folds_what_is_alike():
    """Steps that differ have their differences beneath; many that do not are counted."""
    a, b = support("yes", items=3), support("no", items=3)
    b.spans[1].end_ns += 2 * MS

    shown = str(ComparedTraces(compare(a.trace(), b.trace()))).splitlines()

    assert [" ".join(line.split()) for line in shown[3:]] == [
        "step A B B / A",
        "flow Support ✓ 2.00 ms ✓ 2.00 ms 1.00x",
        'output.shared.answer "yes" → "no"',
        "Ask ✓ 2.00 ms ✓ 4.00 ms 2.00x",
        'changes.added.answer "yes" → "no"',
        'output "yes" → "no"',
        "… 7 steps alike",
        "",
        "2 steps of 9 differ",
    ]
    assert "iteration 2" in str(ComparedTraces(compare(a.trace(), b.trace()), whole=True))


def test_compare_takes_two_ids_or_finds_the_one_before(store: Store, command: Command):
    """Without ids, the last two traces of the same flow."""
    keep(store, support("old"), "aaaa1111", age_days=3)
    keep(store, support("new"), "bbbb2222", age_days=2)
    keep(store, support("other", name="Other"), "cccc3333", age_days=1)
    keep(store, support("last"), "dddd4444")

    for arguments, first, second in (
        ([], "bbbb2222", "dddd4444"),
        (["bbbb"], "aaaa1111", "bbbb2222"),
        (["dddd", "cccc"], "dddd4444", "cccc3333"),
    ):
        shown = command("compare", *arguments)
        assert shown.exit_code == 0
        assert [line.split()[1] for line in shown.output.splitlines()[:2]] == [first, second]
        assert shown.output.endswith(f"pocketflow-tracing compare {first} {second} --full\n")
    full = command("compare", "--full").output
    assert "iteration 1" in full and full.endswith("one of them: pocketflow-tracing show dddd4444\n")


def test_compare_as_json_is_for_programs(store: Store, command: Command):
    """Both traces in short, every step, and the values that differ."""
    keep(store, support("a"), "aaaa1111", age_days=1)
    keep(store, support("b"), "bbbb2222")

    form = json.loads(command("compare", "--json").output)

    assert (form["a"]["id"][:8], form["b"]["nodes"], form["differing"]) == ("aaaa1111", 3, 2)
    assert form["steps"][1]["differences"] == [
        {"what": "changes.added.answer", "a": "a", "b": "b"},
        {"what": "output", "a": "a", "b": "b"},
    ]
    assert command("compare", "--json", "--full").exit_code == 2


def test_without_an_earlier_trace_there_is_nothing_to_compare_with(store: Store, command: Command):
    """The message says how to name two."""
    keep(store, support(), "aaaa1111")

    shown = command("compare")

    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "no earlier trace of Support to compare aaaa1111 with" in shown.stderr


def test_statuses_that_differ_are_told_with_their_error():
    """A step that failed on one side says so, with what was raised."""
    a, b = support(), support()
    b.spans[1].status, b.spans[1].error = Status.ERROR, ErrorInfo("OSError", "no")

    step = compare(a.trace(), b.trace()).steps[1]

    assert step.differences == [Difference("status", "ok", "error"), Difference("error", None, "OSError: no")]

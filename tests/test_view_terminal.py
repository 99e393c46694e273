"""The tree of a trace on a terminal."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from view_support import MS, TRACE_ID, TraceBuilder, stacktrace, support_flow

from pocketflow_tracing.model import ErrorInfo, Generation, SpanKind, Status, Trace
from pocketflow_tracing.view import text
from pocketflow_tracing.view.changes import condensed
from pocketflow_tracing.view.terminal import Look, TraceTree, closer_look

FOLDED = Look(folded=True)


def tree(trace: Trace, look: Look = FOLDED) -> str:
    """The plain tree, with two spaces before each duration in place of a column."""
    return re.sub(r" {2,}(?=[\d.]+ (ms|µs)$)", "  ", str(TraceTree(trace, look)), flags=re.M) + "\n"


def test_the_tree_tells_what_the_run_did():
    """Quiet phases are folded; attempts, actions, changes, errors and warnings are not."""
    trace = support_flow().trace(session_id="s-1", user_id="ada", tags=["a", "b"])

    assert (
        tree(trace, replace(FOLDED, next_step=closer_look(trace)))
        == """\
✓ flow Support  2.00 ms
│  session s-1 · user ada · tags a, b
├─ ✓ Classify → route_ticket · 2 attempts  2.00 ms
│  │  +classification {"category": "billing"}  ~steps [30 items] → [31 items]  ~count 1 → 2  -draft
│  ├─ ↻ exec · attempt 1 of 3 · retried  2.00 ms
│  │     TimeoutError: slow  (app.py:31 in exec)
│  └─ ✓ exec · attempt 2 of 3  2.00 ms
├─ ✓ iteration 0 {"file": "a.txt"}  2.00 ms
│  └─ ✗ Read#2 · visit 3  2.00 ms
│     │  OSError
│     └─ ✗ exec  2.00 ms
│           OSError: no file  (app.py:31 in exec)
└─ ⚠ Flow ends: 'route_ticket' not found in ['default']
      Classify returned "route_ticket", which leads nowhere; wire it: classify - "route_ticket" >> next_node
ok · 12.0 ms · 2 nodes · 1 retry · 1 error · 1 warning
closer look: pocketflow-tracing show a1b2c3d4
"""
    )


def test_durations_stand_in_a_column_unless_a_line_is_too_long_for_it():
    """Slow steps are found by looking down one column, wide characters counted as wide."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "支持")
    build.node(flow, "N" * 70)
    build.node(flow, "Classify").end_ns = 250 * MS
    build.node(flow, "M" * 75)

    shown = str(TraceTree(build.trace())).splitlines()

    assert [text.width(line) for line in shown[:4]] == [85, 85, 85, 89]


def test_unfolded_every_phase_has_its_line():
    """`show` leaves nothing out; what post changed stands once, at its node."""
    trace = support_flow().trace()

    shown = tree(trace, Look())

    assert shown.count("─ ✓ prep") == 1
    assert shown.count("─ ✓ post") == 1
    assert shown.count("+classification") == 1


def test_a_span_whose_parent_was_lost_is_shown_at_the_top():
    """Nothing that was kept goes unseen, and what was lost is counted."""
    build = TraceBuilder()
    build.add(None, SpanKind.FLOW, "Support")
    orphan = build.node(build.spans[0], "Orphan")
    orphan.parent_id = "f" * 16

    assert (
        tree(build.trace(span_count=5, dropped_spans=3, complete=False))
        == """\
✓ flow Support  2.00 ms
✓ Orphan  2.00 ms
ok · 12.0 ms · 1 node
incomplete: 3 steps lost
"""
    )


def test_a_trace_without_spans_still_has_its_name_and_its_status():
    """A trace that lost all its spans is told, not skipped."""
    trace = Trace(TRACE_ID, TRACE_ID, "Gone", 0, 1_500, Status.ERROR, span_count=7, dropped_spans=7)

    assert (
        tree(trace)
        == """\
✗ Gone  1.50 µs
error · 1.50 µs · 0 nodes
incomplete: 7 steps lost
"""
    )


@pytest.mark.parametrize(
    ("status", "mark", "words"),
    [
        (Status.CANCELLED, "⊘", "cancelled"),
        (Status.INTERRUPTED, "‡", "interrupted"),
        (Status.UNSET, "…", "end not seen"),
    ],
)
def test_a_step_that_did_not_finish_says_so_in_words(status: Status, mark: str, words: str):
    """A mark alone is not enough for a status that is neither ok nor an error."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Support", status=status)
    build.add(build.node(flow, "Wait", status=status), SpanKind.EXEC, "Wait.exec", status=status)

    shown = tree(build.trace())

    assert f"└─ {mark} Wait · {words}" in shown
    assert f"   └─ {mark} exec · {words}" in shown
    assert shown.splitlines()[3].startswith(words)


def test_changes_inside_a_value_are_named_by_their_path():
    """A dict that was updated or a list that was appended to shows its own changes, a few of them."""
    inner = {"added": {"Ada": 1.5}, "changed": {"Ben": [1, 2]}, "removed": {"Cem": 3}}
    many = {"added": {str(index): index for index in range(9)}, "changed": {"0": [5, 0]}, "removed": {}}
    said = {"added": {"1": {"role": "user", "content": "My app crashes on start"}}}
    cut = {"changed": {"0": [1, 2], "length": [300, 301]}}
    unseen: dict[str, object] = {}
    changed = {"marks": inner, "log": many, "chat": said, "cut": cut, "odd": unseen}
    changes = {"added": {}, "changed": changed, "removed": {}, "concurrent": True}
    build = TraceBuilder()
    build.node(None, "Average", changes=changes)

    for condense in (False, True):
        build.spans[0].changes = condensed(changes) if condense else changes
        assert tree(build.trace()).splitlines()[1].strip().split("  ") == [
            "+marks.Ada 1.5",
            "~marks.Ben 1 → 2",
            "-marks.Cem",
            "+log[0] 0",
            "+log[1] 1",
            "+log[2] 2",
            "and 7 more in log",
            '+chat[1] {"role": "user", "content": "My app cras… (2 keys)',
            "and 3 more",
            "(may include others')",
        ]


def test_every_change_is_shown_to_its_end_in_full():
    """With nothing clipped each change has a line of its own, and those of a flow are all named."""
    text, key = "x" * 5_000, "k" * 100
    changes = {
        "added": {key: {"text": text}},
        "changed": {"said": {"added": {str(index): text for index in range(9)}}, "old": [text, [text]]},
        "removed": {"draft": text},
        "partial": True,
    }
    build = TraceBuilder()
    build.node(build.add(None, SpanKind.FLOW, "Support", changes=changes), "Ask", changes=changes)

    lines = [line.strip(" │") for line in tree(build.trace(), Look(values=True, whole=True)).splitlines()]

    assert lines[1] == f"+{key}  ~said  ~old  -draft  (not all of it was seen)"
    assert lines[3:15] == [
        f'+{key} {{"text": "{text}"}}',
        *(f'+said[{index}] "{text}"' for index in range(9)),
        f'~old "{text}" → ["{text}"]',
        f'-draft "{text}"  (not all of it was seen)',
    ]


def test_what_was_noted_of_a_trace_stands_under_its_root():
    """Session, user, tags and the like in one line, metadata in another, a few entries of each clipped."""
    metadata = {"customers": 2, "note": "n" * 300, **{f"m{index}": index for index in range(9)}}
    build = TraceBuilder()
    build.add(None, SpanKind.FLOW, "Support")
    about = {"session_id": "s-1", "tags": ["a", "b"], "environment": "staging", "release": "1.2"}
    trace = build.trace(metadata=metadata, **about)

    clipped, whole = tree(trace).splitlines(), tree(trace, Look(whole=True)).splitlines()

    assert (
        clipped[1].strip()
        == whole[1].strip()
        == ("session s-1 · tags a, b · environment staging · release 1.2")
    )
    assert clipped[2].strip() == (
        f'metadata customers 2 · note "{"n" * 27}… +273 more" · m0 0 · m1 1 · m2 2 · m3 3 · and 5 more'
    )
    assert whole[2].strip().startswith(f'metadata customers 2 · note "{"n" * 300}" · m0 0')
    assert whole[2].endswith("m8 8")


def test_a_run_that_goes_on_says_so():
    """A trace without an end is told apart from one whose end was missed."""
    build = TraceBuilder()
    build.add(None, SpanKind.FLOW, "Support", status=Status.UNSET, end_ns=None)

    assert tree(build.trace(end_ns=None)) == "… flow Support · still running\nstill running · 0 nodes\n"


def test_a_failed_attempt_that_a_fallback_caught_is_not_called_retried():
    """Retried and caught are different things."""
    build = TraceBuilder()
    node = build.node(build.add(None, SpanKind.FLOW, "Support"), "Ask")
    slow = ErrorInfo("TimeoutError", "slow")
    build.failed(node, SpanKind.EXEC, "Ask.exec", slow, attempt=1, max_attempts=1, recovered=True)
    build.add(node, SpanKind.FALLBACK, "Ask.exec_fallback")

    assert (
        tree(build.trace())
        == """\
✓ flow Support  2.00 ms
└─ ✓ Ask  2.00 ms
   ├─ ↻ exec · attempt 1 of 1 · caught by the fallback  2.00 ms
   │     TimeoutError: slow
   └─ ✓ fallback  2.00 ms
ok · 12.0 ms · 1 node
"""
    )


@pytest.mark.parametrize(
    ("most", "is_over", "words"), [(2, False, " · retried"), (2, True, ""), (1, False, "")]
)
def test_without_a_fallback_no_attempt_is_said_to_be_caught_by_it(most: int, is_over: bool, words: str):
    """A process was killed early in the next attempt, or an override caught what was raised."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Support", end_ns=None)
    node = build.node(flow, "Ask") if is_over else build.node(flow, "Ask", end_ns=None)
    slow = ErrorInfo("TimeoutError", "slow")
    build.failed(node, SpanKind.EXEC, "Ask.exec", slow, attempt=1, max_attempts=most, recovered=True)

    assert f"↻ exec · attempt 1 of {most}{words}  2.00 ms" in tree(build.trace(end_ns=None))


def test_of_a_batch_only_the_items_that_had_trouble_have_a_line():
    """The node counts its items; the attempts of one item stay together."""
    build = TraceBuilder()
    node = build.node(build.add(None, SpanKind.FLOW, "Support"), "Translate")
    build.add(node, SpanKind.EXEC, "Translate.exec", item=0, attempt=1, max_attempts=2)
    bad = ErrorInfo("ValueError", "bad")
    build.failed(
        node, SpanKind.EXEC, "Translate.exec", bad, item=1, attempt=1, max_attempts=2, recovered=True
    )
    build.add(node, SpanKind.EXEC, "Translate.exec", item=1, attempt=2, max_attempts=2)

    assert (
        tree(build.trace())
        == """\
✓ flow Support  2.00 ms
└─ ✓ Translate · 2 items  2.00 ms
   ├─ ↻ exec · item 1 · attempt 1 of 2 · retried  2.00 ms
   │     ValueError: bad
   └─ ✓ exec · item 1 · attempt 2 of 2  2.00 ms
ok · 12.0 ms · 1 node · 1 retry
"""
    )


def test_a_generation_tells_its_model_tokens_and_cost():
    """What an LLM call cost stands on its line."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Support")
    exec_span = build.add(build.node(flow, "Ask"), SpanKind.EXEC, "Ask.exec")
    usage = Generation("gpt-x", {}, {"input": 1_000, "output": 204}, {"total": 0.0031})
    build.add(exec_span, SpanKind.GENERATION, "openai.chat", generation=usage)

    assert "└─ ✓ generation openai.chat · gpt-x · 1,204 tokens · $0.0031" in tree(build.trace())


def test_a_node_that_returned_nothing_is_told_how_to_be_wired():
    """PocketFlow says 'None' where post returned nothing; the advice says what to write."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Support", warnings=["Flow ends: 'None' not found in ['yes']"])
    build.node(flow, "AskUser")

    assert "AskUser returned nothing, which leads nowhere; wire it: ask_user >> next_node" in tree(
        build.trace()
    )


def test_causes_and_notes_stand_under_the_error():
    """What led to an exception helps more than the exception."""
    build = TraceBuilder()
    error = ErrorInfo("ValueError", "bad", notes=["while reading a.txt"], causes=["KeyError: 'x'"])
    build.add(None, SpanKind.NODE, "Read", status=Status.ERROR, error=error)

    lines = tree(build.trace()).splitlines()

    assert [line.strip() for line in lines[1:4]] == [
        "ValueError: bad",
        "while reading a.txt",
        "from KeyError: 'x'",
    ]


HOSTILE = "a\x1b[31mb\x9b2Jc\nd\re\tf\u202eg\u2028h\x7fi\ud800j\u200bk\x00"
SHOWN = r"a\x1b[31mb\x9b2Jc\nd\re\tf\u202eg\u2028h\x7fi\ud800j\u200bk\x00"


def test_nothing_from_the_run_can_act_on_the_terminal():
    """Escape sequences, line breaks, bidirectional marks and lone surrogates are shown, not obeyed."""
    build = TraceBuilder(HOSTILE)
    changes = {"added": {HOSTILE: HOSTILE}, "changed": {HOSTILE: [HOSTILE, {HOSTILE: 1}]}}
    given = {"action": HOSTILE, "params": {HOSTILE: HOSTILE}, "warnings": [HOSTILE]}
    error = ErrorInfo(HOSTILE, HOSTILE, f'  File "{HOSTILE}", line 1, in {HOSTILE}', [HOSTILE], [HOSTILE])
    flow = build.add(None, SpanKind.FLOW, HOSTILE, node_key=HOSTILE, changes=changes, **given)
    build.add(flow, SpanKind.ITERATION, HOSTILE, item=0, status=Status.ERROR, error=error, **given)
    values = {"status_message": HOSTILE, "input": {HOSTILE: HOSTILE}, "output": [HOSTILE]}
    build.node(flow, HOSTILE + "#2", node_key=HOSTILE + "#2", changes=changes, **values, **given)
    model = Generation(HOSTILE, {}, {"total": 1}, {})
    build.add(flow, SpanKind.GENERATION, HOSTILE, generation=model, redacted=[HOSTILE], truncated=[HOSTILE])
    about = {"session_id": HOSTILE, "user_id": HOSTILE, "tags": [HOSTILE], "variant": HOSTILE}
    trace = build.trace(**about, release=HOSTILE, metadata={HOSTILE: {HOSTILE: [HOSTILE]}})

    for look in (FOLDED, Look(values=True), Look(values=True, whole=True)):
        shown = tree(trace, look)
        assert SHOWN in shown
        assert [line for line in shown.split("\n") if line and not line.isprintable()] == []


def test_values_stand_under_their_step_by_name():
    """Named inputs have a line each; what was masked and cut is named."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Support", output={"result": "done", "shared": {"a": 1}})
    named = {"shared": {"a": 1}, "prep_res": None, "exec_res": "x" * 500}
    build.add(
        build.node(flow, "Ask", output="done"),
        SpanKind.POST,
        "Ask.post",
        input=named,
        redacted=["input.shared.api_key"],
        truncated=["input.exec_res"],
    )

    lines = [line.strip(" │") for line in tree(build.trace(), Look(values=True)).splitlines()]

    assert lines[1:3] == ['out result "done"', 'out shared {"a": 1}']
    assert lines[6:8] == ['in shared {"a": 1}', "in prep_res null"]
    assert lines[8].startswith('in exec_res "xxx') and lines[8].endswith('more"')
    assert lines[9:11] == ["masked input.shared.api_key", "cut input.exec_res"]


def test_whole_values_are_shown_to_their_end():
    """With nothing clipped, every character of a value and the stack trace can be read."""
    build = TraceBuilder()
    error = ErrorInfo("TimeoutError", "slow", stacktrace())
    node = build.node(None, "Ask", input={"shared": {"text": "y" * 3_000}}, output="two\nlines")
    build.failed(node, SpanKind.EXEC, "Ask.exec", error)

    shown = tree(build.trace(), Look(values=True, whole=True))

    assert "y" * 3_000 in shown
    assert [line.strip(" │") for line in shown.splitlines()][4:6] == ["out two", "lines"]
    assert 'File "/srv/app.py", line 31, in exec' in shown

"""What the tree says of one span: its own line, and the lines that explain it."""

from __future__ import annotations

import re

from ..model import ErrorInfo, Generation, Span, SpanKind, Status
from ..tally import cost, tokens
from .brief import brief
from .changes import change_lines
from .index import PHASES, Index, number
from .lines import DOT, LEADS_TO, MARKS, RECOVERED, WARNING, Entry, Segment
from .text import clip, counted, duration, money, visible

MAX_NAME = 80
MAX_MESSAGE = 300
MAX_CAUSES = 3

_FRAME = re.compile(r'^[\s|+-]*File "(?P<file>.+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$', re.M)
_MISWIRED = re.compile(r"Flow ends: '(?P<action>.*)' not found in ")
_STATE_WORDS = {
    Status.CANCELLED: "cancelled",
    Status.INTERRUPTED: "interrupted",
}


class Describer:
    """Says what spans have to tell; `whole` leaves texts unclipped.

    `unfinished` are the words for a span without an end: running, or lost sight of.
    """

    def __init__(self, index: Index, unfinished: str, whole: bool = False) -> None:
        self._index = index
        self._state_words = {**_STATE_WORDS, Status.UNSET: unfinished}
        self._whole = whole

    def entry(self, span: Span) -> Entry:
        """The line of `span`, and beneath it its error and what it changed."""
        head = [self._mark(span), Segment(" "), *self._title(span), *self._facts(span)]
        details = [*self._error(span), *self._changes(span)]
        return Entry(head, duration(span.duration_ns), details, steps=1)

    def warnings(self, span: Span) -> list[Entry]:
        """PocketFlow's warnings during `span`, with what to do about a missing wire."""
        texts = span.attributes.get("warnings")
        entries = []
        for text in texts if isinstance(texts, list) else ():
            head = [Segment(f"{WARNING} {self._message(str(text))}", "warning")]
            entries.append(Entry(head, details=self._advice(span, str(text))))
        return entries

    def failure(self, span: Span) -> list[Segment]:
        """The error that `span` ended with, as told where it was raised; empty without one."""
        raised_in = self._index.by_id.get(span.error.raised_in or "", span) if span.error else span
        return next(iter(self._error(raised_in)), []) if span.status is Status.ERROR else []

    def _mark(self, span: Span) -> Segment:
        if span.attributes.get("recovered"):
            return Segment(RECOVERED, "recovered")
        return Segment(MARKS[span.status], span.status.value)

    def _title(self, span: Span) -> list[Segment]:
        name = self._name(span)
        if span.kind is SpanKind.NODE:
            return [Segment(name, "name")]
        if span.kind in PHASES:
            return [Segment(name, "kind")]
        if span.kind is SpanKind.ITERATION:
            params = span.attributes.get("params")
            # With nothing clipped, the parameters stand beneath, to their end.
            shown = f" {brief(params, 60)}" if params and not self._whole else ""
            item = number(span, "item")
            return [Segment(f"iteration{'' if item is None else f' {item}'}", "kind"), Segment(shown, "dim")]
        return [Segment(span.kind.value, "kind"), Segment(" "), Segment(name, "name")]

    def _name(self, span: Span) -> str:
        if span.kind in PHASES and self._index.parent(span) is not None:
            return span.kind.value
        # A second instance of a class in the same flow is told apart by its key, like Decide#2.
        key = span.node_key
        name = key if key and span.kind is SpanKind.NODE and "#" in key else span.name
        return visible(clip(name, self._most(MAX_NAME)))

    def _facts(self, span: Span) -> list[Segment]:
        attributes = span.attributes
        facts: list[Segment] = []
        action = attributes.get("action")
        if action is not None and span.kind in (SpanKind.NODE, SpanKind.FLOW):
            facts.append(Segment(f" {LEADS_TO} {visible(clip(str(action), self._most(MAX_NAME)))}", "action"))
        notes = [*_declared(span), *self._counts(span), *_generation_facts(span.generation)]
        if attributes.get("recovered"):
            notes += filter(None, [self._index.recovery(span)])
        elif span.status in self._state_words:
            notes.append(self._state_words[span.status])
        facts.extend(Segment(f" {DOT} {note}", "dim") for note in notes)
        return facts

    def _counts(self, span: Span) -> list[str]:
        notes = []
        if (visit := number(span, "visit") or 1) > 1:
            notes.append(f"visit {visit}")
        if span.kind in (SpanKind.EXEC, SpanKind.FALLBACK):
            notes.extend(self._attempt(span))
            return notes
        if items := self._index.items(span):
            notes.append(counted(items, "item"))
        elif (attempts := number(span, "attempts") or 1) > 1:
            notes.append(counted(attempts, "attempt"))
        return notes

    def _attempt(self, span: Span) -> list[str]:
        notes = []
        if (item := number(span, "item")) is not None:
            notes.append(f"item {item}")
        attempt, most = number(span, "attempt") or 1, number(span, "max_attempts") or 1
        if attempt > 1 or span.attributes.get("recovered"):
            notes.append(f"attempt {attempt} of {most}" if most >= attempt else f"attempt {attempt}")
        return notes

    def _error(self, span: Span) -> list[list[Segment]]:
        error = span.error
        if error is None:
            message = span.status_message
            return [[Segment(self._message(message), "dim")]] if message else []
        style = "recovered" if span.attributes.get("recovered") else span.status.value
        raised_in = self._index.by_id.get(error.raised_in or "")
        if raised_in is not None and raised_in is not span:
            # Told in full at the span where it was raised; here only that it passed.
            return [] if span.status is Status.CANCELLED else [[Segment(visible(error.type), style)]]
        line = [Segment(f"{visible(error.type)}: {self._message(error.message)}".rstrip(": "), style)]
        if where := place(error):
            line.append(Segment(f"  {where}", "dim"))
        most = self._most(MAX_CAUSES)
        further = [*error.notes[:most], *(f"from {cause}" for cause in error.causes[:most])]
        return [line, *([Segment(self._message(text), "dim")] for text in further)]

    def _message(self, text: str) -> str:
        return visible(clip(text, self._most(MAX_MESSAGE)))

    def _most(self, limit: int) -> int | None:
        """The limit, or none where nothing is to be clipped."""
        return None if self._whole else limit

    def _changes(self, span: Span) -> list[list[Segment]]:
        if not isinstance(span.changes, dict):
            return []
        parent = self._index.parent(span)
        if span.kind is SpanKind.POST and parent is not None and parent.changes == span.changes:
            return []
        # What holds nodes changed what they changed; the values stand with them.
        names_only = span.kind not in (SpanKind.NODE, SpanKind.POST)
        return change_lines(span.changes, names_only=names_only, whole=self._whole)

    def _advice(self, span: Span, warning: str) -> list[list[Segment]]:
        match = _MISWIRED.match(warning)
        if match is None:
            return []
        action = None if match["action"] == "None" else match["action"]
        nodes = [child for child in self._index.children(span) if child.attributes.get("action") == action]
        if not nodes:
            return []
        name = self._name(nodes[-1])
        quoted = "" if action is None else f'"{visible(clip(action, MAX_NAME))}"'
        wire = f"{_variable(name)} - {quoted} >> next_node" if quoted else f"{_variable(name)} >> next_node"
        text = f"{name} returned {quoted or 'nothing'}, which leads nowhere; wire it: {wire}"
        return [[Segment(text, "hint")]]


def _variable(class_name: str) -> str:
    """What a node of this class is likely to be called in the program."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name.partition("#")[0]).lower().replace(" ", "_")


def place(error: ErrorInfo) -> str:
    """Where the exception was raised, as `(app.py:31 in exec)`; empty when the stack trace is missing."""
    frames = list(_FRAME.finditer(error.stacktrace))
    if not frames:
        return ""
    innermost = frames[-1]
    file = re.split(r"[/\\]", innermost["file"])[-1]
    function = f" in {innermost['function']}" if innermost["function"] else ""
    return visible(clip(f"({file}:{innermost['line']}{function})", 120))


def _declared(span: Span) -> list[str]:
    """What the program declared a node or a step of its own as, such as an agent or a tool."""
    declared = span.attributes.get("type")
    return [visible(clip(declared, MAX_NAME))] if isinstance(declared, str) else []


def _generation_facts(generation: Generation | None) -> list[str]:
    if generation is None:
        return []
    facts = [visible(generation.model)] if generation.model else []
    if number_of_tokens := tokens(generation):
        facts.append(counted(number_of_tokens, "token"))
    if dollars := cost(generation):
        facts.append(money(dollars))
    return facts

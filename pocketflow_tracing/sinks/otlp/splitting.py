"""Many spans in one request, and what to do when the server does not take them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .encoding import Piece, halves, shortened
from .sending import Answer, Verdict

SHORTENED = (16_384, 2_048, 128)
"""To how many characters the texts of a span are cut that is too large by itself, one after the other."""

Send = Callable[[Sequence[Piece]], Answer]


class Outcome(NamedTuple):
    """What came of a batch: `answer` is the last one, and all was settled if it is an acceptance."""

    answer: Answer
    accepted: int = 0
    rejected: int = 0
    largest: int | None = None
    """How many spans the server took at most at once, where it said that more are too many."""


def deliver(pieces: Sequence[Piece], send: Send) -> Outcome:
    """Send `pieces` in one request if the server takes it; a span that it never takes costs only itself.

    Stops at the first answer that says that nothing is accepted now: the whole batch has to be sent
    again then, which changes nothing on the server.
    """
    waiting = [pieces]
    accepted = rejected = 0
    largest: int | None = None
    is_probed = False
    while waiting:
        part = waiting.pop()
        spans = sum(piece.spans for piece in part)
        answer = send(part)
        if answer.verdict is Verdict.TOO_LARGE and spans == 1:
            answer = _send_shortened(part[0], send)
        if answer.verdict is Verdict.ACCEPTED:
            refused = min(max(answer.rejected, 0), spans)
            accepted += spans - refused
            rejected += refused
            continue
        if answer.verdict is Verdict.MALFORMED and not is_probed:
            # Does it refuse this, or everything? Spans are given up only where the server works.
            is_probed = True
            if send(()).verdict is not Verdict.ACCEPTED:
                return Outcome(answer._replace(verdict=Verdict.REFUSED))
        if answer.verdict not in (Verdict.MALFORMED, Verdict.TOO_LARGE):
            return Outcome(answer)
        if spans == 1:
            rejected += 1
            continue
        first, second = _halved(part)
        waiting += [second, first]
        if answer.verdict is Verdict.TOO_LARGE:
            largest = sum(piece.spans for piece in first)
    return Outcome(Answer(Verdict.ACCEPTED), accepted, rejected, largest)


def _halved(pieces: Sequence[Piece]) -> tuple[Sequence[Piece], Sequence[Piece]]:
    if len(pieces) == 1:
        first, second = halves(pieces[0])
        return [first], [second]
    middle = len(pieces) // 2
    return pieces[:middle], pieces[middle:]


def _send_shortened(piece: Piece, send: Send) -> Answer:
    answer = Answer(Verdict.TOO_LARGE)
    for limit in SHORTENED:
        answer = send([shortened(piece, limit)])
        if answer.verdict is not Verdict.TOO_LARGE:
            break
    return answer

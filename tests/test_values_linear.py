"""Masking takes time in proportion to the text: shown by what is counted, and by the patterns themselves."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any

import pytest
from values_corpus import PREFIXES
from values_support import lines_run

from pocketflow_tracing.values import Policy, naming, patterns, redaction

if sys.version_info >= (3, 11):
    from re import _constants as codes
    from re import _parser as parser  # type: ignore[attr-defined]
else:
    import sre_constants as codes
    import sre_parse as parser

MOST = 8192
"""Characters that a pattern may look at in vain from one start."""
PATTERNS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": found
    for module in (naming, patterns, redaction)
    for name, found in vars(module).items()
    if isinstance(found, re.Pattern)
}


@pytest.mark.parametrize("name", PATTERNS)
def test_what_repeats_without_a_bound_is_one_class_and_cannot_fail(name: str) -> None:
    """So no pattern goes back over what it has read, and a match that fails does so after a bounded part."""
    pattern = PATTERNS[name]

    assert list(_faults(parser.parse(pattern.pattern, pattern.flags), can_fail=False)) == []


def test_the_check_of_patterns_finds_what_it_should() -> None:
    """Patterns that go back over what they read, the one that was ours among them."""
    for pattern in (r"a+b", r"(?:a{8,}|c)\.", r"(?:a+)+", r"(?:ab)*", r"x{0,9000}y", r"eyJ[a-z]{8,}\.[a-z]*"):
        assert list(_faults(parser.parse(pattern), can_fail=False)), pattern
    for pattern in (r"a+", r"ba{8,}", r"a{0,9}b", r"a+c?", r"(?:a|b{3,})", r"a[a-z]{8,}(?:\.[a-z]*){0,3}"):
        assert not list(_faults(parser.parse(pattern), can_fail=False)), pattern


def _faults(parts: Iterable[Any], *, can_fail: bool) -> Iterable[str]:
    """Repeats of a parsed pattern that could be tried again; `can_fail`: whether something must follow."""
    parts = list(parts)
    for index, (code, given) in enumerate(parts):
        rest = can_fail or any(_width(part) for part in parts[index + 1 :])
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            _, most, body = given
            is_class = len(body) == 1 and body[0][0] in _CLASSES
            if most > MOST and not is_class:
                yield f"{body} repeats without a bound"
            elif most > MOST and rest:
                yield f"{body} repeats, and what follows may fail"
            elif not is_class:
                # One more round may be tried, and given up: no fault as long as rounds are few.
                yield from _faults(body, can_fail=rest)
                if most > 8:
                    yield f"{body} repeats too often"
        elif code is codes.SUBPATTERN:
            yield from _faults(given[-1], can_fail=rest)
        elif code is codes.BRANCH:
            for branch in given[1]:
                yield from _faults(branch, can_fail=rest)


_CLASSES = (codes.IN, codes.LITERAL, codes.NOT_LITERAL, codes.ANY)


def _width(part: Any) -> int:
    """The fewest characters that a part matches."""
    code, given = part
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        return int(given[0]) * sum(map(_width, given[2]))
    if code is codes.SUBPATTERN:
        return sum(map(_width, given[-1]))
    if code is codes.BRANCH:
        return min(sum(map(_width, branch)) for branch in given[1])
    return 1  # what looks ahead matches nothing, and may fail


WORST = [
    "Bearer ", "://", "://a:", "password", "password=", "key:", "token: ", "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN ", "4", "4111 ", "4111-1111-", "gh", "a.", "M.", "password=$", "token=none.", "12345678:AA",
    "=", '"', "\\", 'api_key"', "a", "A1", "-", "_", "--token ", "--a", "<token>a", "<token>a</",
    "Basic ", " ", "password=b", "jdbc:oracle:thin:a/",
    "é", "密", "eyJaaaaaaaa.", "password is ", "curl -u ", "curl -u a:", "sid=", "password: a\n", "Cookie: ",
    '"name": "token", "value": "', "a:b@tcp(", "\n",
]  # fmt: skip
"""What repeats in the worst texts for the patterns, beside the beginnings of keys and tokens."""


@pytest.mark.parametrize("piece", [*WORST, *(prefix + end for prefix in PREFIXES for end in ("", "-", "_"))])
def test_the_worst_text_takes_a_few_lines_of_python_a_character(piece: str) -> None:
    """Within one piece of a text, so that none of it is cut short by the pieces."""
    text = "." + (piece * (8_000 // len(piece) + 1))[:8_000]

    assert lines_run(lambda: Policy().masked(text)) <= 10 * len(text)


def test_a_run_of_letters_is_read_once_for_all_the_tokens_that_may_begin_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`eyJ-eyJ-…` has a beginning every four letters, and none of them comes to anything."""
    read: list[int] = []

    class Counting:
        def match(self, *given: Any) -> Any:
            found = head.match(*given)
            read.append(len(found[0]))
            return found

    head = patterns._WEB_TOKEN_HEAD
    monkeypatch.setattr(patterns, "_WEB_TOKEN_HEAD", Counting())
    for piece in ("eyJ-", "eyJ_", "-eyJ", "eyJ"):
        read.clear()
        text = piece * (8_000 // len(piece))
        assert list(patterns.web_tokens(text, 0, len(text))) == []
        assert 0 < sum(read) <= len(text)

"""Masks secrets in text: finds them piece by piece, replaces them, and never lets one through by failing."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ..model import ErrorInfo
from . import patterns
from .keys import KeyNames
from .nodes import LOOKAHEAD
from .patterns import REDACTED, Find

if TYPE_CHECKING:
    from ..config import TracingConfig

# No single C call gets more than this many characters: a regular expression holds the GIL, and the
# traced program's other threads wait for it.
_WINDOW = 57344
SHORTEST = 6
_LONGEST_KEY_SHOWN = 1024
_LONGEST_KEY = _LONGEST_KEY_SHOWN + LOOKAHEAD
FAILED = "[redacted: masking failed]"
_TOKEN_LETTERS = re.compile(r"[A-Za-z0-9_\-+/=.~%]{0,8192}")


class Policy:
    """How values are masked on their way out; made once per run by `Policy.of`, or with the defaults."""

    def __init__(
        self,
        redact: bool = True,
        own_patterns: Iterable[str | re.Pattern[str]] = (),
        own_keys: Iterable[str] = (),
        mask: Callable[[Any, str], Any] | None = None,
    ) -> None:
        self.redact = redact
        self.keys = KeyNames(own_keys)
        self.mask = mask
        self._keys_seen: dict[str, str] = {}
        self.own_patterns = [re.compile(pattern) for pattern in own_patterns]

    @classmethod
    def of(cls, config: TracingConfig) -> Policy:
        """The policy that the settings of a run ask for."""
        return cls(config.redact, config.redact_patterns, config.redact_keys, config.mask)

    def mask_text(self, text: str) -> str:
        """`text` with every secret replaced."""
        shown = self.masked(text)[0]
        if self.mask is not None:
            own = self.own_mask(shown, "")
            return own if type(own) is str else REDACTED
        return shown

    @property
    def masks_keys(self) -> bool:
        """Whether a value is masked for the name it stands under."""
        return self.redact

    def own_mask(self, value: Any, path: str) -> Any:
        """What the user's own mask makes of a plain value; its failure hides the value."""
        if self.mask is None:
            return value
        try:
            shown = self.mask(value, path)
        except Exception:
            return FAILED
        return shown if shown is None or type(shown) in (str, int, bool, float) else REDACTED

    def masked_key(self, key: str) -> str:
        """A key of a dict, with every secret in it replaced; remembered, since keys come back."""
        known = self._keys_seen.get(key)
        if known is None:
            if len(self._keys_seen) >= 4096:
                self._keys_seen.clear()
            known = self._keys_seen[key] = self.masked(key[:_LONGEST_KEY], _LONGEST_KEY_SHOWN)[0]
            if len(key) > _LONGEST_KEY_SHOWN:
                known = self._keys_seen[key] = f"{known}… +{len(key) - _LONGEST_KEY_SHOWN:,} more"
        return known

    def masked(self, text: str, keep: int | None = None) -> tuple[str, bool]:
        """The first `keep` characters of `text`, masked, and whether anything was.

        What stands beyond `keep` helps to recognise a secret that touches the cut; such a secret is
        masked whole.
        """
        keep = len(text) if keep is None else keep
        if len(text) < SHORTEST and not self.own_patterns:
            return text[:keep], False
        try:
            finds = self._finds(text)
            return _replaced(text, finds, keep) if finds else (text[:keep], False)
        except Exception:  # a pattern of the user's, a bug of ours: nothing goes out unseen
            return FAILED, True

    def suspects(self, texts: list[str]) -> list[int]:
        """Which of many texts hold a secret, found much faster than by asking for each."""
        if self.own_patterns:
            return list(range(len(texts)))
        if not self.redact:
            return []
        found: set[int] = set()
        for first, last in _batches(texts):
            found.update(self._suspects_among(texts, first, last))
        return sorted(found)

    def _suspects_among(self, texts: list[str], first: int, last: int) -> Iterator[int]:
        starts = list(accumulate((len(text) + 1 for text in texts[first:last]), initial=0))
        joined = "\n".join(texts[first:last])
        for start, _ in self._finds(joined):
            yield first + bisect_right(starts, start) - 1

    def _finds(self, text: str) -> list[Find]:
        finds: list[Find] = []
        if self.redact:
            if "-----BEGIN " in text:
                finds += patterns.pem_keys(text)
            for start, end in _windows(len(text)):
                piece = text[start:end] if end - start < len(text) else text
                for first, last in patterns.finds(piece, self.keys):
                    finds.append(_extended(text, (start + first, start + last), end))
        for pattern in self.own_patterns:
            for start, end in _windows(len(text)):
                for match in pattern.finditer(text, start, end):
                    if match.end() > match.start():
                        finds.append(_extended(text, match.span(), end))
        return finds

    def mask_error(self, error: ErrorInfo) -> ErrorInfo:
        """A masked copy of `error`."""
        return replace(
            error,
            type=self.mask_text(error.type),
            message=self.mask_text(error.message),
            stacktrace=self.mask_text(error.stacktrace),
            notes=[self.mask_text(note) for note in error.notes],
            causes=[self.mask_text(cause) for cause in error.causes],
        )


def _batches(texts: list[str]) -> Iterator[Find]:
    """Ranges of texts that are together as long as one piece, or a single text that is longer."""
    first = length = 0
    for index, text in enumerate(texts):
        if length + len(text) > _WINDOW and index > first:
            yield first, index
            first, length = index, 0
        length += len(text) + 1
    if first < len(texts):
        yield first, len(texts)


def _windows(length: int) -> Iterator[Find]:
    """Pieces of a text that overlap, so that a secret across an edge is whole in one of them."""
    start = 0
    while True:
        end = min(length, start + _WINDOW)
        yield start, end
        if end == length:
            return
        start = end - LOOKAHEAD


def _extended(text: str, find: Find, end: int) -> Find:
    """A find that touches the end of its piece, up to where its letters end."""
    start, last = find
    while last == end and last < len(text):
        match = _TOKEN_LETTERS.match(text, last)
        if match is None or match.end() == last:
            break
        end = last = match.end()
    return start, last


def _replaced(text: str, finds: list[Find], keep: int) -> tuple[str, bool]:
    finds.sort()
    pieces: list[str] = []
    at = 0
    for start, end in finds:
        if start >= keep:
            break
        if end <= at:
            continue
        if start >= at:
            pieces += (text[at:start], REDACTED)
        at = end
    if not pieces:
        return text[:keep], False
    pieces.append(text[at:keep])
    return "".join(pieces), True

"""Masks secrets in text: finds them piece by piece, replaces them, and never lets one through by failing."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from . import patterns
from .keys import KeyNames, holds_count
from .learned import Learned, of_environment
from .naming import Find
from .nodes import LOOKAHEAD
from .patterns import REDACTED

if TYPE_CHECKING:
    from ..config import TracingConfig

# No single C call gets more than this many characters: a regular expression holds the GIL, and the
# traced program's other threads wait for it.
_WINDOW = 57344
SHORTEST = 6
LONGEST_SEEN = 63
"""Texts up to this many characters are remembered where they hold no secret: shorter than a line of a key."""
_MOST_SEEN = 4096
_LONGEST_KEY_SHOWN = 1024
_LONGEST_KEY = _LONGEST_KEY_SHOWN + LOOKAHEAD
FAILED = "[redacted: masking failed]"
_TOKEN_LETTERS = re.compile(r"[A-Za-z0-9_\-+/=.~%]{0,8192}")
OPEN, TEXTS_SECRET, ALL_SECRET = range(3)
"""How secret the value under a name is: not at all, if it is text, or whatever it is."""


class Seen:
    """What comes again and again: names, and short texts without a secret. Holds for all who mask alike."""

    __slots__ = ("clean", "names")

    def __init__(self) -> None:
        self.clean: set[str] = set()
        """Texts without a secret, and without what UTF-8 has no place for."""
        self.names: dict[str, tuple[str, int]] = {}
        """Names as they are shown, and how secret what stands under them is."""

    def add_clean(self, texts: Iterable[str]) -> None:
        """Remember that there is no secret in `texts`, each of them short."""
        if len(self.clean) > _MOST_SEEN:
            self.clean.clear()
        self.clean.update(texts)

    def add_name(self, key: str, shown: tuple[str, int]) -> None:
        """Remember how a short name is shown."""
        if len(self.names) > _MOST_SEEN:
            self.names.clear()
        self.names[key] = shown


_KEYS = KeyNames()


class _Shared:
    """What all traces with the default settings share: it holds as long as the environment stays as it is."""

    secrets: frozenset[str] = frozenset()
    seen = Seen()

    @classmethod
    def seen_with(cls, secrets: frozenset[str]) -> Seen:
        if secrets != cls.secrets:
            cls.secrets, cls.seen = secrets, Seen()
        return cls.seen


class Policy:
    """How values are masked on their way out; made once per run by `Policy.of`, or with the defaults.

    It learns: what a name shows to be a secret is hidden in everything that is masked from then on.
    """

    def __init__(
        self,
        redact: bool = True,
        own_patterns: Iterable[str | re.Pattern[str]] = (),
        own_keys: Iterable[str] = (),
        mask: Callable[[Any, str], Any] | None = None,
    ) -> None:
        self.redact = redact
        self.own_keys = tuple(own_keys)
        self.keys = KeyNames(self.own_keys) if self.own_keys else _KEYS
        self.mask = mask
        self.whole_mask: Callable[..., Any] | None = None
        """A mask as Langfuse's clients have them: called with a whole value as `data`."""
        self.own_patterns = [re.compile(pattern) for pattern in own_patterns]
        secrets = of_environment(self.keys) if redact else frozenset()
        self.learned = Learned(secrets)
        is_plain = redact and not self.own_keys and not self.own_patterns
        self.seen = _Shared.seen_with(secrets) if is_plain else Seen()
        self.state = object()
        """Another one whenever something was learned: what was masked before may show it."""
        self._config: TracingConfig | None = None
        self._family = [self]

    @classmethod
    def of(cls, config: TracingConfig) -> Policy:
        """The policy that the settings of a run ask for."""
        policy = cls(config.redact, config.redact_patterns, config.redact_keys, config.mask)
        policy._config = config
        return policy

    def within(self, config: TracingConfig) -> Policy:
        """The policy for what ran under `config`, which is as strict as the settings around it, or stricter.

        Values around it may show what it worked on, so its keys and patterns hold there too, from now on.
        """
        for policy in self._family:
            if policy._config is config:
                return policy
        inner = Policy.of(config)
        inner.learned, inner._family, inner.whole_mask = self.learned, self._family, self.whole_mask
        self.redact = self.redact or inner.redact
        self.own_keys = tuple(dict.fromkeys(self.own_keys + inner.own_keys))
        self.own_patterns = list(dict.fromkeys(self.own_patterns + inner.own_patterns))
        self.keys = KeyNames(self.own_keys) if self.own_keys else _KEYS
        self._family.append(inner)
        self._begin_anew()
        return inner

    def learn(self, text: str, secrecy: int) -> None:
        """What stood under a secret name is hidden wherever it stands, if it is no common word.

        A "token" may be one of a text, and often is.
        """
        if self.redact and self.learned.add(text, words=secrecy == ALL_SECRET):
            self._begin_anew()

    def _begin_anew(self) -> None:
        for policy in self._family:
            policy.seen = Seen()
            policy.state = object()

    def mask_text(self, text: str, path: str = "") -> str:
        """`text` with every secret replaced; `path` is for a mask of the user's own."""
        return self.own_text(self.masked(text)[0], path)

    def own_text(self, text: str, path: str) -> str:
        """What the user's own masks make of a text that is masked already."""
        shown: Any = text
        if self.mask is not None:
            shown = self.own_mask(shown, path)
        if self.whole_mask is not None and type(shown) is str:
            try:
                shown = self.whole_mask(data=shown)
            except Exception:
                return FAILED
        return encodable(shown) if type(shown) is str else REDACTED

    def own_mask(self, value: Any, path: str) -> Any:
        """What the user's own mask makes of a plain value; its failure hides the value."""
        if self.mask is None:
            return value
        try:
            shown = self.mask(value, path)
        except Exception:
            return FAILED
        if type(shown) is str:
            return encodable(shown)
        return shown if shown is None or type(shown) in (int, bool, float) else REDACTED

    def secrecy(self, name: str) -> int:
        """How secret what stands under `name` is."""
        if not self.redact or not self.keys.is_secret(name):
            return OPEN
        return TEXTS_SECRET if holds_count(name) else ALL_SECRET

    def name(self, key: str) -> tuple[str, int]:
        """A key of a dict with every secret in it replaced, and how secret what stands under it is."""
        known = self.seen.names.get(key)
        if known is not None:
            return known
        shown = self.masked(key[:_LONGEST_KEY], _LONGEST_KEY_SHOWN)[0]
        if len(key) > _LONGEST_KEY_SHOWN:
            shown = f"{shown}… +{len(key) - _LONGEST_KEY_SHOWN:,} more"
        known = (encodable(shown), self.secrecy(key))
        if len(key) <= LONGEST_SEEN:
            self.seen.add_name(key, known)
        return known

    def masked(self, text: str, keep: int | None = None) -> tuple[str, bool]:
        """The first `keep` characters of `text`, masked, and whether anything was.

        What stands beyond `keep` helps to recognise a secret that touches the cut; such a secret is
        masked whole.
        """
        if len(text) < SHORTEST and not self.own_patterns:
            return text[:keep], False
        is_short = len(text) <= LONGEST_SEEN
        if is_short and text in self.seen.clean:
            return text[:keep], False
        try:
            finds = self._finds(text)
            if finds:
                return _replaced(text, finds, len(text) if keep is None else keep)
        except Exception:  # a pattern of the user's, a bug of ours: nothing goes out unseen
            return FAILED, True
        if is_short and encodable(text) is text:
            self.seen.add_clean((text,))
        return text[:keep], False

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
        finds = self._finds("\n".join(texts[first:last]))
        if finds:
            starts = list(accumulate((len(text) + 1 for text in texts[first:last]), initial=0))
            for start, _ in finds:
                yield first + bisect_right(starts, start) - 1

    def _finds(self, text: str) -> list[Find]:
        finds: list[Find] = []
        if self.redact:
            if "-----BEGIN " in text:
                finds += patterns.pem_keys(text)
            if len(text) <= _WINDOW:
                finds += self._finds_in(text)
            else:
                for start, end in _windows(len(text)):
                    for first, last in self._finds_in(text[start:end]):
                        finds.append(_extended(text, (start + first, start + last), end))
        for pattern in self.own_patterns:
            for start, end in _windows(len(text)):
                for match in pattern.finditer(text, start, end):
                    if match.end() > match.start():
                        finds.append(_extended(text, match.span(), end))
        return finds

    def _finds_in(self, piece: str) -> list[Find]:
        return patterns.finds(piece, self.keys) + self.learned.finds(piece)


def encodable(text: str) -> str:
    """`text` with lone surrogates written as escapes, since UTF-8 has no place for them."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


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

"""Secrets known by the name they once stood under, hidden wherever else the same trace shows them.

A key from `shared["api_key"]` is returned by a prep, given to an exec, quoted by an error: there is no name
beside it then, and often nothing in its shape that tells.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable

from .keys import KeyNames
from .naming import Find

_SHORTEST = 8
_SHORTEST_WORDS = 16
"""Letters alone may be a word that the program uses everywhere, unless there are as many."""
_SHORTEST_NUMBER = 10
_SHORTEST_INSIDE = 16
"""A shorter secret is found as a word of its own only, not within a longer one."""
_LONGEST = 2048
_MOST = 256
_ADDRESS = re.compile(r"https?://[^@?]{0,2048}|[a-z0-9._+-]{1,64}@[a-z0-9-]{1,64}(?:\.[a-z]{2,10}){1,4}")
"""Of a page to log in to, or of a person: no secrets, though they stand beside some."""
_PLAIN_IN_ADDRESSES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")
_SCHEMES = ("bearer", "basic", "token", "apikey", "digest")


class Learned:
    """The secrets of one trace beside those known before; the oldest go where there are very many."""

    __slots__ = ("_known", "_texts")

    def __init__(self, known: frozenset[str] = frozenset()) -> None:
        self._known = known
        self._texts: dict[str, None] = {}

    def add(self, text: str, *, words: bool = True) -> bool:
        """Remember what stood under a secret name, if it tells enough; whether that is news.

        Without `words`, nothing that consists of letters alone.
        """
        forms = [form for form in _forms(text, words=words) if form not in self._texts]
        forms = [form for form in forms if form not in self._known]
        self._texts.update(dict.fromkeys(forms))
        while len(self._texts) > _MOST:
            del self._texts[next(iter(self._texts))]
        return bool(forms)

    def finds(self, text: str) -> list[Find]:
        """Where in `text` one of them stands."""
        found = [find for secret in self._known if secret in text for find in _places(text, secret)]
        if self._texts:
            found += [find for secret in self._texts if secret in text for find in _places(text, secret)]
        return found


def _places(text: str, secret: str) -> Iterable[Find]:
    at = text.find(secret)
    while at >= 0:
        end = at + len(secret)
        if len(secret) >= _SHORTEST_INSIDE or not (
            text[at - 1 : at].isalnum() or text[end : end + 1].isalnum()
        ):
            yield at, end
        at = text.find(secret, end)


def _forms(text: str, *, words: bool = True) -> list[str]:
    """The secret in `text` as it may be found elsewhere: bare, quoted in JSON, quoted in an address."""
    if len(text) > _LONGEST:
        return []
    scheme, _, rest = text.partition(" ")
    secret = rest.strip() if scheme.lower() in _SCHEMES else text.strip()
    if not _tells(secret, words):
        return []
    return list(dict.fromkeys((secret, json.dumps(secret)[1:-1], _in_address(secret))))


def _tells(text: str, words: bool) -> bool:
    """Whether a secret is so much its own that the same text elsewhere must be the same secret."""
    if len(text) < _SHORTEST or len(set(text)) < 4 or text[0] in "$<{[%*" or _ADDRESS.fullmatch(text):
        return False
    bare = "".join(letter for letter in text if letter not in " _-./,:")
    if bare.isdigit():
        return len(bare) >= _SHORTEST_NUMBER
    return (words and len(bare) >= _SHORTEST_WORDS) if bare.isalpha() else True


def of_environment(keys: KeyNames) -> frozenset[str]:
    """The secrets among the environment's variables, by the names of those."""
    return frozenset(
        form
        for name, value in os.environ.copy().items()
        if keys.is_secret(name) and not (value.startswith("/") and os.path.exists(value))
        for form in _forms(value)
    )


def _in_address(text: str) -> str:
    """`text` as `urllib.parse.quote` writes it, whose import executes text on Python 3.13."""
    data = text.encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if byte in _PLAIN_IN_ADDRESSES else f"%{byte:02X}" for byte in data)

"""The shapes of secrets in text: keys and tokens by their prefix, addresses, PEM blocks, card numbers.

What only a name beside it tells is found by `naming`.

`finds` first looks for what any of them needs, by the fastest means that Python has: a text
without a secret, as nearly all are, costs a few nanoseconds a character. Every pattern is linear: what
may repeat is a single class of characters, with an upper bound or with nothing after it that could
fail, as a test reads in the patterns themselves. A find is the part to replace; the prefix before it stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from . import naming
from .keys import KeyNames
from .naming import Find

REDACTED = "[redacted]"

_TOKENS = re.compile(
    r"""(?<![A-Za-z0-9])(?:
      sk-(?:(?:ant|lf|proj|svcacct|admin|None|or-v1|sp)-)?(?P<dashed>[A-Za-z0-9_-]{16,})
    | (?:sk|rk)_(?:live|test|prod)_(?:[A-Za-z0-9]{10,})
    | sk_(?:[A-Za-z0-9]{24,})
    | (?:AKIA|ASIA|ABIA|ACCA)(?:[A-Z0-9]{16})
    | gh[pousr]_(?:[A-Za-z0-9]{20,})
    | github_pat_(?:[A-Za-z0-9_]{20,})
    | gl(?:pat|dt|rt|ptt|soat|sa)[-_](?:[A-Za-z0-9_-]{16,})
    | xox[abceoprs](?:\.xox[a-z])?-(?:[A-Za-z0-9-]{10,})
    | xapp-(?:[A-Za-z0-9-]{10,})
    | AIza(?:[A-Za-z0-9_-]{30,})
    | ya29\.(?:[A-Za-z0-9_.-]{16,})
    | GOCSPX-(?:[A-Za-z0-9_-]{16,})
    | 1//0(?:[A-Za-z0-9_-]{24,})
    | (?:hf|gsk|r8|ntn|fw|api_org|secret)_(?:[A-Za-z0-9]{24,})
    | (?:npm|figd|glc|pcsk|rubygems|sntrys|dckr_pat|lin_api|whsec|shpat|shpca|shppa|shpss|sbp|rnd|re|tk)_
      (?P<under>[A-Za-z0-9_+/=-]{20,})
    | (?:dop|doo|dor)_v1_(?:[a-f0-9]{32,})
    | lsv2_[a-z]{2}_(?:[a-f0-9_]{24,})
    | pypi-(?:[A-Za-z0-9_-]{32,})
    | (?:xai|nvapi|pplx|tvly|sq0atp|sq0csp|PMAK|pat-na1|pat-eu1|ATATT3)-?(?P<named>[A-Za-z0-9_=-]{20,})
    | SG\.(?:[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,})
    | hv[bsr]\.(?:[A-Za-z0-9_-]{20,})
    | dapi(?:[a-f0-9]{32})
    | EAA[A-Z](?:[A-Za-z0-9]{40,})
    | SK(?:[0-9a-f]{32})
    | key-(?:[0-9a-f]{32})
    | AGE-SECRET-KEY-1(?:[A-Z0-9]{20,})
    | hooks\.slack\.com/services/(?:[A-Za-z0-9/_-]{20,})
    )""",
    re.VERBOSE,
)
_PREFIX = re.compile(
    r"sk-(?:(?:ant|lf|proj|svcacct|admin|None|or-v1|sp)-)?|[a-z]{2,9}_(?:live_|test_|prod_|pat_|api_|v1_|org_)?"
    r"|lsv2_[a-z]{2}_|AKIA|ASIA|ABIA|ACCA|AIza|ya29\.|1//0|SG\.|hv[bsr]\.|dapi|EAA|SK|AGE-SECRET-KEY-1"
    r"|xox[a-z]-|gl[a-z]{2,5}[-_]|hooks\.slack\.com/services/|pat-(?:na|eu)1-|ATATT3|[A-Za-z0-9]{2,9}-"
)
_WEB_TOKEN_HEAD = re.compile(r"[A-Za-z0-9_-]*")
_WEB_TOKEN_REST = re.compile(r"\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,3}")
_SHORTEST_WEB_TOKEN_HEAD = 11
_BOT_TOKENS = re.compile(r"(?<![A-Za-z0-9])[0-9]{8,10}:AA[A-Za-z0-9_-]{30,64}")
_DISCORD_TOKENS = re.compile(
    r"(?<![A-Za-z0-9])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}"
)
_SCHEMES = re.compile(r"[bB](?i:earer|asic)[ \t]{1,4}(?P<value>[A-Za-z0-9._~+/=-]{8,})")
_USER_INFO = re.compile(
    r"://(?:[^\s/?#@:\"'<>]{0,256}:(?P<password>[^\s/\"'<>]{1,256})"
    r"|(?P<user>[^\s/?#@:\"'<>]{16,256}))@"
)
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_CARDS = re.compile(
    r"[0-9]{13,19}|[0-9]{4}(?P<gap>[ -])[0-9]{4}(?P=gap)[0-9]{4}(?P=gap)[0-9]{1,7}"
    r"|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4,5}"
)


_RUN = 14
_RUNS = bytes(
    97 if (chr(code).isalnum() and code < 128) or chr(code) in "_-./+=" else 32 for code in range(256)
)
_LONG_RUN = b"a" * _RUN
_NOT_DIGITS = bytes(code for code in range(256) if not 48 <= code < 58)
_CARD_DIGITS = 13
_DIGITS = bytes(48 if 48 <= code < 58 else 45 if code in b" -" else 32 for code in range(256))
_CARD_FORMS = (b"0" * 13, b"0000-0000-0000-0", b"0000-000000-0000")


def finds(text: str, keys: KeyNames) -> list[Find]:
    """Where secrets stand in a text, in no order; some may overlap."""
    found: list[Find] = []
    # One byte a character, so that places are the same; what is not ASCII is no part of any pattern.
    plain = text.encode("ascii", "replace")
    runs = plain.translate(_RUNS)
    if _LONG_RUN in runs:
        for start in _places(runs, _LONG_RUN):
            end = runs.find(b" ", start)
            found += _in_run(text, start, len(text) if end < 0 else end)
    if len(plain.translate(None, _NOT_DIGITS)) >= _CARD_DIGITS and _has_card_form(plain):
        found += cards(text, 0, len(text))
    lower = plain.lower()
    if b"bearer" in lower or b"basic" in lower:
        found += schemes(text, 0, len(text))
    if b"://" in plain:
        found += user_info(text, 0, len(text))
    found += naming.finds(text, plain, lower, keys)
    return found


def _has_card_form(plain: bytes) -> bool:
    digits = plain.translate(_DIGITS)
    return any(form in digits for form in _CARD_FORMS)


def _places(runs: bytes, wanted: bytes) -> Iterator[int]:
    """Where each run of letters that is long enough starts."""
    at = runs.find(wanted)
    while at >= 0:
        yield at
        end = runs.find(b" ", at)
        at = -1 if end < 0 else runs.find(wanted, end)


def _in_run(text: str, start: int, end: int) -> Iterator[Find]:
    """Secrets in a run of letters, looked for in pieces that overlap: one may be a whole image."""
    start = max(0, start - 12)  # a bot's number before the colon
    while True:
        stop = min(end, start + _PIECE)
        yield from tokens(text, start, stop)
        yield from bot_tokens(text, start, stop)
        yield from web_tokens(text, start, stop)
        if stop == end:
            return
        start = stop - _OVERLAP


_PIECE = 8192
_OVERLAP = 1024


def tokens(text: str, start: int, end: int) -> Iterator[Find]:
    """Keys and tokens that a known prefix gives away."""
    for match in _TOKENS.finditer(text, start, end):
        at = match.start()
        body = match["dashed"] or match["under"] or match["named"]
        if body is not None and not _is_random(body):
            continue
        prefix = _PREFIX.match(text, at, match.end())
        yield (prefix.end() if prefix is not None else at), match.end()


def web_tokens(text: str, start: int, end: int) -> Iterator[Find]:
    """JSON web tokens: `eyJ…`, a point, more. No part of the text is looked at twice."""
    at = text.find("eyJ", start, end)
    while at >= 0:
        after = at + 3
        if not (at and text[at - 1].isascii() and text[at - 1].isalnum()):
            head = _WEB_TOKEN_HEAD.match(text, at, end)
            # Whatever begins in the same run of letters ends where this one does.
            after = head.end() if head is not None else after
            rest = _WEB_TOKEN_REST.match(text, after, end)
            if rest is not None and after - at >= _SHORTEST_WEB_TOKEN_HEAD:
                yield at + 3, rest.end()
                after = rest.end()
        at = text.find("eyJ", after, end)


def _is_random(body: str) -> bool:
    """Whether letters look drawn by lot, unlike those of a name of many words."""
    return any(letter.isdigit() or letter.isupper() for letter in body[:256])


def bot_tokens(text: str, start: int, end: int) -> Iterator[Find]:
    """Tokens without a prefix whose form alone tells them: those of chat bots."""
    for pattern in (_BOT_TOKENS, _DISCORD_TOKENS):
        for match in pattern.finditer(text, start, end):
            yield match.span()


def schemes(text: str, start: int, end: int) -> Iterator[Find]:
    """What follows `Bearer` or `Basic`."""
    for match in _SCHEMES.finditer(text, start, end):
        value = match["value"]
        mixed = any(low.islower() and high.isupper() for low, high in pairwise(value[:64]))
        if mixed or len(value) >= 32 or any(letter.isdigit() or letter == "=" for letter in value[:256]):
            yield match.span("value")


def user_info(text: str, start: int, end: int) -> Iterator[Find]:
    """The password, or the token in a user's place, of an address."""
    for match in _USER_INFO.finditer(text, start, end):
        yield match.span("password" if match["password"] is not None else "user")


def pem_keys(text: str) -> Iterator[Find]:
    """The bodies of private keys; one whose end is not in sight goes on to the end of the text."""
    end = 0
    at = text.find("-----BEGIN ")
    while at >= 0:
        first = _PEM.match(text, at)
        if first is not None:
            if end < first.end():
                end = text.find("-----END ", first.end())
                end = len(text) if end < 0 else end
            yield first.end(), end
        at = text.find("-----BEGIN ", at + 5)


def opens_key(text: str) -> bool:
    """Whether a private key begins in a text and does not end there, as in the first of many lines."""
    at = text.rfind("-----BEGIN ")
    return at >= 0 and _PEM.match(text, at) is not None and "-----END " not in text[at:]


def continues_key(line: str) -> bool:
    """Whether a line may belong to the key that a line before it began."""
    return _KEY_LINE.fullmatch(line.strip()) is not None


_KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{0,8192}|(?:Proc-Type|DEK-Info|Version|Comment|Hash):.{0,512}")


def cards(text: str, start: int, end: int) -> Iterator[Find]:
    """Card numbers: a known issuer, the right length, a valid check digit."""
    for match in _CARDS.finditer(text, start, end):
        first, last = match.span()
        before = text[first - 1 : first] if first else ""
        after = text[last : last + 1]
        if before.isalnum() or before in (".", "_", "-") or after.isalnum() or after == "_":
            continue
        digits = "".join(letter for letter in match[0] if letter.isdigit())
        if is_card(digits):
            yield first, last


def is_card(digits: str) -> bool:
    """Whether digits are those of a payment card."""
    if not _ISSUERS.fullmatch(digits) or len(set(digits)) < 2:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        worth = int(digit) * (2 if place % 2 else 1)
        total += worth - 9 if worth > 9 else worth
    return total % 10 == 0


_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d{2}|22[2-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(?:6011|65\d\d|64[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|62\d{14}"
)

"""Secrets in text that only a name beside them tells: `password=…`, `--api-key …`, `Cookie: …`, in prose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .keys import KeyNames, words

Find = tuple[int, int]
"""Where a secret starts and ends."""

_OPTIONS = re.compile(
    r"(?<![A-Za-z0-9_-])--(?P<name>[A-Za-z][A-Za-z0-9_-]{1,40})[ \t]{1,4}(?P<value>[^\s\"'-][^\s\"']{4,255})"
)
_ELEMENTS = re.compile(r"<(?P<name>[A-Za-z][A-Za-z0-9_.-]{1,40})>(?P<value>[^<>\s]{4,256})</")
_SIGN = re.compile(r"[A-Za-z0-9_-]{0,24}\\{0,8}[\"']?\]?[ \t]{0,3}(?P<sign>[:=])>?[ \t]{0,3}")
_VALUE = re.compile(
    r"[bru]?(?P<quote>\\{0,8}[\"'])(?P<quoted>[^\"'\r\n]{1,4096})"
    r"|(?P<scheme>(?:bearer|basic|digest|token|apikey)[ \t]{1,4})?"
    r"(?P<bare>[^\s\"',;&<>(){}\[\]\\]{1,4096})(?P<call>[(\[])?",
    re.IGNORECASE,
)
_COOKIES = re.compile(r"[^\r\n\"'\\]{1,4096}")
_SAID = re.compile(
    r"[A-Za-z0-9_-]{0,24}[\"'`]?[ \t]{1,3}(?P<verb>is|was)(?:[ \t]{1,3}(?:now|set to))?:?[ \t]{1,3}[\"'`]?"
    r"(?P<value>[^\s\"'`,;<>(){}\[\]]{6,256})"
)
_LINE = re.compile(
    r"[A-Za-z0-9_.-]{0,24}[\"']?[ \t]{0,3}:[ \t]{1,8}(?P<value>[^\s\"'#{}\[\]]{1,256})[ \t]{0,8}(?=\r?\n|\Z)"
)
_BESIDE = re.compile(r"[ \t]{0,40}(?:-[ \t]{1,4})?[A-Za-z0-9_.-]{1,64}[ \t]{0,3}:(?:[ \t\r\n]|\Z)")
_LOGINS = re.compile(
    r"\bcurl\b[^\n|]{0,512}?[ \t](?:-[A-Za-z]{0,4}u|--(?:proxy-)?user)[ \t=]{0,3}[\"']?[^\s:\"']{1,64}:"
    r"(?P<curl>[^\s\"']{1,256})"
    r"|[A-Za-z0-9_.-]{1,64}:(?P<go>[^\s:/\"']{1,256})@(?:tcp|unix)\("
    r"|jdbc:oracle:[a-z]{1,8}:[^\s/:@\"']{1,64}/(?P<oracle>[^\s@\"']{1,256})@"
)
_SESSIONS = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?:JSESSIONID|PHPSESSID|ASP\.NET_SessionId|connect\.sid)=(?P<cookie>[A-Za-z0-9%._~+/:-]{8,})"
    r"|(?:[sS][eE][sS][sS][iI][oO][nN](?:_?[iI][dD])?|sid|SID)=(?P<drawn>[A-Za-z0-9%]{20,256})(?![A-Za-z0-9%-]))"
)
_NAMED_VALUES = re.compile(
    r"[\"'](?:name|key|header)\\{0,8}[\"'][ \t]{0,3}:[ \t]{0,3}\\{0,8}[\"']"
    r"(?P<name>[a-z0-9_.-]{2,64})\\{0,8}[\"'],\s{0,40}"
    r"\\{0,8}[\"']value\\{0,8}[\"'][ \t]{0,3}:[ \t]{0,3}\\{0,8}[\"'](?P<value>[^\"'\\\r\n]{1,4096})",
    re.IGNORECASE,
)
_NOTHING = frozenset(
    "none null nil true false undefined required optional string str int yes no empty"
    " integer number float boolean bool object array any text bytes date".split()
)
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def finds(text: str, plain: bytes, lower: bytes, keys: KeyNames) -> list[Find]:
    """Where such secrets stand in a text; `plain` and `lower` are its ASCII, a byte a character."""
    found: list[Find] = []
    if b"--" in plain:
        found += under_names(_OPTIONS, text, keys)
    if b"</" in plain:
        found += under_names(_ELEMENTS, text, keys)
    if b"value" in lower and b":" in plain:
        found += under_names(_NAMED_VALUES, text, keys)
    if any(word in plain for word in (b"curl", b"@tcp(", b"@unix(", b"jdbc:")):
        found += logins(text)
    if any(word in lower for word in (b"sid=", b"session=", b"sessionid=", b"session_id=")):
        found += sessions(text)
    if b"=" in plain or b":" in plain or b" is " in plain or b" was " in plain:
        for stem in keys.stems:
            if stem in lower:
                found += _assignments(text, lower, stem, keys)
    return found


def _assignments(text: str, lower: bytes, stem: bytes, keys: KeyNames) -> Iterator[Find]:
    """What is assigned to names that contain `stem`."""
    done = 0
    for at in _occurrences(lower, stem):
        if at >= done and (found := assigned(text, at, keys)) is not None:
            yield found
            done = found[1]


def _occurrences(text: bytes, wanted: bytes) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + len(wanted))


def logins(text: str) -> Iterator[Find]:
    """The password of `curl -u user:password`, and of addresses that are none of the web."""
    for match in _LOGINS.finditer(text):
        name = match.lastgroup
        if name is not None and match[name][0] not in "$<{[%":
            yield match.span(name)


def sessions(text: str) -> Iterator[Find]:
    """Cookies of sessions; under a name that is not only a cookie's, what looks drawn by lot."""
    for match in _SESSIONS.finditer(text):
        body = match["cookie"] or match["drawn"]
        if match["cookie"] or (any(map(str.isdigit, body)) and not body.isdigit()):
            yield match.span("cookie" if match["cookie"] else "drawn")


def under_names(pattern: re.Pattern[str], text: str, keys: KeyNames) -> Iterator[Find]:
    """What stands under a secret name: after an option of a command, in an element of XML."""
    for match in pattern.finditer(text):
        if keys.is_secret(match["name"]) and not _is_placeholder(match["value"]):
            yield match.span("value")


def assigned(text: str, at: int, keys: KeyNames) -> Find | None:
    """What is assigned to the secret name around `at`: `password=…`, `"api_key": "…"`, `Cookie: …`."""
    sign = _SIGN.match(text, at)
    if sign is None:
        return _said(text, at, keys)
    name = _name_around(text, at, sign.start("sign"))
    if not (keys.is_secret(name) or name.lower() == "sig"):
        return None
    if sign["sign"] == ":" and words(name)[-1:] in (["cookie"], ["cookies"]):
        cookies = _COOKIES.match(text, sign.end())
        if cookies is not None and "=" in cookies[0]:
            return cookies.span()
    value = _VALUE.match(text, sign.end(), sign.end() + 4200)
    found = None if value is None else _assigned_value(name, sign["sign"], value)
    return _in_block(text, at) if found is None else found


def _said(text: str, at: int, keys: KeyNames) -> Find | None:
    """What prose tells: "the password is …", "my API key was …"."""
    match = _SAID.match(text, at)
    if match is None:
        return None
    first = _name_start(text, at)
    before = _name_start(text, first - 1) if text[first - 1 : first] == " " else first
    value = match["value"].rstrip(".!?:")
    if not keys.is_secret(text[before : match.start("verb")].strip(" \t\"'`")) or not _looks_chosen(value):
        return None
    return match.start("value"), match.start("value") + len(value)


def _looks_chosen(value: str) -> bool:
    """Whether a word of prose is no word: digits and letters mixed, and not the name of an encoding."""
    has_digit = any(letter.isdigit() for letter in value)
    return (
        len(value) >= 6
        and has_digit
        and any(letter.isalpha() for letter in value)
        and not value.lower().startswith(("base64", "sha", "utf-", "md5", "aes", "http"))
    )


def _in_block(text: str, at: int) -> Find | None:
    """What stands alone on its line, in a block of lines that each name a value, as in YAML."""
    match = _LINE.match(text, at)
    if match is None or _is_placeholder(match["value"]):
        return None
    first = text.rfind("\n", max(0, at - 128), at) + 1
    before = text.rfind("\n", max(0, first - 512), max(0, first - 1)) + 1
    if not _BESIDE.match(text, first):
        return None
    after = text.find("\n", match.end(), match.end() + 2) + 1
    is_block = (first and _BESIDE.match(text, before)) or (after and _BESIDE.match(text, after))
    return match.span("value") if is_block else None


def _name_around(text: str, at: int, end: int) -> str:
    return text[_name_start(text, at) : end].strip(" \t\"'\\]")


def _name_start(text: str, at: int) -> int:
    first = at
    while first > 0 and at - first < 64 and text[first - 1] in _NAME_LETTERS:
        first -= 1
    if first < at and text[first] in "nrt" and text[first - 1 : first] == "\\":
        return first + 1  # a line break as JSON writes it
    return first


def _assigned_value(name: str, sign: str, value: re.Match[str]) -> Find | None:
    if value["quoted"] is not None:
        quoted = value["quoted"]
        return None if _is_placeholder(quoted) else value.span("quoted")
    bare = value["bare"]
    if value["call"] or _is_placeholder(bare) or bare == name or (sign == "=" and bare.startswith("=")):
        return None
    if value["scheme"] is not None or "auth" in name.lower() or "cookie" in name.lower():
        return value.span("bare")
    if bare.isdigit() and name.lower().endswith("token"):
        return None
    if sign == ":" and (len(bare) < 6 or bare.rstrip(".!?").isalpha()):
        return None  # "Token: string", "the secret: patience"
    parts = bare.split(".")
    if len(parts) > 1 and all(part.isidentifier() and part.islower() for part in parts):
        return None  # source code: "password=settings.password"
    return value.span("bare")


def _is_placeholder(value: str) -> bool:
    """Whether a short value only says that a secret belongs there."""
    return len(value) <= _LONGEST_PLACEHOLDER and (
        value.lower() in _NOTHING or value[0] in "$<{[%*" or value in ("...", "…")
    )


_LONGEST_PLACEHOLDER = 64

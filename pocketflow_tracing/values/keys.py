"""Which names say that what they hold is a secret: `db_password`, `X-Api-Key`, `accessToken`, …"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")
_MOST_LETTERS = 200

# Secret wherever it stands in a name, unless the last word says that something else is held.
_SECRET_WORDS = frozenset(
    """password passwords passwd passwort passphrase pwd secret secrets apikey apikeys authorization
    credential credentials privatekey secretkey accesskey accesstoken refreshtoken authtoken clientsecret
    userinfo cvv cvc ssn passcode apitoken pgpassword""".split()
)
_SECRET_PAIRS = frozenset(
    tuple(pair.split("_"))
    for pair in """api_key api_keys access_key secret_key private_key signing_key encryption_key master_key
    account_key shared_key auth_key session_token access_token access_tokens refresh_token
    refresh_tokens auth_token auth_tokens bearer_token bearer_tokens id_token api_token api_tokens
    csrf_token bot_token client_key license_key openai_key anthropic_key gemini_key groq_key mistral_key
    azure_key security_code seed_phrase recovery_phrase card_number
    connection_string pass_word pass_phrase card_pin user_pin sim_pin
    db_pass user_pass smtp_pass mail_pass email_pass mysql_pass redis_pass ftp_pass ssh_pass admin_pass
    root_pass login_pass proxy_pass""".split()
)
# Secret at the end of a name: "github_token", "set-cookie"; "token_count" and "cookie_banner" are not.
_SECRET_ENDINGS = frozenset("token cookie cookies auth bearer jwt otp mnemonic".split())
# What makes a harmless name of one that ends in "token": positions in a text, pages of a listing.
_HARMLESS_BEFORE = frozenset(
    """max min eos bos pad unk sep cls mask stop start end special first last next page continuation
    sync per num n total current previous prev prompt completion input output cached reasoning image
    audio text new each every delimiter newline space begin decoder encoder forced suppress non requires
    needs no""".split()
)
_HARMLESS_ENDINGS = frozenset(
    """count counts length len size limit limits type types usage used budget expires expiry expiration
    expired at url uri endpoint policy required enabled disabled valid validated status strength rate cost
    price total max min left remaining index rotation rotated version scheme method provider format label
    field fields hint placeholder prompt reset changed updated created age ttl kind source per id ids name
    names path file present missing exists error errors owner manager""".split()
)


_STEMS = (
    b"passw", b"passphrase", b"_pass", b"pwd", b"secret", b"token", b"key", b"auth", b"credential", b"cookie",
    b"connectionstring", b"cvv", b"cvc", b"ssn", b"sig", b"passcode", b"jwt", b"otp",
)  # fmt: skip


def words(name: str) -> list[str]:
    """The words of a name in lower case, from snake_case, kebab-case, camelCase and so on."""
    return [word.lower() for word in _WORD.findall(name[:_MOST_LETTERS])]


class KeyNames:
    """Tells secret names from harmless ones; remembers what it has seen."""

    _MOST_REMEMBERED = 4096

    def __init__(self, own: Iterable[str] = ()) -> None:
        own = tuple(own)
        self._own = frozenset(_plain(name) for name in own)
        self._own_words = frozenset(tuple(words(name)) for name in own if words(name))
        self._remembered: dict[str, bool] = {}
        self.stems = (*_STEMS, *sorted({name.lower().encode("ascii", "replace") for name in own}))
        """What a text that assigns a value to a secret name contains, in lower case."""

    def is_secret(self, name: str) -> bool:
        """Whether what stands under `name` is to be masked."""
        known = self._remembered.get(name)
        if known is None:
            if len(self._remembered) >= self._MOST_REMEMBERED:
                self._remembered.clear()
            known = self._judge(name)
            if len(name) <= _MOST_LETTERS:
                self._remembered[name] = known
        return known

    def _judge(self, name: str) -> bool:
        found = words(name)
        if self._own and (_plain(name) in self._own or self._has_own_words(found)):
            return True
        if not found or (len(found) > 1 and found[-1] in _HARMLESS_ENDINGS):
            return False
        if any(word in _SECRET_WORDS for word in found):
            return True
        if any(pair in _SECRET_PAIRS for pair in pairwise(found)):
            return True
        return found[-1] in _SECRET_ENDINGS and not (len(found) > 1 and found[-2] in _HARMLESS_BEFORE)

    def _has_own_words(self, found: list[str]) -> bool:
        return any(
            tuple(found[start : start + len(own)]) == own
            for own in self._own_words
            for start in range(len(found) - len(own) + 1)
        )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def holds_count(name: str) -> bool:
    """Whether a number under this secret name is a count of tokens rather than a secret."""
    return words(name)[-1:] == ["token"]

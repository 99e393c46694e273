"""The search for the secrets of the corpus in whatever left the process."""

from __future__ import annotations

import html
import json

from values_corpus import SECRETS

_ENOUGH = 12
"""So much of the beginning of a secret is as bad as all of it: some are cut."""


def seen_in(content: str | bytes) -> list[str]:
    """The texts of the corpus whose secret can be read in what left the process, in any form.

    Traces repeat themselves: what stands between two quotes, which no form has, is searched once.
    """
    if isinstance(content, str):
        content = content.encode("utf-8", "replace")
    pieces = b'"'.join(set(content.split(b'"')))
    seen = {form for form in _ALL_FORMS if form in pieces}
    return [text for text, secret in SECRETS if seen & _FORMS[secret]]


def _forms(secret: str) -> set[bytes]:
    """How a text may be written: as it is, as JSON, as JSON within a page, as HTML, and as Mermaid has it."""
    in_json = json.dumps(secret)[1:-1]
    in_script = "".join(f"\\u{ord(letter):04x}" if letter in "<>&" else letter for letter in in_json)
    in_chart = "".join(
        letter if letter.isalnum() or letter in " _-.," else f"#{ord(letter)};" for letter in secret
    )
    return {form.encode() for form in (secret, in_json, in_script, html.escape(secret), in_chart)}


_FORMS = {secret: _forms(secret[:_ENOUGH]) for _, secret in SECRETS}
_ALL_FORMS = set().union(*_FORMS.values())
assert not any(b'"' in form for form in _ALL_FORMS)

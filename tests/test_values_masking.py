"""No planted secret is shown, wherever it stands; what only looks like one is left alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from values_corpus import INNOCENT_KEYS, INNOCENT_TEXTS, SECRET_KEYS, SECRETS
from values_planting import PLACES
from values_support import rendered, shown

from pocketflow_tracing.values import Limits, Policy, compare, render, snapshot


def _written(value: Any) -> str:
    """All that a trace would hold of a value, the paths included."""
    result = rendered(value)
    return json.dumps([result.value, result.redacted, result.truncated], ensure_ascii=False)


def _leaks(written: str, secret: str) -> bool:
    return secret in written or json.dumps(secret)[1:-1] in written


def test_the_corpora_are_as_large_as_promised() -> None:
    """At least 150 secrets and at least 100 look-alikes, all different."""
    assert len({text for text, _ in SECRETS}) >= 150
    assert len(set(INNOCENT_KEYS)) + len(set(INNOCENT_TEXTS)) >= 100


@pytest.mark.parametrize("place", PLACES)
def test_no_planted_secret_is_shown(place: str) -> None:
    """Every secret of the corpus, in every place a value can stand."""
    leaked = [text for text, secret in SECRETS if _leaks(_written(PLACES[place](text)), secret)]

    assert leaked == []


def test_a_mask_keeps_what_stands_before_the_secret() -> None:
    """The kind of a token and the host of an address stay readable."""
    mask = Policy().mask_text

    assert mask("sk-proj-" + "aB3" * 20) == "sk-proj-[redacted]"
    assert mask("sk-ant-" + "aB3" * 20) == "sk-ant-[redacted]"
    assert mask("ghp_" + "aB3" * 12) == "ghp_[redacted]"
    assert mask("postgresql://admin:hunter2@db:5432/shop") == "postgresql://admin:[redacted]@db:5432/shop"
    assert mask("Authorization: Bearer abc.def.ghi") == "Authorization: Bearer [redacted]"
    assert mask("api_key=abcdef&page=2") == "api_key=[redacted]&page=2"


@pytest.mark.parametrize("budget", [400, 1000, 3000])
def test_a_cut_through_a_secret_shows_none_of_it(budget: int) -> None:
    """Wherever the budget cuts a text, what stands there of a secret is masked whole."""
    for text, secret in SECRETS:
        piece = secret[:6]
        if len(secret) < 12 or piece in "https://postgres":
            continue
        for before in range(budget - len(text) - 20, budget, 7):
            value = {"note": "x " * (before // 2) + text + " y" * 3000}
            written = json.dumps(rendered(value, Limits(max_bytes=budget)).value, ensure_ascii=False)
            assert piece not in written, (text, before)


CUT_PLACES = ["in bytes", "in a bytearray", "in a tuple as a key", "as a key beside an int", "in a set"]


@pytest.mark.parametrize("place", CUT_PLACES)
def test_a_cut_through_bytes_or_a_key_shows_none_of_the_secret(place: str) -> None:
    """Many of them in a store that is over its budget: in the store, and in what changed in it."""
    make = PLACES[place]
    for index, (text, secret) in enumerate(SECRETS):
        limits = Limits(max_bytes=(700, 3_000, 12_000)[index % 3])
        store = {str(n): make(" x" * n + " " + text + " y" * 400) for n in range(index % 25, 300, 25)}
        after = snapshot(store, limits)
        before = snapshot({key: make("") for key in store}, limits)
        changes = compare(before, after)
        written = [render(value, Policy(), "").text for value in (after, changes)]
        assert secret[:5] not in "".join(written), text


def test_a_pattern_that_would_be_cut_is_not_shown() -> None:
    """The source of a regular expression may be a list of keys."""
    token = "ghp_" + "aB3dE" * 8

    assert shown(re.compile(f"no|{token}")) == "re.compile('no|ghp_[redacted]')"
    assert shown(re.compile("x" * 480 + token)) == "<re.Pattern>"


def test_bytes_that_are_cut_differently_have_not_changed() -> None:
    """The room that there is for them decides how much of them is shown, not what they are."""
    store = {"image": b"x" * 10_000, "kind": bytearray(b"y" * 600), "text": "z" * 100}
    cut, whole = snapshot(store, Limits(max_bytes=700)), snapshot(store, Limits())

    assert compare(cut, whole) is None
    assert compare(cut, snapshot({**store, "kind": b"y" * 600}, Limits())) is not None


def test_a_key_longer_than_the_look_ahead_is_masked_to_its_end() -> None:
    """A private key that goes on beyond everything that is kept is masked from its first line on."""
    body = "MIIEpAIBAAKCAQEA" * 2000
    value = "key:\n-----BEGIN RSA PRIVATE KEY-----\n" + body + "\n-----END RSA PRIVATE KEY-----"

    assert "MIIEp" not in str(shown(value, Limits(max_bytes=2000)))
    assert "MIIEp" not in Policy().mask_text(value * 5)


@pytest.mark.parametrize("length", [40_000, 57_300, 57_344, 70_000, 200_000])
def test_a_secret_across_the_edge_of_a_piece_is_found(length: int) -> None:
    """Long texts are searched in pieces; no edge between two of them hides a secret."""
    token = "ghp_" + "aB3dE" * 8
    for shift in range(0, 60, 7):
        text = "word " * ((length - shift) // 5) + token + " tail" * 2000
        assert "aB3dE" not in Policy().mask_text(text)


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_what_stands_under_a_secret_name_is_masked(key: str) -> None:
    """Texts, numbers, bytes and whole containers; what is empty or yes and no says nothing."""
    for value in ("plain", b"plain", ["plain", {"a": "plain"}], ("plain",), {"plain"}):
        result = rendered({"settings": {key: value}})
        assert "plain" not in json.dumps(result.value).replace('"settings"', "")
        if type(value) is str:
            assert result.redacted == [f"input.settings.{key}"]
    assert shown({key: None}) == {key: None}
    assert shown({key: True}) == {key: True}
    assert shown({key: ""}) == {key: ""}


def test_names_and_values_in_pairs_are_understood() -> None:
    """Headers come as lists of pairs, form fields as entries named "name" and "value"."""
    assert shown([("X-Api-Key", "abc"), ("Accept", "json")]) == [
        ["X-Api-Key", "[redacted]"],
        ["Accept", "json"],
    ]
    assert shown((b"Cookie", b"abc")) == ["<bytes of 6 bytes: Cookie>", "<bytes of 3 bytes>"]
    assert shown({"name": "api_key", "value": "abc"}) == {"name": "api_key", "value": "[redacted]"}
    assert shown({"Key": "DB_PASSWORD", "Value": "abc"}) == {"Key": "DB_PASSWORD", "Value": "[redacted]"}
    assert shown({"key": "color", "value": "red"}) == {"key": "color", "value": "red"}


def test_names_are_understood_in_command_lines_xml_and_bytes() -> None:
    """However a secret is named, and neither what is named otherwise nor what only stands beside."""
    mask = Policy().mask_text

    assert mask("mysql --password q7ZtX9Lm --host db") == "mysql --password [redacted] --host db"
    assert mask("run --api-key q7ZtX9Lm --max-tokens 50000") == "run --api-key [redacted] --max-tokens 50000"
    assert mask("<user>ada</user><password>q7ZtX9Lm</password>") == (
        "<user>ada</user><password>[redacted]</password>"
    )
    assert mask("PGPASSWORD=q7ZtX9Lm psql") == "PGPASSWORD=[redacted] psql"
    assert shown({b"password": "abc", b"color": "red"}) == {"password": "[redacted]", "color": "red"}
    for key in ("passcode", "openai_key", "GROQ_KEY", "jwt", "otp", "security_code"):
        assert shown({key: "abc"}) == {key: "[redacted]"}


def test_what_stands_around_a_secret_stays_readable() -> None:
    """In commands, in prose, in settings and in cookies."""
    mask = Policy().mask_text

    assert mask("curl -su admin:hunter2 https://db") == "curl -su admin:[redacted] https://db"
    assert mask("admin:hunter2@tcp(db:3306)/shop") == "admin:[redacted]@tcp(db:3306)/shop"
    assert mask("The password is hunter2. Go on.") == "The password is [redacted]. Go on."
    assert mask("my API key was 'aB3dE9', once") == "my API key was '[redacted]', once"
    assert mask("db:\n  user: bob\n  password: sesame\n") == "db:\n  user: bob\n  password: [redacted]\n"
    assert mask("Cookie: a=1; sid=aB3dE9\nAccept: json") == "Cookie: [redacted]\nAccept: json"
    assert mask("GET /;JSESSIONID=0A1B2C3D4E.node1 ok") == "GET /;JSESSIONID=[redacted] ok"
    assert (
        mask('{"Name": "DB_PASSWORD", "Value": "sesame"}') == '{"Name": "DB_PASSWORD", "Value": "[redacted]"}'
    )
    assert mask("{'password': b'sesame'}") == "{'password': b'[redacted]'}"


def test_the_names_of_a_steps_inputs_count() -> None:
    """An argument called api_key is masked, whatever it looks like."""
    parts = {"api_key": snapshot("abc", Limits()), "question": snapshot("why?", Limits())}

    result = render(parts, Policy(), "input")

    assert result.value == {"api_key": "[redacted]", "question": "why?"}
    assert result.redacted == ["input.api_key"]


def test_numbers_of_cards_are_masked_as_numbers_too() -> None:
    """A card number stored as an int is no less secret; other long numbers stay."""
    assert shown([4111111111111111, 1732280000000000000, 1234567890123456]) == [
        "[redacted]",
        1732280000000000000,
        1234567890123456,
    ]


def test_innocent_look_alikes_are_left_alone() -> None:
    """Of all look-alikes of the corpus at most two are masked."""
    masked = [text for text in INNOCENT_TEXTS if rendered(text).redacted]
    masked += [key for key in INNOCENT_KEYS if rendered({key: "some text"}).redacted]

    assert len(masked) <= 2, masked


def test_changes_are_masked_like_values() -> None:
    """Before and after, added and removed, one level deeper too."""
    before = snapshot({"api_key": "first", "old_token": "gone", "a": {"password": "one"}}, Limits())
    after = snapshot({"api_key": "second", "secret": "new", "a": {"password": "two"}}, Limits())

    written = json.dumps(render(compare(before, after), Policy(), "changes").value)

    for secret in ("first", "gone", "one", "second", "new", "two"):
        assert f'"{secret}"' not in written


def test_own_keys_patterns_and_mask_come_on_top() -> None:
    """What a user adds holds for nested values, texts and keys alike."""
    policy = Policy(
        own_patterns=[r"EMP-\d+"],
        own_keys=["badge_number"],
        mask=lambda value, path: "***" if path.endswith(".salary") else value,
    )
    value = {"badgeNumber": "17", "note": "ask EMP-4711", "EMP-1": 1, "person": {"salary": 100}}

    result = rendered(value, policy=policy)

    assert result.value == {
        "badgeNumber": "[redacted]",
        "note": "ask [redacted]",
        "[redacted]": 1,
        "person": {"salary": "***"},
    }
    assert result.redacted == ["input.badgeNumber", "input.note", "input.person.salary"]
    assert policy.mask_text("badge_number=17x22") == "badge_number=[redacted]"


def test_a_mask_that_fails_hides_the_value() -> None:
    """Masking fails closed: an exception of the user's mask shows nothing."""

    def broken(value: Any, path: str) -> Any:
        raise ValueError(path)

    assert "visible" not in json.dumps(shown({"a": "visible", "b": ["visible"]}, policy=Policy(mask=broken)))
    assert "visible" not in Policy(mask=broken).mask_text("visible")


def test_with_redaction_off_only_the_users_own_rules_hold() -> None:
    """Off is off, and one's own patterns stay on."""
    policy = Policy(redact=False, own_patterns=["EMP-[0-9]+"])

    assert shown({"password": "x", "note": "EMP-1"}, policy=policy) == {"password": "x", "note": "[redacted]"}

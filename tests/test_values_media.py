"""Data URIs in values: what they are and how big they are, in place of their letters."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest
from values_support import shown

from pocketflow_tracing.values import media
from pocketflow_tracing.values.media import without_media
from pocketflow_tracing.values.redaction import Policy


def uri(size: int, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(os.urandom(size)).decode()}"


@pytest.mark.parametrize("size", [300, 301, 302, 40_000])
def test_a_data_uri_becomes_its_type_and_size(size: int) -> None:
    """Alone, in a message as chat models take it, and in the middle of a text."""
    told = f"<image/png of {size:,} bytes>"
    assert shown(uri(size)) == told
    assert shown({"image_url": {"url": uri(size)}, "text": "what is it?"}) == {
        "image_url": {"url": told}, "text": "what is it?",
    }  # fmt: skip
    assert shown([f"see ![a cat]({uri(size)}) there"]) == [f"see ![a cat]({told}) there"]


def test_a_data_uri_that_is_cut_says_how_big_it_may_be() -> None:
    """Only its beginning is captured; nothing of it is shown, and what stands before it is."""
    assert shown("look: " + uri(3_000_000, "video/mp4")) == "look: <video/mp4 of up to 3,000,000 bytes>"
    assert shown({"a": uri(3_000_000), "b": 1}) == {"a": "<image/png of up to 3,000,000 bytes>", "b": 1}


def test_a_text_that_goes_on_after_its_data_uri_is_cut_where_it_would_be() -> None:
    """What is left out is what is not shown of the text itself."""
    text = f"see {uri(3_000)} and " + "on and " * 20_000
    seen = shown(text)
    assert seen.startswith("see <image/png of 3,000 bytes> and on and on")
    kept, _, left = seen.rpartition("… +")
    assert len(kept) - len("<image/png of 3,000 bytes>") + len(uri(3_000)) + int(
        left.split()[0].replace(",", "")
    ) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64," + "A" * 100,
        "no media;base64," + "A" * 400,
        "data:text/html,<p>" + "plain " * 100,
        ";base64," + "," * 400,
    ],
)
def test_what_is_no_data_uri_or_a_small_one_stays(text: str) -> None:
    """Nothing is taken away from other texts."""
    assert without_media(text, len(text), len(text)) == (text, len(text), 0)


def test_types_with_parameters_and_none_are_read() -> None:
    """As RFC 2397 has them."""
    letters = "QUJD" * 100
    for head, told in (
        ("data:text/plain;charset=utf-8;base64,", "<text/plain of 300 bytes>"),
        ("data:;base64,", "<text/plain of 300 bytes>"),
        ("data:audio/x-wav;base64,", "<audio/x-wav of 300 bytes>"),
    ):
        assert shown(head + letters) == told


def test_several_and_long_ones_are_found_window_by_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call looks at more than a window, and nothing is missed at the borders."""
    texts = [f"{'x' * start} {uri(300)} {uri(700, 'audio/wav')}." for start in range(40)]
    expected = [f"{'x' * n} <image/png of 300 bytes> <audio/wav of 700 bytes>." for n in range(40)]
    monkeypatch.setattr(media, "_WINDOW", 16)
    assert [without_media(text, len(text), len(text))[0] for text in texts] == expected


def test_a_mask_of_ones_own_gets_the_descriptor() -> None:
    """Media are described before masks see a text: these are for what is kept."""
    seen: list[Any] = []

    def mask(value: Any, path: str) -> Any:
        seen.append(value)
        return value

    assert shown({"url": uri(900)}, policy=Policy(mask=mask)) == {"url": "<image/png of 900 bytes>"}
    assert seen == ["<image/png of 900 bytes>"]

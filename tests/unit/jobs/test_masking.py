"""Masking of secrets in text, in every form in which programs usually write them."""

from __future__ import annotations

import base64
import gc
import html
import json
import shlex
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest
from markupsafe import escape

from src.jobs.attempts.masking import MASK, Masking, mask_stray

SECRET = "p4ss<&>\"'wö\\rd/+="


def _xml(text: str) -> str:
    element = ElementTree.Element("key")
    element.text = text
    return ElementTree.tostring(element, short_empty_elements=False).decode()


@pytest.mark.parametrize(
    "write",
    [
        str.upper,
        repr,
        ascii,
        json.dumps,
        html.escape,
        shlex.quote,
        quote,
        _xml,
        lambda text: str(escape(text)),
        lambda text: repr(text.encode()),
        lambda text: repr([f'"it\'s" {text}']),
        lambda text: json.dumps({"key": text}, ensure_ascii=False),
        lambda text: json.dumps(json.dumps({"key": text})),
        lambda text: repr(json.dumps({"key": text})),
        lambda text: json.dumps(repr(text)),
        lambda text: urlencode({"key": text}),
        lambda text: quote(f"https://u:{quote(text, safe='')}@host", safe=""),
        lambda text: unicodedata.normalize("NFD", text),
        lambda text: text.encode("unicode_escape").decode(),
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
        lambda text: base64.b64encode(f"me:{text}:more".encode()).decode(),
        lambda text: base64.b64encode(f"you:{text}!".encode()).decode(),
    ],
)
def test_it_is_masked_however_it_is_written(write: Callable[[str], str]) -> None:
    written = write(SECRET)
    masked = Masking([SECRET]).text(f"before {written} after")
    assert MASK in masked
    # Base64 keeps the digit that belongs to the secret's neighbour as well, and its padding.
    rest = masked.replace(MASK, "").removeprefix("before ").removesuffix(" after")
    assert len(rest) - len(write("")) <= 3, masked


@pytest.mark.parametrize(
    "secret",
    [
        "\n".join(base64.b64encode(bytes([number % 256, number // 256]) * 24).decode() for number in range(1_500)),
        "0123456789abcdef/+" * 20_000,
    ],
    ids=["many lines", "long"],
)
def test_a_large_secret_is_masked_in_time(secret: str) -> None:
    begun = time.process_time()
    masking = Masking([secret])
    shown = masking.text(f"<{secret}> " + "an ordinary line\n" * 10_000 + json.dumps([secret]))
    assert time.process_time() - begun < 5
    assert shown == f"<{MASK}> " + "an ordinary line\n" * 10_000 + f'["{MASK}"]'
    assert [masking.text(line) for line in secret.splitlines()[5:7]] == [MASK] * len(secret.splitlines()[5:7])


@pytest.mark.parametrize("secret", ["İstanbul-İzmir-Ankara", "ſtraße-straße-STRASSE", "Ω-ohm-K-kelvin"])
def test_letters_of_which_case_changes_the_length(secret: str) -> None:
    assert Masking([secret]).text(f"({secret})") == f"({MASK})"


def test_short_secrets_are_masked_as_words_only() -> None:
    assert Masking(["abc"]).text("abc, abcd, YWJj, 616263") == f"{MASK}, abcd, YWJj, 616263"


def test_in_lines_of_no_attempt_the_long_secrets_of_running_attempts_are_masked() -> None:
    masking = Masking(["long-enough", "and"])
    assert mask_stray("long-enough and short") == f"{MASK} and short"
    del masking
    gc.collect()
    assert mask_stray("long-enough and short") == "long-enough and short"

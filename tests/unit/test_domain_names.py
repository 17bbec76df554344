"""Domain names in ASCII: never those of another owner."""

from __future__ import annotations

import pytest

from src.actors.http_client import Request, call_once
from src.actors.ssrf_guard import CallRefused
from src.formats.domain_names import in_ascii
from src.mail.addresses import parse_address
from src.mail.errors import LetterError


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("example.com", "example.com"),
        ("Bücher.DE", "xn--bcher-kva.DE"),
        ("παράδειγμα.δοκιμή", "xn--hxajbheg2az3al.xn--jxalpdlp"),
        ("ｅｘａｍｐｌｅ。com", "example.com"),
        ("faß.de", None),
        ("straße.example", None),
        ("σίγμας.gr", None),  # by the rules of 2003 its last character is another one
        ("a\u200db.example", None),
        ("a..ü", None),
        ("ü" * 70 + ".de", None),
    ],
)
def test_a_name_stays_the_same_domain_or_is_refused(name: str, plain: str | None) -> None:
    assert in_ascii(name) == plain


def test_mail_and_calls_say_how_to_write_such_a_name() -> None:
    with pytest.raises(LetterError, match="write it in ASCII, as it is registered: xn--"):
        parse_address("info@faß.de", "to")
    with pytest.raises(CallRefused, match="the host as it is registered: xn--"):
        call_once(Request("GET", "https://faß.de/x", {}, b""), allowed="", timeout_s=1, max_bytes=1)
    assert parse_address("info@bücher.de", "to").domain == "xn--bcher-kva.de"

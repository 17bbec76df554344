"""Emails are composed once and completely, and header injection is impossible."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.mail import reading
from src.mail.errors import LetterError
from src.mail.letters import Attachment, Composed, InlineImage, Letter, compose
from src.sql.clock import now

PNG = b"\x89PNG\r\n\x1a\n pixels"


def composed(**values: Any) -> Composed:
    letter = Letter(**({"to": ["ada@example.com"], "subject": "Hello", "text": "Words."} | values))
    return compose(letter, id="0199", sender="Callboard <callboard@localhost>", at=now())


def parsed(one: Composed) -> EmailMessage:
    message = message_from_bytes(one.raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_template_becomes_text_and_html_with_its_styles_beside_the_elements() -> None:
    one = composed(text="", template="letter", context={"text": "Grüße <b>an</b> alle\n\nund mehr"})

    message = parsed(one)
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "Grüße <b>an</b> alle" in text.get_content()
    assert "Grüße &lt;b&gt;an&lt;/b&gt; alle</p>" in html.get_content()
    assert 'style="' in html.get_content()
    assert one.raw.isascii()
    assert all(len(line) <= 998 for line in one.raw.split(b"\r\n"))


def test_attachments_and_pictures_are_in_their_places() -> None:
    one = composed(
        html='<img alt="3" src="cid:chart-1">',
        images=[InlineImage("chart-1", PNG)],
        attachments=[Attachment("Zahlen für heute.csv", "text/csv", b"a,b\n1,2\n")],
    )

    letter = reading.read(one.raw)
    assert [(part.filename, part.content_type, part.size) for part in letter.parts] == [("Zahlen für heute.csv", "text/csv", 8)]
    found = reading.attachment(one.raw, letter.parts[0].number)
    assert found is not None
    assert found[1] == b"a,b\n1,2\n"
    assert letter.html is not None
    assert "data:image/png;base64," in letter.html


def test_each_recipient_gets_one_copy_and_blind_copies_are_in_no_header() -> None:
    one = composed(to=["Ada <ada@example.com>", "bob@example.com"], cc=["ada@example.com"], bcc=["eve@example.com"])

    assert one.recipients == ["ada@example.com", "bob@example.com", "eve@example.com"]
    assert b"eve@" not in one.raw
    assert one.message_id == "<0199@localhost>"


HEADER_TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)


@given(HEADER_TEXTS, st.sampled_from(["\r\n", "\n", "\r", "\x00", "\x0b", "\u2028", "\x85"]), HEADER_TEXTS)
def test_a_line_break_in_a_header_is_refused_wherever_it_comes_from(before: str, line_break: str, after: str) -> None:
    injected = f"{before}{line_break}Bcc: eve@example.com{line_break}{after}"
    for values in (
        {"subject": injected}, {"to": [f"{injected} <ada@example.com>"]}, {"to": [f"ada@example.com{injected}"]}, {"cc": [injected]},
        {"bcc": [injected]}, {"reply_to": injected}, {"sender": injected}, {"list_name": injected},
        {"attachments": [Attachment(injected, "text/csv", b"")]}, {"attachments": [Attachment("a", injected, b"")]},
        {"html": "<p>", "images": [InlineImage(injected, PNG)]}, {"html": "<p>", "images": [InlineImage("a", PNG, injected)]},
    ):  # fmt: skip
        with pytest.raises(LetterError) as refused:
            composed(**values)
        assert f"{refused.value.field}" in str(refused.value)


@given(HEADER_TEXTS, HEADER_TEXTS)
def test_whatever_is_accepted_has_the_headers_that_were_asked_for_and_no_more(subject: str, name: str) -> None:
    try:
        one = composed(subject=subject, to=[f'"{name}" <ada@example.com>'])
    except LetterError:
        return
    message = parsed(one)
    wanted = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
    assert set(message.keys()) == wanted
    assert one.recipients == ["ada@example.com"]
    assert [address.addr_spec for address in message["To"].addresses] == ["ada@example.com"]
    assert "".join(str(message["Subject"]).split()) == "".join(subject.split())


@pytest.mark.parametrize(
    "address", ["nobody", "@example.com", "ada@", "a@b, c@d", "ada@-x.com", "ädä@example.com", "", "a b@c", "x" * 250 + "@a.de"]
)
def test_an_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(LetterError, match="to: "):
        composed(to=[address])


@pytest.mark.long
@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"to": []}, "to"),
        ({"text": " "}, "text"),
        ({"template": "../../etc/passwd"}, "template"),
        ({"template": "no-such"}, "template"),
        ({"template": "letter", "context": {}}, "context"),
        ({"attachments": [Attachment("big", "text/plain", b"x" * 20_000_000)]}, "attachments"),
        ({"attachments": [Attachment("../up", "text/plain", b"x")]}, "attachments"),
        ({"attachments": [Attachment("a", "message/rfc822", b"x")]}, "attachments"),
    ],
)
def test_an_email_that_cannot_be_composed_names_the_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(LetterError) as refused:
        composed(**values)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"Subject: x",
        b"Content-Type: text/plain; charset=nobody-knows\r\n\r\n\xe4",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x",
    ],
)
def test_a_broken_letter_shows_what_can_be_read_of_it(raw: bytes) -> None:
    reading.read(raw)

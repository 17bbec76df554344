"""Composing an email: check the request, render it, and compose the bytes to send."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from . import headers
from .addresses import CONTROL, parse_address
from .errors import LetterError
from .rendering import Rendered, render

#: bytes of an email; mail servers commonly refuse more than 25 MB
LARGEST = 20_000_000
#: recipients of one email
MOST_RECIPIENTS = 500
SUBJECT_LENGTH = 500
_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,80}")
_CID = re.compile(r"[A-Za-z0-9._-]{1,60}")
_LIST = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}")
#: 7-bit throughout, so that every server accepts it; CRLF line ends
_POLICY = policy.SMTP.clone(cte_type="7bit", max_line_length=78)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to the email."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class InlineImage:
    """An image that the HTML shows as `<img src="cid:NAME">`."""

    name: str
    content: bytes
    content_type: str = "image/png"


@dataclass(frozen=True, slots=True)
class Letter:
    """A request to send an email: either a template with its context, or `text` (and `html`) as given."""

    to: Sequence[str]
    subject: str
    template: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    html: str | None = None
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: str | None = None
    sender: str | None = None  # default: CALLBOARD_MAIL_FROM
    attachments: Sequence[Attachment] = ()
    images: Sequence[InlineImage] = ()
    list_name: str | None = None  # a common name of emails of this kind, for recipients' filters


@dataclass(frozen=True, slots=True)
class Composed:
    """An email ready to send. `sender` and `recipients` are bare addresses, each recipient once."""

    message_id: str
    sender: str
    recipients: list[str]
    subject: str
    template: str | None
    raw: bytes


def one_line(text: str, most: int = SUBJECT_LENGTH) -> str:
    """Return the beginning of a text on one line, without control characters, as a subject must be."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:most]


def compose(letter: Letter, *, id: str, sender: str, at: datetime) -> Composed:
    """Check, render and compose an email; raises LetterError naming the invalid field.

    `id` determines the Message-ID, which therefore stays the same across retries.
    """
    origin = parse_address(letter.sender or sender, "sender")
    to, cc, bcc = (_addresses(getattr(letter, name), name) for name in ("to", "cc", "bcc"))
    recipients = list(dict.fromkeys(address.addr_spec for address in (*to, *cc, *bcc)))
    if not recipients:
        raise LetterError("to: name at least one recipient", field="to")
    if len(recipients) > MOST_RECIPIENTS:
        raise LetterError(f"to: {len(recipients)} recipients are too many for one email, at most {MOST_RECIPIENTS}", field="to")
    message = EmailMessage(_POLICY)
    message_id = f"<{id}@{origin.domain}>"
    _put_headers(message, letter, origin=origin, to=to, cc=cc, message_id=message_id, at=at)
    rendered = render(letter.template, letter.context, subject=letter.subject) if letter.template else Rendered(letter.text, letter.html)
    _put_body(message, letter, rendered)
    raw = message.as_bytes()
    if len(raw) > LARGEST:
        raise LetterError(f"attachments: the email has {len(raw)} bytes, at most {LARGEST} can be sent", field="attachments")
    return Composed(message_id, origin.addr_spec, recipients, letter.subject, letter.template, raw)


def _addresses(texts: Sequence[str], name: str) -> list[Address]:
    if isinstance(texts, str):
        texts = [texts]
    return [parse_address(text, name) for text in texts]


def _put_headers(
    message: EmailMessage, letter: Letter, *, origin: Address, to: list[Address], cc: list[Address], message_id: str, at: datetime
) -> None:
    if CONTROL.search(letter.subject) or not letter.subject.strip() or len(letter.subject) > SUBJECT_LENGTH:
        raise LetterError(f"subject: write one line of 1 to {SUBJECT_LENGTH} characters", field="subject")
    message["From"] = headers.addresses("From", [origin])
    message["To"] = headers.addresses("To", to) if to else "undisclosed-recipients:;"
    if cc:
        message["Cc"] = headers.addresses("Cc", cc)
    if letter.reply_to:
        message["Reply-To"] = headers.addresses("Reply-To", [parse_address(letter.reply_to, "reply_to")])
    message["Subject"] = headers.text("Subject", letter.subject)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id
    if letter.list_name:
        if not _LIST.fullmatch(letter.list_name):
            raise LetterError("list_name: use lower-case letters, digits, - and _", field="list_name")
        message["List-Id"] = f"<{letter.list_name}.{origin.domain}>"
    # Suppress out-of-office replies.
    message["Auto-Submitted"] = "auto-generated"


def _put_body(message: EmailMessage, letter: Letter, rendered: Rendered) -> None:
    if not rendered.text.strip() and not rendered.html:
        raise LetterError("text: the email is empty", field="text")
    message.set_content(rendered.text)
    if rendered.html:
        message.add_alternative(rendered.html, subtype="html")
        html = list(message.iter_parts())[1]
        assert isinstance(html, EmailMessage)
        for image in letter.images:
            if not _CID.fullmatch(image.name):
                raise LetterError(f"images: {image.name!a:.80} is not a valid image name; use letters, digits, . _ -", field="images")
            main, sub = _content_type(image.content_type, "images")
            html.add_related(image.content, main, sub, cid=f"<{image.name}>", disposition="inline", filename=image.name)
    for attachment in letter.attachments:
        name = attachment.filename
        if CONTROL.search(name) or not name.strip() or len(name) > 200 or "/" in name or "\\" in name:
            raise LetterError(f"attachments: {name!a:.80} is not a valid file name", field="attachments")
        main, sub = _content_type(attachment.content_type, "attachments")
        message.add_attachment(attachment.content, main, sub)
        added = list(message.iter_parts())[-1]
        del added["Content-Disposition"]
        added["Content-Disposition"] = headers.filename("attachment", name)


def _content_type(text: str, name: str) -> tuple[str, str]:
    if not _CONTENT_TYPE.fullmatch(text) or text.startswith(("multipart/", "message/")):
        raise LetterError(f"{name}: {text!a:.80} is not a content type; write e.g. text/csv", field=name)
    main, _, sub = text.partition("/")
    return main, sub

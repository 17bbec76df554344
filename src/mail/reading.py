"""Parsing an email for display: its text, its HTML with embedded images, its attachments. Accepts any bytes."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart

_CID = re.compile(r"""cid:([^"'\s)<>]{1,200})""")
#: headers shown
_SHOWN = ("From", "To", "Cc", "Reply-To", "Date", "Message-ID", "List-Id")
#: image types passed to a browser; not SVG, which is a document and may run scripts
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment. `number` is its position in the email."""

    number: int
    filename: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Reading:
    """An email as shown to a user. `html` is untrusted and needs a sandbox."""

    subject: str
    headers: list[tuple[str, str]]
    text: str | None
    html: str | None
    parts: list[Part]


def read(raw: bytes) -> Reading:
    """Parse an email for display; a malformed one shows as much as can be read."""
    message = _parse(raw)
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    headers = [(name, str(message[name])) for name in _SHOWN if message[name]]
    parts = [
        Part(number, _filename(part, number), part.get_content_type(), len(_bytes(part)))
        for number, part in enumerate(message.iter_attachments())
        if part.get_content_disposition() != "inline"
    ]
    return Reading(
        str(message.get("Subject", "")),
        headers,
        None if text is None else _words(text),
        None if html is None else _with_pictures(message, html),
        parts,
    )


def attachment(raw: bytes, number: int) -> tuple[Part, bytes] | None:
    """Return the bytes of one attachment."""
    for at, part in enumerate(_parse(raw).iter_attachments()):
        if at == number:
            content = _bytes(part)
            return Part(at, _filename(part, at), part.get_content_type(), len(content)), content
    return None


def _parse(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _words(part: MIMEPart) -> str:
    try:
        return str(part.get_content())
    except (LookupError, KeyError, UnicodeError):  # an unknown character set
        return _bytes(part).decode("utf-8", "replace")


def _bytes(part: MIMEPart) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _filename(part: MIMEPart, number: int) -> str:
    return re.sub(r"[\x00-\x1f\x7f/\\]", "_", part.get_filename() or f"part-{number}")[:200]


def _with_pictures(message: EmailMessage, html: MIMEPart) -> str:
    """The HTML with `cid:` references replaced by data URLs: a sandboxed frame may load nothing."""
    pictures = {
        str(part["Content-ID"]).strip().strip("<>"): part
        for part in message.walk()
        if part["Content-ID"] and part.get_content_type() in _PICTURES
    }

    def replace(found: re.Match[str]) -> str:
        part = pictures.get(found.group(1))
        if part is None:
            return found.group()
        return f"data:{part.get_content_type()};base64,{base64.b64encode(_bytes(part)).decode()}"

    return _CID.sub(replace, _words(html))

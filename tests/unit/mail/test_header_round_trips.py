"""Subject, names and file names of a mail arrive as written, space by space, in both of Python's parsers."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import strategies as st

from src.mail.addresses import CONTROL, parse_address
from src.mail.errors import LetterError
from src.mail.letters import Attachment
from tests.harness.parameters import amounts, check
from tests.unit.mail.test_letters import composed, parsed

_CHARACTERS = st.characters(codec="utf-8", exclude_characters="\u2028\u2029\x85\x7f", min_codepoint=0x20) | st.sampled_from(
    " äß😀\"\\,.;:<>()[]@=?_'"
)
_TEXTS = st.text(_CHARACTERS, min_size=1, max_size=12) | st.builds(
    "".join, st.lists(st.sampled_from(["word", " ", "  ", "x" * 70, "Grüße", "=?utf-8?q?a?=", '"', "—"]), min_size=1, max_size=40)
)


def _legacy(text: Any) -> str:
    return str(make_header(decode_header(re.sub(r"\r?\n(?=[ \t])", "", str(text)))))  # unfolded, as each reader does


def _arrives(subject: str, name: str) -> None:
    filename = re.sub(r'[/\\"<>]', "", subject)[:150].strip() or "x"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    try:
        one = composed(
            subject=subject, to=[f'"{quoted}" <ada@example.com>', "bob@example.com"], attachments=[Attachment(filename, "text/csv", b"x")]
        )
    except LetterError:
        assert CONTROL.search(subject + name) or not subject.strip() or len(subject) > 500 or len(name) > 500 or "=?" in name
        return
    message, plain = parsed(one), message_from_bytes(one.raw)
    assert (message["Subject"], _legacy(plain["Subject"])) == (subject, subject)
    [(legacy, bare), _] = getaddresses([plain["To"]])
    wanted = parse_address(f'"{quoted}" <ada@example.com>', "to").display_name
    assert (_legacy(legacy), bare) == (wanted, "ada@example.com")
    seen = message["To"].addresses[0].display_name
    # The newer reader takes blanks in a row for one where a name is not ASCII.
    assert seen == wanted if name.isascii() and "=?" not in name else _single(seen) == _single(wanted)
    assert [part.get_filename() for part in message.iter_attachments()] == [filename]
    assert all(len(line) < 998 for line in one.raw.split(b"\r\n"))


def _single(text: str) -> str:
    return re.sub(" +", " ", text)


@amounts
def test_subject_names_and_file_names_arrive_as_they_were_written(cases: int) -> None:
    check(cases, _arrives, subject=_TEXTS, name=_TEXTS)


def test_a_file_name_that_looks_encoded_arrives_as_it_is() -> None:
    _arrives("=?utf-8?q?a?=", "0")


def test_a_name_too_long_for_a_line_is_refused() -> None:
    with pytest.raises(LetterError, match="to: a name has at most 500 characters"):
        parse_address(f"{'x' * 501} <ada@example.com>", "to")

"""Mail headers that arrive as written, including spaces in names and long words.

The standard library folds at spaces within quoted names and encoded words, and its parser then adds or drops a space.
"""

from __future__ import annotations

import re
import textwrap
from base64 import b64encode
from collections.abc import Iterable
from email.headerregistry import Address
from email.policy import Policy
from urllib.parse import quote

#: Characters of a line, and bytes of text in one encoded word: 64 characters, which leaves room for the header's name.
_WIDTH, _CHUNK = 76, 39
#: bytes of a name in one word, so that its line stays below 998 characters
_LONGEST_NAME = 600
#: text that needs no encoding: words separated by single spaces
_PLAIN = re.compile(r"[!-~]+( [!-~]+)*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+( [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


class Header(str):
    """A header that is already folded; of a header with a name, the standard library only asks its lines."""

    name: str

    def __new__(cls, name: str, folded: str) -> Header:
        header = super().__new__(cls, folded)
        header.name = name
        return header

    def fold(self, *, policy: Policy) -> str:
        lines = self.split("\n")
        return f"{self.name}: {policy.linesep.join(lines)}{policy.linesep}"


def text(name: str, value: str) -> Header:
    """Return a header of free text."""
    lines = textwrap.wrap(f"{name}: {value}", _WIDTH, break_long_words=False, break_on_hyphens=False)
    if _PLAIN.fullmatch(value) and "=?" not in value and len(lines[0]) > len(name) + 2 and all(len(line) < _WIDTH for line in lines):
        return Header(name, "\n ".join(lines)[len(name) + 2 :])
    return Header(name, _encoded(value))


def addresses(name: str, values: Iterable[Address]) -> Header:
    """Return a header of addresses, one per line."""
    return Header(name, ",\n ".join(_address(each) for each in values))


def filename(disposition: str, value: str) -> Header:
    """Return the Content-Disposition header with the file name encoded by RFC 2231."""
    if _PLAIN.fullmatch(value) and len(value) < 50 and not re.search(r'["\\]|=\?', value):
        return Header("Content-Disposition", f'{disposition}; filename="{value}"')
    parts = ["utf-8''"]
    for character in value:
        if len(parts[-1]) > 48:
            parts.append("")
        parts[-1] += quote(character, safe="")
    named = [f"filename*{number}*={part}" for number, part in enumerate(parts)] if len(parts) > 1 else [f"filename*={parts[0]}"]
    return Header("Content-Disposition", ";\n ".join([disposition, *named]))


def _address(address: Address) -> str:
    name, bare = address.display_name, Address(username=address.username, domain=address.domain).addr_spec
    if not name:
        return bare
    if "=?" in name or len(name) > _LONGEST_NAME or not re.fullmatch(r"[ -~]*", name):
        # One word, however long: some readers treat the space between two words of a name as part of it.
        return f"{_encoded(name, _LONGEST_NAME)}\n <{bare}>"
    if not _ATOMS.fullmatch(name):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{name} <{bare}>" if len(name) + len(bare) < 60 else f"{name}\n <{bare}>"


def _encoded(value: str, longest: int = _CHUNK) -> str:
    """The text as encoded words; readers drop the whitespace between two of them."""
    chunks = [b""]
    for character in value:
        raw = character.encode()
        if len(chunks[-1]) + len(raw) > longest:
            chunks.append(b"")
        chunks[-1] += raw
    return "\n ".join(f"=?utf-8?b?{b64encode(chunk).decode()}?=" for chunk in chunks)

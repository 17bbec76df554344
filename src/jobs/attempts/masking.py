"""Masking of secret arguments in everything that an attempt logs, returns or raises, before any of it is stored."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote, quote_plus
from weakref import WeakSet

MASK = "••••••"
#: from this length on, a secret is also masked within longer words
WITHIN_WORDS = 4
#: from this length on, a secret is also masked in Base64 and hexadecimal, and in lines that belong to no attempt
LONG = 6


class Masking:
    """Masks secrets in text, also as written in a repr, in JSON, HTML, a URL, a shell command, Base64 and hexadecimal."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._known = {part for secret in secrets for part in _parts(secret)}
        with _lock:
            _in_use.add(self)

    # Compiled at the first text: a key of thirty lines takes a tenth of a second.
    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return _either({form for part in self._known for form in _forms(part)})

    @cached_property
    def _stray_pattern(self) -> re.Pattern[str] | None:
        return _either({form for part in self._known if len(part) >= LONG for form in _forms(part)})

    def text(self, text: str) -> str:
        """Mask every secret in a text."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def value(self, value: Any) -> Any:
        """Mask every secret in a JSON value, including numbers."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return MASK if self._pattern is not None and self._pattern.fullmatch(str(value)) else value
        if isinstance(value, dict):
            return {self.text(name): self.value(each) for name, each in value.items()}
        return [self.value(each) for each in value] if isinstance(value, list | tuple) else value

    def stray(self, text: str) -> str:
        """Mask the long secrets only: a short one of another job may be a common word."""
        return text if self._stray_pattern is None else self._stray_pattern.sub(MASK, text)


#: those of the attempts that run in this process
_in_use: WeakSet[Masking] = WeakSet()
_lock = threading.Lock()


def mask_stray(text: str) -> str:
    """Mask the secrets of all running attempts: a thread that an actor has started is not known to belong to it."""
    if _in_use:
        with _lock:
            known = list(_in_use)
        for each in known:
            text = each.stray(text)
    return text


def texts(value: Any) -> Iterator[str]:
    """Yield all strings and numbers within a value."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray):
        for inner in value:
            yield from texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield value.decode("utf-8", "backslashreplace") if isinstance(value, bytes | bytearray) else str(value)


def _parts(secret: str) -> set[str]:
    """The secret and each of its lines: a log has it line by line."""
    return {part for part in (secret, secret.strip(), *(line.strip() for line in secret.splitlines())) if part}


def _forms(part: str) -> set[str]:
    """The part as programs write it, also twice: JSON in a repr, a repr in JSON, a URL in a URL."""
    plain = html.escape(part, quote=False)
    numbered = plain.replace('"', "&#34;").replace("'", "&#39;")  # as Jinja writes quotes
    written = {part, *_escaped(part), html.escape(part), plain, numbered, plain.encode("ascii", "xmlcharrefreplace").decode()}
    written |= {part.replace("'", "'\"'\"'"), *(unicodedata.normalize(form, part) for form in ("NFC", "NFD"))}
    return {*written, *(again for once in written for again in _escaped(once)), *(_encoded(part) if len(part) >= LONG else ())}


def _escaped(text: str) -> Iterator[str]:
    both, data = f"{text}'\"", text.encode("utf-8", "backslashreplace")  # a repr of both quotes escapes the single one
    yield from (repr(text)[1:-1], repr(both)[1:-4], ascii(both)[1:-4], repr(data + b"'\"")[2:-4], text.encode("unicode_escape").decode())
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    yield from (quote(data), quote(data, safe=""), quote_plus(data))


def _encoded(text: str) -> Iterator[str]:
    data = text.encode("utf-8", "backslashreplace")
    yield data.hex()
    for before in range(3):  # bytes before it, as the user name in Basic authentication
        # Without the digits that also depend on what stands before and after it.
        first, end = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + data).decode()[first:end]


def _either(forms: set[str]) -> re.Pattern[str] | None:
    ordered = sorted(filter(None, forms), key=lambda form: (-len(form), form))  # longest first: a short one may be part of it
    # Case-insensitively: a secret at the start of a sentence may be capitalised.
    return re.compile("|".join(map(_pattern, ordered)), re.IGNORECASE) if ordered else None


def _pattern(form: str) -> str:
    return re.escape(form) if len(form) >= WITHIN_WORDS else rf"(?<!\w){re.escape(form)}(?!\w)"

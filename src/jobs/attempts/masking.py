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


#: characters of a form that are searched for; the rest is compared where they are found, so that patterns stay small
HEAD = 16
#: characters of a secret that are masked as one; a multiple of three, because Base64 writes three bytes as four digits
CHUNK = 900


class Masking:
    """Masks secrets in text, also as written in a repr, in JSON, HTML, a URL, a shell command, Base64 and hexadecimal."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._known = set(secrets)
        with _lock:
            _in_use.add(self)

    # Made at the first text: for a key of a thousand lines it takes a tenth of a second.
    @cached_property
    def _forms(self) -> Forms:
        return Forms(form for secret in self._known for form in _forms_of(secret))

    @cached_property
    def _stray_forms(self) -> Forms:
        return Forms(form for secret in self._known if len(secret) >= LONG for form in _forms_of(secret) if len(form) >= LONG)

    def text(self, text: str) -> str:
        """Mask every secret in a text."""
        return self._forms.mask(text)

    def value(self, value: Any) -> Any:
        """Mask every secret in a JSON value, including numbers."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return MASK if self.text(str(value)) == MASK else value
        if isinstance(value, dict):
            return {self.text(name): self.value(each) for name, each in value.items()}
        return [self.value(each) for each in value] if isinstance(value, list | tuple) else value

    def stray(self, text: str) -> str:
        """Mask the long secrets only: a short one of another job may be a common word."""
        return self._stray_forms.mask(text)


class Forms:
    """Finds texts in a text, the longest first, whatever their case: a secret at the start of a sentence may be capitalised."""

    def __init__(self, forms: Iterable[str]) -> None:
        words: set[str] = set()
        self._by_head: dict[str, list[str]] = {}
        for form in sorted({each for each in forms if each}, key=len, reverse=True):
            if len(form) < WITHIN_WORDS:
                words.add(rf"(?<!\w){re.escape(form)}(?!\w)")
            else:
                self._by_head.setdefault(_lower(form[:HEAD]), []).append(_lower(form))
        self._lengths = sorted({len(head) for head in self._by_head}, reverse=True)
        self._words = re.compile("|".join(sorted(words, key=len, reverse=True)), re.IGNORECASE) if words else None
        self._heads = re.compile(_either(self._by_head), re.IGNORECASE) if self._by_head else None

    def mask(self, text: str) -> str:
        """Mask every form in a text."""
        if self._heads is not None:
            text = self._mask_heads(text, self._heads)
        return text if self._words is None else self._words.sub(MASK, text)

    def _mask_heads(self, text: str, heads: re.Pattern[str]) -> str:
        kept: list[str] = []
        position = shown = 0
        while (found := heads.search(text, position)) is not None:
            end = self._end(text, found.start())
            position = end or found.start() + 1
            if end is not None:
                if found.start() > shown or not kept:  # else another part of the same secret
                    kept += [text[shown : found.start()], MASK]
                shown = end
        return "".join([*kept, text[shown:]]) if kept else text

    def _end(self, text: str, start: int) -> int | None:
        """Return the end of the longest form at this position."""
        ends = []
        for length in self._lengths:
            for form in self._by_head.get(_lower(text[start : start + length]), ()):
                if _lower(text[start : start + len(form)]) == form:
                    ends.append(start + len(form))
                    break  # the others are shorter
        return max(ends, default=None)


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


def _forms_of(secret: str) -> Iterator[str]:
    """The secret and each of its lines, since a log has it line by line, as programs write them."""
    lines = {line.strip() for line in secret.splitlines()}
    for part in {secret, secret.strip(), *lines}:
        for chunk in _chunks(part):
            yield from _forms(chunk)
    if len(secret) >= LONG:
        for chunk in {*_chunks(secret), *_chunks(secret.strip())}:
            yield from _encoded(chunk)


def _chunks(text: str) -> list[str]:
    return [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]


def _forms(part: str) -> set[str]:
    """The part as programs write it, also twice: JSON in a repr, a repr in JSON, a URL in a URL."""
    if part.isascii() and part.isalnum():
        return {part}
    plain = html.escape(part, quote=False)
    numbered = plain.replace('"', "&#34;").replace("'", "&#39;")  # as Jinja writes quotes
    written = {part, *_escaped(part), html.escape(part), plain, numbered, plain.encode("ascii", "xmlcharrefreplace").decode()}
    written |= {part.replace("'", "'\"'\"'"), *(unicodedata.normalize(form, part) for form in ("NFC", "NFD"))}
    return {*written, *(again for once in written for again in _escaped(once))}


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


def _lower(text: str) -> str:
    """The text in lower case, unless that has another length, as of a Turkish capital I with a dot."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text


def _either(texts: Iterable[str]) -> str:
    """A pattern of all texts, grouped by their first character: most positions of a text fit none."""
    groups: dict[str, list[str]] = {}
    for text in sorted(texts, key=len, reverse=True):
        groups.setdefault(text[0], []).append(re.escape(text[1:]))
    return "|".join(f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in groups.items())

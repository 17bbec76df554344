"""Masking of secret arguments in everything that an attempt logs, returns or raises, before any of it is stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "••••••"
#: from this length on, a secret is also masked within longer words
WITHIN_WORDS = 4


class Masking:
    """Masks secrets in text, also as they appear in a repr, in JSON and in a URL."""

    def __init__(self, secrets: Iterable[str]) -> None:
        written = {form for secret in secrets for form in _forms(secret)}
        ordered = sorted(written, key=len, reverse=True)  # longest first: a short one may be part of it
        # Case-insensitively: a secret at the start of a sentence may be capitalised.
        self._pattern = re.compile("|".join(map(_pattern, ordered)), re.IGNORECASE) if ordered else None

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


def texts(value: Any) -> Iterator[str]:
    """Yield all strings and numbers within a JSON value."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _forms(secret: str) -> Iterator[str]:
    for part in {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}:  # a log has it line by line
        if part:
            yield from (part, repr(part)[1:-1], json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1])
            encoded = part.encode("utf-8", "backslashreplace")
            yield from (quote(encoded), quote(encoded, safe=""), quote_plus(encoded))


def _pattern(form: str) -> str:
    return re.escape(form) if len(form) >= WITHIN_WORDS else rf"(?<!\w){re.escape(form)}(?!\w)"

"""Masking: the values of an attempt's secret arguments, covered in all that it says, returns and raises before any of it is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "••••••"
#: characters from which on a secret is also covered within a longer word
WITHIN_WORDS = 4


class Masking:
    """Covers these secrets, also as they stand in a repr, in JSON and in a URL."""

    def __init__(self, secrets: Iterable[str]) -> None:
        written = {form for secret in secrets for form in _forms(secret)}
        ordered = sorted(written, key=len, reverse=True)  # the longest first: a short one may be part of it
        # In any case: a sentence that begins with one has its first letter changed.
        self._pattern = re.compile("|".join(map(_pattern, ordered)), re.IGNORECASE) if ordered else None

    def text(self, text: str) -> str:
        """The text with every secret covered."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def value(self, value: Any) -> Any:
        """The JSON value with every secret covered, a number that is one included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return MASK if self._pattern is not None and self._pattern.fullmatch(str(value)) else value
        if isinstance(value, dict):
            return {self.text(name): self.value(each) for name, each in value.items()}
        return [self.value(each) for each in value] if isinstance(value, list | tuple) else value


def texts(value: Any) -> Iterator[str]:
    """All texts and numbers within a JSON value."""
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

"""Valid JSON for documents: replace numbers and texts that JSON or a page cannot hold; the mask of a secret."""

from __future__ import annotations

import json
import math
from typing import Any

#: shown instead of a secret
MASK = "••••••"


def dump(document: Any, *, indent: int | None = None) -> str:
    """Valid JSON text: what JSON has no word for (NaN, infinities) becomes null."""
    return json.dumps(finite(document), ensure_ascii=True, allow_nan=False, indent=indent)


def printable(text: str) -> str:
    """The text as a page can hold it: half of a surrogate pair, which JSON allows, and NUL are replaced."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "␀")


def finite(value: Any) -> Any:
    """The value with every number that is none replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, list | tuple) else value

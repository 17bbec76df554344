"""Valid JSON for documents: replace numbers and texts that JSON or HTML cannot hold; the mask of secrets."""

from __future__ import annotations

import json
import math
from typing import Any

#: shown instead of a secret
MASK = "••••••"


def hidden(arguments: Any) -> Any:
    """Arguments with each value masked: those of an actor whose module cannot be imported may be secrets."""
    if isinstance(arguments, dict):
        return dict.fromkeys(arguments, MASK)
    return [MASK] * len(arguments) if isinstance(arguments, list | tuple) else MASK


def dump(document: Any, *, indent: int | None = None) -> str:
    """Serialise to valid JSON; NaN and infinities become null."""
    return json.dumps(finite(document), ensure_ascii=True, allow_nan=False, indent=indent)


def printable(text: str) -> str:
    """Replace lone surrogates (valid in JSON) and NUL, which HTML cannot hold."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "␀")


def finite(value: Any) -> Any:
    """Replace NaN and infinities by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, list | tuple) else value

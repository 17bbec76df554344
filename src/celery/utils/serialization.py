"""Values from texts."""

from __future__ import annotations

from typing import Any

from ..base.modules import absent

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def strtobool(term: Any, table: dict[str, bool] | None = None) -> Any:
    """Return the truth that a word means, such as "yes" or "off"; a value that is not a text stays."""
    if not isinstance(term, str):
        return term
    try:
        return (table or _WORDS)[term.lower()]
    except KeyError:
        raise TypeError(f"Cannot coerce {term!r} to type bool") from None


__getattr__ = absent(__name__)

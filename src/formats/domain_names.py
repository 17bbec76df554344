"""Domain names in ASCII, as DNS, SMTP and HTTP take them."""

from __future__ import annotations

import re
import unicodedata

#: other characters that separate labels
_DOTS = re.compile("[\u3002\uff0e\uff61]")


def in_ascii(name: str) -> str | None:
    """Return the name with its letters beyond ASCII encoded; None: not a name, or one that Python would turn into another.

    Python knows the rules of 2003, by which ß is ss. Since 2008 those are two domains, possibly of two owners.
    """
    if name.isascii():
        return name
    try:
        plain = name.encode("idna")
        is_same = plain.decode("idna").lower() == _DOTS.sub(".", unicodedata.normalize("NFKC", name)).lower()
    except UnicodeError:
        return None
    return plain.decode() if is_same else None

"""Names as segments of URLs: any text survives, even one with a slash or `..`.

Percent-encoding is not enough: servers decode %2F before matching an address, and browsers read %2e%2e as `..`. Unsafe
characters are written as `~` and two hexadecimal digits.
"""

from __future__ import annotations

import re
from urllib.parse import quote

#: characters that a server, proxy or browser would treat as part of the URL's structure; `many`, `newer` and `suggest` are pages beside jobs
_UNSAFE = re.compile(r"[/\\~]|\A(?:\.+\Z|[mns](?=(?:any|ewer|uggest)\Z))")
_ESCAPED = re.compile("~(2F|5C|7E|2E|6D|6E|73)")


def escape(text: str) -> str:
    """Escape unsafe characters of a segment; percent-encoding is still to be done."""
    return _UNSAFE.sub(lambda found: "".join(f"~{ord(each):02X}" for each in found[0]), text)


def unescape(text: str) -> str:
    """Undo `escape`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def segment(text: str) -> str:
    """Return one segment of a URL's path for any text."""
    return quote(escape(text), safe="")

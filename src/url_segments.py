"""Names as segments of URLs: any text survives, also one that holds a slash or is `..`.

Percent-encoding is not enough: servers decode %2F before an address is matched, and browsers take %2e%2e for `..`. What
would not survive is written as `~` and two hexadecimal digits.
"""

from __future__ import annotations

import re
from urllib.parse import quote

#: what a server, a proxy or a browser would take for part of the address's own form; `many` and `suggest` are pages beside jobs
_UNSAFE = re.compile(r"[/\\~]|\A(?:\.+\Z|[ms](?=(?:any|uggest)\Z))")
_ESCAPED = re.compile("~(2F|5C|7E|2E|6D|73)")


def escape(text: str) -> str:
    """The text without what would not survive in a segment; not yet percent-encoded."""
    return _UNSAFE.sub(lambda found: "".join(f"~{ord(each):02X}" for each in found[0]), text)


def unescape(text: str) -> str:
    """The text that `escape` was given."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def segment(text: str) -> str:
    """One segment of a URL's path for any text."""
    return quote(escape(text), safe="")

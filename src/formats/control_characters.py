"""Control characters in texts of jobs, requests and messages: made visible for terminals and log lines, where they would be commands."""

from __future__ import annotations

import re

#: control characters but tab and line feed, and those of two bytes
_VISIBLE = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160)) if chr(number) not in "\t\n"}
#: sequences that only change colours
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


def visible(text: str) -> str:
    """Escape control characters, which could clear the reader's screen, set its title or hide lines."""
    return text.translate(_VISIBLE)


def on_one_line(text: str) -> str:
    """The same with line breaks as `\\n`: the next line of a log would be a forged one."""
    return visible(text).replace("\n", "\\n")


def coloured(text: str) -> str:
    """Escape control characters but colours, which end with the text."""
    parts = [part if number % 2 else visible(part) for number, part in enumerate(_COLOUR.split(text))]
    return "".join(parts) + ("\x1b[0m" if len(parts) > 1 else "")

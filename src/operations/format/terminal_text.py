"""Text of jobs and messages for a terminal, where control characters would be commands."""

from __future__ import annotations

#: control characters but tab and line feed, and those of two bytes
_VISIBLE = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160)) if chr(number) not in "\t\n"}


def visible(text: str) -> str:
    """Escape control characters, which could clear the reader's screen, set its title or hide lines."""
    return text.translate(_VISIBLE)


def one_line(text: str) -> str:
    """The same, with line breaks as spaces."""
    return visible(" ".join(text.split()))

"""Text of jobs and messages for a terminal."""

from __future__ import annotations

from ...formats.control_characters import visible

__all__ = ["one_line", "visible"]


def one_line(text: str) -> str:
    """The text with control characters escaped, and line breaks as spaces."""
    return visible(" ".join(text.split()))

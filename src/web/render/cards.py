"""Cells that name their column: on a narrow page the style sheet turns each row of a table into a card of labelled values."""

from __future__ import annotations

import re

from flask import Flask
from markupsafe import Markup, escape

_TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
_HEAD = re.compile(r"<thead>.*?</thead>", re.DOTALL)
_HEADING = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
#: the start of a row or cell, with an empty cell's end: the style sheet hides a cell without any text
_START = re.compile(r"<(tr|td|th)\b([^>]*)>(\s+(?=</t[dh]>))?")
_SPAN = re.compile(r'\bcolspan="?(\d+)')


def init(app: Flask) -> None:
    """Register the filter that base.html applies to each page."""
    app.jinja_env.filters["carded"] = carded


def carded(html: str) -> Markup:
    """Give each cell of each table the heading of its column as `data-label`. Headings of rows, and columns without a text, stay as they are."""
    return Markup(_TABLE.sub(lambda table: _labelled(table[0]), str(html)))


def _labelled(table: str) -> str:
    head = _HEAD.search(table)
    if head is None:
        return table
    labels = [escape(Markup(text).striptags()) for text in _HEADING.findall(head[0])]
    at = 0

    def label(start: re.Match[str]) -> str:
        nonlocal at
        tag, attributes, _ = start.groups()
        if tag == "tr":
            at = 0
            return start[0]
        span = _SPAN.search(attributes)
        here, at = at, at + (int(span[1]) if span else 1)
        if tag == "th" or here >= len(labels) or not labels[here] or "choose" in attributes or "data-label" in attributes:
            return f"<{tag}{attributes}>"
        return f'<td{attributes} data-label="{labels[here]}">'

    return table[: head.end()] + _START.sub(label, table[head.end() :])

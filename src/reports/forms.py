"""Output formats of a document: blocks for a page, HTML for mail and PDF, plain text, CSV."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ..formats import spreadsheets
from ..formats.spreadsheets import Dialect
from . import charts, numbers
from .document import Chart, Document, Figures, Table, Words

Draw = Callable[[int, Chart], Markup]


def blocks(document: Document) -> Markup:
    """Return the document's blocks for a page of the console, charts in its colours with their data."""
    return Markup(_templates().get_template("blocks.html").render(document=document, draw=_on_page, base=""))


def mail(document: Document, *, base: str, url: str, note: str = "") -> tuple[str, dict[str, bytes]]:
    """Return the document as HTML for a mail, and the images it shows as `cid:NAME`. `base`: address of the console; `url`: of this report."""
    pictures = {f"chart-{number}": charts.png(chart) for number, chart in document.charts()}

    def draw(number: int, chart: Chart) -> Markup:
        # The alternative text serves readers whose mail program blocks images.
        return Markup('<img class="chart" src="cid:chart-{0}" width="{1}" alt="{2}">').format(number, charts.WIDTH, charts.in_words(chart))

    return _sheet(document, draw, base=base, url=url, note=note), pictures


def paper(document: Document, *, base: str, url: str) -> str:
    """Return the document as HTML for a PDF."""
    return _sheet(
        document, lambda number, chart: Markup(charts.svg(chart, charts.ON_PAPER, id=f"chart-{number}")), base=base, url=url, note=""
    )


def text(document: Document, *, url: str = "") -> str:
    """Return the whole document as plain text."""
    parts = [document.title, document.period, ""]
    for block in document.blocks:
        title = getattr(block, "title", "")
        if title and not isinstance(block, Chart):
            parts += [title.upper(), ""]
        if isinstance(block, Words):
            parts += [block.text, ""]
        elif isinstance(block, Figures):
            parts += [f"  {figure.label}: {figure.value}{f' ({figure.note})' if figure.note else ''}" for figure in block.figures] + [""]
        elif isinstance(block, Table):
            parts += [_text_table(block), ""]
        elif isinstance(block, Chart):
            parts += [charts.in_words(block), ""]
    return "\n".join(parts + ([f"In the console: {url}"] if url else [])).strip() + "\n"


def spreadsheet(document: Document) -> bytes:
    """Return the document's tables and charts as one CSV, each under its title; UTF-8 with the byte order mark that spreadsheets expect."""
    return b"".join(spreadsheets.write(_rows(document), Dialect(mark=True)))


def _rows(document: Document) -> Iterator[list[Any]]:
    yield [document.title, document.period]
    for block in document.blocks:
        if isinstance(block, Words):
            continue
        yield []
        yield [block.title or "Figures"]
        if isinstance(block, Figures):
            yield from ([figure.label, figure.value, figure.note] for figure in block.figures)
        elif isinstance(block, Table):
            yield [column.name for column in block.columns]
            yield from (list(row) for row in block.rows)
        elif isinstance(block, Chart):
            yield ["", *(series.name for series in block.series)]
            yield from ([label, *(series.values[at] for series in block.series)] for at, label in enumerate(block.labels))


def _on_page(number: int, chart: Chart) -> Markup:
    head = "".join(f'<th scope="col" class="number">{escape(series.name)}</th>' for series in chart.series)
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(f'<td class="number">{numbers.exact(series.values[at])}</td>' for series in chart.series)
        + "</tr>"
        for at, label in enumerate(chart.labels)
        if any(series.values[at] for series in chart.series)
    )
    drawn = charts.svg(chart, charts.ON_PAGE, id=f"chart-{number}")
    return Markup(
        f'<figure class="chart">{drawn}<details><summary>Show data</summary><div class="scroll"><table><caption class="unseen">{escape(chart.title)}</caption>'
        f'<thead><tr><th scope="col"></th>{head}</tr></thead><tbody>{rows}</tbody></table></div></details></figure>'
    )


def _sheet(document: Document, draw: Draw, **values: Any) -> str:
    made_at = f"{document.made_at:%d %b %Y %H:%M} {document.made_at.tzname() or ''}".strip()
    title = re.sub(r"[^\w .,:-]", "", document.title)
    return _templates().get_template("sheet.html").render(document=document, draw=draw, made_at=made_at, title_for_css=title, **values)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = numbers.cell
    return environment


def _text_table(table: Table) -> str:
    if not table.rows:
        return f"  {table.nothing}"
    rows = [[column.name for column in table.columns], *([numbers.cell(value) for value in row] for row in table.rows)]
    widths = [min(max(len(row[at]) for row in rows), 60) for at in range(len(table.columns))]
    lines = [
        "  "
        + "  ".join(
            value.rjust(width) if column.number else value.ljust(width)
            for value, width, column in zip(row, widths, table.columns, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines + ([f"  {table.note}"] if table.note else []))

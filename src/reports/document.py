"""Report content: text, figures, tables and charts, apart from presentation. Stored as JSON in the archive."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Cell = str | bool | int | float | None


class Tone(StrEnum):
    """Meaning of a colour; a word always stands beside it, for colour-blind readers."""

    PLAIN = "accent"
    GOOD = "succeeded"
    BAD = "failed"
    WORSE = "dead"
    WARNING = "retrying"
    QUIET = "queued"
    OTHER = "scheduled"


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Block):
    """Paragraphs."""

    kind: Literal["words"] = "words"
    title: str = ""
    text: str

    @property
    def is_empty(self) -> bool:
        return True


class Figure(_Block):
    """One key figure."""

    label: str
    value: str
    note: str = ""
    tone: Tone = Tone.PLAIN


class Figures(_Block):
    """A row of key figures; `counts`: they mean that the report is not empty."""

    kind: Literal["figures"] = "figures"
    title: str = ""
    figures: tuple[Figure, ...]
    counts: bool = True

    @property
    def is_empty(self) -> bool:
        return not self.counts


class Column(_Block):
    """A column of a table."""

    name: str
    number: bool = False


class Table(_Block):
    """A table. A cell is text or a number; `links` are console addresses for the first cells."""

    kind: Literal["table"] = "table"
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    links: tuple[str | None, ...] = ()
    note: str = ""
    nothing: str = "Nothing."  # shown if there are no rows

    @model_validator(mode="after")
    def _is_even(self) -> Table:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"each row of the table {self.title!r} needs {len(self.columns)} cells")
        if self.links and len(self.links) != len(self.rows):
            raise ValueError(f"the table {self.title!r} needs a link (or None) for each row, or none at all")
        return self

    @property
    def is_empty(self) -> bool:
        return not self.rows


class Series(_Block):
    """One series of a chart, with its colour."""

    name: str
    values: tuple[float, ...]
    tone: Tone = Tone.PLAIN


class Chart(_Block):
    """A chart: columns over time (`columns`, stacked) or horizontal bars (`bars`)."""

    kind: Literal["chart"] = "chart"
    title: str
    shape: Literal["columns", "bars"] = "columns"
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    unit: str = ""
    nothing: str = "Nothing to show."

    @model_validator(mode="after")
    def _is_even(self) -> Chart:
        if not self.series or any(len(series.values) != len(self.labels) for series in self.series):
            raise ValueError(f"each series of the chart {self.title!r} needs {len(self.labels)} values, one per label")
        if not all(math.isfinite(sum(values)) for values in zip(*(series.values for series in self.series), strict=True)):
            raise ValueError(
                f"the values of the chart {self.title!r} must be finite numbers, not NaN or infinity: use 0 for those that are not known"
            )
        return self

    @property
    def is_empty(self) -> bool:
        return not any(value for series in self.series for value in series.values)


Block = Annotated[Words | Figures | Table | Chart, Field(discriminator="kind")]


class Document(BaseModel):
    """A whole report. `summary` is its mail's subject line and holds the key numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    summary: str
    period: str = ""
    made_at: datetime
    blocks: tuple[Block, ...]
    same_as: str | None = None  # decides whether two reports are the same; None: their blocks do

    @property
    def is_empty(self) -> bool:
        """True if its tables and charts are empty."""
        return all(block.is_empty for block in self.blocks)

    @property
    def digest(self) -> str:
        """Digest that is equal for reports with the same content, whenever they were made."""
        content = self.same_as if self.same_as is not None else json.dumps([block.model_dump(mode="json") for block in self.blocks])
        return hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()

    def charts(self) -> Iterable[tuple[int, Chart]]:
        """Return the charts that have data, with their positions."""
        return ((number, block) for number, block in enumerate(self.blocks) if isinstance(block, Chart) and not block.is_empty)

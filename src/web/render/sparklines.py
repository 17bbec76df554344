"""Sparklines: small charts beside a name, drawn as SVG, with their numbers as text."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask
from markupsafe import Markup, escape

WIDTH, HEIGHT = 96, 20
#: height of the smallest value that is not 0
LEAST = 1.5


def spark(values: Sequence[float], label: str, *, bad: Sequence[float] = ()) -> Markup:
    """Draw columns, oldest first. `bad`: the failed part of each value, drawn at its foot in red. `label` says the numbers."""
    step, most = WIDTH / max(len(values), 1), max(values, default=0) or 1
    width = max(step - 1, 0.5)

    def path(heights: Sequence[float], kind: str) -> Markup:
        columns = [(number, max((HEIGHT - 1) * each / most, LEAST)) for number, each in enumerate(heights) if each > 0]
        shape = "".join(f"M{number * step:.1f} {HEIGHT - 1}v-{tall:.1f}h{width:.1f}v{tall:.1f}z" for number, tall in columns)
        return Markup('<path class="{}" fill="currentcolor" d="{}"/>').format(kind, shape) if shape else Markup()

    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        '<path class="base" d="M0 {base}h{w}"/>{all}{bad}</svg>'
    ).format(w=WIDTH, h=HEIGHT, base=HEIGHT - 0.5, label=escape(label), all=path(values, "all"), bad=path(bad, "bad"))


def init(app: Flask) -> None:
    """Register the function for templates."""
    app.jinja_env.globals["spark"] = spark

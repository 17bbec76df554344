"""Email templates: NAME.txt, and beside it an optional NAME.html."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    select_autoescape,
)

from ..formats.url_segments import segment
from ..settings import get_settings
from .errors import LetterError

TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered email: plain text, and HTML with inline styles, which mail programs need."""

    text: str
    html: str | None


def render(template: str, context: Mapping[str, Any], *, subject: str) -> Rendered:
    """Render a template; raises LetterError naming `template` or `context`."""
    if not _NAME.fullmatch(template) or template not in names():
        raise LetterError(f"template: no template named {template!a:.80}; choose one of {', '.join(names())}", field="template")
    environment = _environment(get_settings().mail_templates)
    values = {**context, "subject": subject, "url": get_settings().effective_public_url}
    try:
        text = environment.get_template(f"{template}.txt").render(values)
        try:
            html = inlined(environment.get_template(f"{template}.html").render(values))
        except TemplateNotFound:
            html = None
    except (TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise LetterError(f"context: the template {template} cannot be rendered: {error}", field="context") from None
    return Rendered(text, html)


def names() -> list[str]:
    """Return the names of all templates."""
    return sorted(path.stem for folder in _folders(get_settings().mail_templates) for path in folder.glob("*.txt"))


def inlined(html: str) -> str:
    """Inline the page's style sheet into its elements; rules that cannot be inlined (media queries) stay in the head."""
    import css_inline  # imported late: 2 MB that only a process which sends mail needs

    return css_inline.CSSInliner(keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False).inline(html)


@lru_cache(maxsize=4)
def _environment(own: str) -> Environment:
    loaders: list[BaseLoader] = [FileSystemLoader(folder) for folder in _folders(own)]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["segment"] = segment
    return environment


def _folders(own: str) -> list[Path]:
    """The template folders; the application's own take precedence over those of Callboard."""
    return [*([Path(own)] if own else []), TEMPLATES]

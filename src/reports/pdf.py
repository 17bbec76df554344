"""Reports on paper, by WeasyPrint, which needs Pango from the system. Without it everything else of a report is still made."""

from __future__ import annotations

import shutil
from functools import lru_cache
from typing import Any, NoReturn

PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"


class NoPdf(Exception):
    """No PDF can be made here; the text names the cure."""


def make(html: str) -> bytes:
    """The sheet as a PDF; raises NoPdf. Nothing is loaded: a report holds all it shows."""
    weasyprint = _weasyprint()
    made = weasyprint.HTML(string=html, url_fetcher=_refuse).write_pdf()
    assert isinstance(made, bytes)
    return made


def missing() -> str | None:
    """What keeps PDFs from being made here; None: nothing."""
    try:
        _weasyprint()
    except NoPdf as error:
        return str(error)
    return None


@lru_cache(maxsize=1)
def _weasyprint() -> Any:
    try:
        import weasyprint  # here: without Pango the import itself fails
    except (OSError, ImportError) as error:
        how = (
            f"sudo apt-get install --no-install-recommends {PACKAGES}" if shutil.which("apt-get") else "install Pango (brew install pango)"
        )
        raise NoPdf(f"PDFs need Pango, which is not installed here:  {how}") from error
    return weasyprint


def _refuse(url: str, *_: Any, **__: Any) -> NoReturn:
    raise ValueError(f"a report loads nothing, also not {url}")

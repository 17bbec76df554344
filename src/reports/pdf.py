"""PDF reports by WeasyPrint, which needs Pango from the system. Without it everything else of a report is still made."""

from __future__ import annotations

import ctypes
import shutil
from functools import lru_cache
from typing import Any, NoReturn

#: names of Pango's library on the supported systems
_PANGO = ("libpango-1.0.so.0", "libpango-1.0.dylib", "libpango-1.0-0.dll")
PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"


class NoPdf(Exception):
    """PDFs cannot be made here; the message names the cure."""


def make(html: str) -> bytes:
    """Render the HTML as a PDF; raises NoPdf. External resources are not loaded: a report contains all it shows."""
    weasyprint = _weasyprint()
    made = weasyprint.HTML(string=html, url_fetcher=_refuse).write_pdf()
    assert isinstance(made, bytes)
    return made


def missing() -> str | None:
    """Return why PDFs cannot be made here, or None. Called by pages, so it avoids importing WeasyPrint, which takes a second."""
    for name in _PANGO:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return None
    return _cure()


@lru_cache(maxsize=1)
def _weasyprint() -> Any:
    try:
        import weasyprint  # here: without Pango the import itself fails
    except (OSError, ImportError) as error:
        raise NoPdf(_cure()) from error
    return weasyprint


def _cure() -> str:
    how = f"sudo apt-get install --no-install-recommends {PACKAGES}" if shutil.which("apt-get") else "install Pango (brew install pango)"
    return f"PDFs need Pango, which is not installed:  {how}"


def _refuse(url: str, *_: Any, **__: Any) -> NoReturn:
    raise ValueError(f"a report must not load external resources such as {url}")

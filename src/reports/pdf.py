"""Reports on paper, by WeasyPrint, which needs Pango from the system. Without it everything else of a report is still made."""

from __future__ import annotations

import ctypes
import shutil
from functools import lru_cache
from typing import Any, NoReturn

#: Pango's library as the systems call it
_PANGO = ("libpango-1.0.so.0", "libpango-1.0.dylib", "libpango-1.0-0.dll")
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
    """What keeps PDFs from being made here; None: nothing. Pages ask this, so WeasyPrint itself, a second of imports, is not loaded for it."""
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
    return f"PDFs need Pango, which is not installed here:  {how}"


def _refuse(url: str, *_: Any, **__: Any) -> NoReturn:
    raise ValueError(f"a report must not load external resources such as {url}")

"""Where Callboard's code lies, and the name of its package: `src` in a checkout. Standard library only."""

from __future__ import annotations

from pathlib import Path

PACKAGE = __name__.partition(".")[0]
#: the folder of the package
SOURCE = Path(__file__).resolve().parents[1]
#: the folder of the project: where `run` lies
ROOT = SOURCE.parent

"""Locations: folder and name of Callboard's package (`src` in a checkout). Standard library only."""

from __future__ import annotations

from pathlib import Path

from .. import IS_CHECKOUT

PACKAGE = __name__.partition(".")[0]
#: the folder of the package
SOURCE = Path(__file__).resolve().parents[1]
#: the project folder with `.env` and `run`; for an installed package, the working directory
ROOT = SOURCE.parent if IS_CHECKOUT else Path.cwd()

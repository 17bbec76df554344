"""Locations: folder and name of Callboard's package (`src` in a checkout). Standard library only."""

from __future__ import annotations

from pathlib import Path

PACKAGE = __name__.partition(".")[0]
#: the folder of the package
SOURCE = Path(__file__).resolve().parents[1]
#: False if the package is installed under its second name (docs/decisions/0001-second-name.md)
IS_CHECKOUT = PACKAGE == "src"
#: the project folder with `.env` and `run`; for an installed package, the working directory
ROOT = SOURCE.parent if IS_CHECKOUT else Path.cwd()
#: name of the command line
COMMAND = "./run" if IS_CHECKOUT else PACKAGE

"""Where Callboard's code lies, and the name of its package: `src` in a checkout. Standard library only."""

from __future__ import annotations

from pathlib import Path

PACKAGE = __name__.partition(".")[0]
#: the folder of the package
SOURCE = Path(__file__).resolve().parents[1]
#: False where the package is installed beside an application, by its second name (docs/decisions/0001-second-name.md)
IS_CHECKOUT = PACKAGE == "src"
#: the folder of the project, with `.env`: where `run` lies; of an installed package, where the command was started
ROOT = SOURCE.parent if IS_CHECKOUT else Path.cwd()
#: how a person calls the command line
COMMAND = "./run" if IS_CHECKOUT else PACKAGE

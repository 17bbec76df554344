"""The command line: `./run VERB …`, which is `python -m src VERB …`; installed, `callboard VERB …`."""

from __future__ import annotations

from .cli.entry import cli, main

__all__ = ["cli", "main"]

if __name__ == "__main__":
    main()

"""`python -m tests.harness.folders`: fail on folders of src that hold more than 14 modules: a reader could not find one at a glance.

Divide such a folder into districts by role, each with a docstring in its `__init__` and a line in setup.cfg.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from tests.harness import ROOT

#: modules of one folder, its `__init__` included
MOST = 14
#: folders whose files are not modules that a reader must find
EXCLUDED = ("migrations/versions",)


def crowded(source: Path) -> dict[str, int]:
    """Return the folders of too many modules, with their number."""
    counts = Counter(path.parent.relative_to(source).as_posix() for path in source.rglob("*.py"))
    return {folder: count for folder, count in sorted(counts.items()) if count > MOST and folder not in EXCLUDED}


def main() -> int:
    """Print each folder that is too large; return the exit code."""
    found = crowded(ROOT / "src")
    for folder, count in found.items():
        print(f"src/{folder}: {count} modules, at most {MOST}; divide it into districts by role")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

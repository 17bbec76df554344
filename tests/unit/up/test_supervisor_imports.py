"""The supervisor of `./run up` stays small: it imports none of the libraries that its parts and its calls apart need."""

from __future__ import annotations

import subprocess
import sys

from tests.harness import ROOT

#: libraries of the parts: with them the supervisor needs twice its memory
LARGE = {
    "sqlalchemy",
    "psycopg",
    "alembic",
    "dramatiq",
    "pika",
    "flask",
    "gunicorn",
    "apscheduler",
    "limits",
    "jinja2",
    "argon2",
    "structlog",
    "rich",
}


def test_the_supervisor_imports_none_of_the_large_libraries() -> None:
    program = "import sys, src.cli.entry, src.cli.machine.up; print(*{name.partition('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not LARGE.intersection(found)

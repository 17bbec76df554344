"""`python -m bench.celery_suite CHECKOUT`: Celery's integration tests of canvas and tasks against `src.celery`.

Copies five files of the checkout into a temporary folder, lets `celery` name `src.celery`, starts RabbitMQ, PostgreSQL
and one worker, and runs pytest. Prints how many tests pass, which fail and which reach into Celery itself. Ends with 1
if fewer than four fifths of the others pass, or one fails that the page of differences does not name.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from bench.baselines import ROOT
from bench.celery_suite.redis_stand_in import FILE
from bench.contestants import OWN_PROGRAMS
from bench.processes import Group
from bench.services import Place, Services

FILES = ("__init__.py", "integration/__init__.py", "integration/conftest.py", "integration/tasks.py")
#: a module that newer checkouts have
HELPERS = "canvas_helpers.py"
TESTS = ("integration/test_canvas.py", "integration/test_tasks.py")
OUTCOMES, PART = "CELERY_SUITE_OUTCOMES", "CELERY_SUITE_PART"
#: share of the tests without internals that must pass
LEAST = 0.8
#: page that names each failing test with the reason
PAGE = ROOT / "docs" / "reference" / "celery-differences.md"
#: seconds to wait for a result; a minute in the checkout, for slower services
PATIENCE = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path, help="path of a checkout of Celery")
    parser.add_argument("-k", dest="only", default="", help="only tests that match, as in pytest")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="run only the I-th of N parts")
    parser.add_argument("--json", type=Path, help="add every outcome with its traceback to this file, and report on all in it")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through every `finally`: nothing stays behind
    with Services() as services, services.place() as place:
        outcomes = _run(place, options.checkout / "t", options.only, options.part)
    if options.json:
        outcomes = (json.loads(options.json.read_text()) if options.json.exists() else {}) | outcomes
        options.json.write_text(json.dumps(outcomes, indent=1))
    sys.exit(_report(outcomes))


def _run(place: Place, source: Path, only: str, part: str) -> dict[str, dict[str, str]]:
    folder = place.folder / "suite"
    for name in (*FILES, *TESTS, *([HELPERS] if (source / HELPERS).exists() else [])):
        target = folder / "t" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)
    canvas = folder / "t" / TESTS[0]
    canvas.write_text(canvas.read_text().replace("TIMEOUT = 60", f"TIMEOUT = {PATIENCE}", 1))
    found = place.folder / "outcomes.json"
    environment = {
        "PATH": f"{OWN_PROGRAMS}:/usr/bin:/bin",
        "HOME": str(place.folder),
        "PYTHONPATH": f"{ROOT}:{folder}",
        "CALLBOARD_DATA_DIR": str(place.folder),
        "CALLBOARD_DATABASE_URL": place.postgresql_url,
        "CALLBOARD_BROKER_URL": place.amqp_url,
        "CALLBOARD_ACTORS": "bench.celery_suite.worker",
        FILE: str(place.folder / "notes.db"),
        OUTCOMES: str(found),
        PART: part,
    }
    python = str(OWN_PROGRAMS / "python")
    worker = [
        str(OWN_PROGRAMS / "dramatiq"),
        "src.actors",
        "--processes",
        "1",
        "--threads",
        "2",
    ]  # full with a few tasks, as the suite expects
    tests = [
        python,
        "-m",
        "pytest",
        "-p",
        "bench.celery_suite.plugin",
        "-c",
        "/dev/null",
        "--rootdir",
        str(folder),
        "-o",
        "python_classes=test_*",
    ]
    log = place.folder / "worker.log"
    with Group(worker, env=environment, cwd=ROOT, log=log) as group:
        time.sleep(1)
        group.check()
        ended = subprocess.run(
            [
                *tests,
                "-q",
                "--tb=short",
                "-p",
                "no:cacheprovider",
                *(["-k", only] if only else []),
                *(str(folder / "t" / name) for name in TESTS),
            ],
            env=environment,
            cwd=folder,
            check=False,
        )
        group.check()
    if not found.exists():
        sys.exit(f"pytest ended with {ended.returncode}; the worker's log ends with:\n{log.read_text()[-3000:]}")
    outcomes: dict[str, dict[str, str]] = json.loads(found.read_text())
    return outcomes


def _report(outcomes: dict[str, dict[str, str]]) -> int:
    """Print the outcomes by kind and return the exit code."""
    counts = Counter(each["kind"] for each in outcomes.values())
    for kind in ("failed", "internals", "expected", "skipped"):
        print(f"\n{kind}: {counts[kind]}")
        for test, each in sorted(outcomes.items()):
            if each["kind"] == kind:
                print(f"  {test.rpartition('/')[2]}: {each['reason']}")
    judged = counts["passed"] + counts["failed"]
    share = counts["passed"] / judged if judged else 0.0
    print(f"\n{counts['passed']} of {judged} tests without internals of Celery pass: {share:.0%}")
    named = PAGE.read_text()
    unnamed = {name for test, each in outcomes.items() if each["kind"] == "failed" and f"`{(name := _name(test))}`" not in named}
    if unnamed:
        print(f"Not named in {PAGE.relative_to(ROOT)}: {', '.join(sorted(unnamed))}")
    return int(share < LEAST or bool(unnamed))


def _name(test: str) -> str:
    """Return a test's name without its file and parameters."""
    return test.partition("::")[2].partition("[")[0]


if __name__ == "__main__":
    main()

"""Plant ten faults, one in each of ten rooms, and check that the tests detect them: `python -m bench.mutations [NAME …]`.

Each fault is one replaced line in a copy of the checkout; the tests named beside it run there until the first failure.
An undetected fault, or a line that no longer exists, makes the command exit with 1.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Mutation:
    """One planted fault and the tests that are to notice it."""

    name: str
    file: str
    right: str
    wrong: str
    tests: str


MUTATIONS = (
    Mutation(
        "the committer acknowledges before it commits",
        "src/broker/execute/committer.py",
        "        finished = [end for end, _ in batch if end is not None]\n",
        "        finished = [end for end, _ in batch if end is not None]\n        self._acknowledge(batch)\n",
        "tests/faults/broker/test_outages.py",
    ),
    Mutation(
        "retries do not back off",
        "src/broker/options/retries.py",
        "return compute_backoff(failures, factor=least, max_backoff=most)[1]",
        "return least",
        "tests/unit/broker tests/sql/broker tests/process/broker/test_retries.py",
    ),
    Mutation(
        "a concurrency limit lets one more job start",
        "src/jobs/limits/admission.py",
        "if taken[key] >= limit)",
        "if taken[key] > limit)",
        "tests/sql/jobs",
    ),
    Mutation(
        "a late report of an earlier attempt counts",
        "src/jobs/finish/ending.py",
        "CASE WHEN jobs.attempt = d.attempt AND jobs.state = '{State.RUNNING}' AND jobs.worker_id = :worker_id THEN true END",
        "CASE WHEN jobs.state = '{State.RUNNING}' AND jobs.worker_id = :worker_id THEN true END",
        "tests/sql/jobs/test_completion.py",
    ),
    Mutation(
        "forms need no CSRF token",
        "src/web/http/cookies.py",
        "    return CSRFProtect(app)",
        '    app.config["WTF_CSRF_ENABLED"] = False\n    return CSRFProtect(app)',
        "tests/sql/web",
    ),
    Mutation(
        "schedules take UTC for every zone",
        "src/schedules/rules/zones.py",
        "return ZoneInfo(name)",
        'return ZoneInfo("UTC")',
        "tests/unit/schedules tests/sql/schedules",
    ),
    Mutation(
        "every role may do everything",
        "src/operations/people/roles.py",
        "return ranks.index(self) >= ranks.index(other)",
        "return ranks.index(self) >= 0",
        "tests/sql/web/test_access.py tests/sql/web/test_people_api.py",
    ),
    Mutation(
        "a damaged backup passes",
        "src/backup/sqlite.py",
        'if found != [("ok",)]:',
        "if not found:",
        "tests/sql/backup",
    ),
    Mutation(
        "call_http may reach private addresses",
        "src/actors/ssrf_guard.py",
        "return address.is_global and not",
        "return not",
        "tests/unit/actors",
    ),
    Mutation(
        "a command that gives up waiting ends with 0",
        "src/cli/jobs/follow.py",
        "        return NOT_OVER\n",
        "        return 0\n",
        "tests/sql/cli",
    ),
)


def main() -> None:
    """Plant each chosen fault and say which test noticed it."""
    chosen = [one for one in MUTATIONS if not sys.argv[1:] or any(word in one.name for word in sys.argv[1:])]
    missed = [one.name for one in chosen if not notice(one)]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} noticed" + (f"; not: {', '.join(missed)}" if missed else ""))
    sys.exit(bool(missed))


def notice(mutation: Mutation) -> bool:
    """Plant the fault in a copy and run its tests: True if one fails."""
    with tempfile.TemporaryDirectory(prefix="callboard-mutation-") as folder:
        copy = Path(folder, "checkout")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv*", ".callboard", "__pycache__", ".*_cache"))
        path = copy / mutation.file
        text = path.read_text()
        if mutation.right not in text:
            print(f"✘ {mutation.name}: {mutation.file} has no line {mutation.right!r} any more")
            return False
        path.write_text(text.replace(mutation.right, mutation.wrong, 1))
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *mutation.tests.split()],
            cwd=copy, capture_output=True, text=True,
        )  # fmt: skip
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    print(f"{'✔' if found else '✘'} {mutation.name}: {found[1] if found else 'no test failed'} ({time.monotonic() - begun:.0f} s)")
    return found is not None


if __name__ == "__main__":
    main()

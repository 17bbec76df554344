"""Two commands on a fresh Debian: `python -m tests.process.fresh.run_fresh SUITE` (bookworm, trixie) as root, with debootstrap installed.

A bare root file system with git and python3; the repository is cloned into it; `./run up`, a form over HTTP, `./run test`; then the same as an
ordinary user, now that the packages are installed. Prints the time from the command to "ready", cold and warm.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import time
from pathlib import Path

from tests.harness import ROOT
from tests.process.fresh import browser
from tests.process.fresh.rootfs import RootFs, fresh

HOUSE = "/srv/callboard"
SOMEBODY = "4711:4711"


def main() -> None:
    """Run everything and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite")
    parser.add_argument("--no-tests", action="store_true", help="leave ./run test out")
    parser.add_argument("--tests", default="-q", help="what follows `./run test`, e.g. 'tests/up -k browser' (all of them)")
    asked = parser.parse_args()
    measured: dict[str, float] = {}
    with fresh(asked.suite, "up") as root:
        clone(root, HOUSE)
        measured["cold"] = up(root, HOUSE)
        measured["warm"] = up(root, HOUSE)
        if not asked.no_tests:
            begun = time.monotonic()
            root.check(f"./run test {asked.tests}", cwd=HOUSE)
            measured["test"] = time.monotonic() - begun
        measured["as an ordinary user"] = as_somebody(root)
    print(f"✔ {asked.suite}: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in measured.items()))


def clone(root: RootFs, house: str) -> None:
    """Put a clone of this repository into the root file system."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), f"{root.path}{house}"], check=True)


def up(root: RootFs, house: str, *, user: str = "0:0") -> float:
    """Start, use the form, stop; the seconds from the command to its return."""
    begun = time.monotonic()
    said = root.check("./run up --detach", cwd=house, user=user)
    seconds = time.monotonic() - begun
    link = re.search(r"✔ ready in \S+ s +(http\S+)", said)
    if link is None:
        raise SystemExit("✘ no sign-in link was printed")
    status = json.loads(root.check("./run status --json", cwd=house, user=user))
    assert status["ready"], status
    users = browser.create_users(link[1])
    print(f"· ready after {seconds:.1f} s, {users} users are listed", flush=True)
    root.check("./run down", cwd=house, user=user)
    left = [(pid, Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")) for pid in root.processes()]
    assert not left, f"after ./run down still run {left}"
    return seconds


def as_somebody(root: RootFs) -> float:
    """The same without root: the packages are installed."""
    house = "/tmp/house"
    # A running system mounts shared memory for all users; in a minimal root file system it is a folder owned by root.
    root.check("chmod 1777 /dev/shm /tmp")
    clone(root, house)
    subprocess.run(["chown", "-R", SOMEBODY, f"{root.path}{house}"], check=True)
    refused = root.run("./run up --data /etc/callboard", cwd=house, user=SOMEBODY)
    assert refused.returncode == 1
    assert "cannot be used: Permission denied" in refused.stdout
    assert "Traceback" not in refused.stdout
    return up(root, house, user=SOMEBODY)


if __name__ == "__main__":
    main()

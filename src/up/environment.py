"""Environment setup: sync `.venv` with the lock, then exec `.venv/bin/python -m src …`. Standard library only: nothing is installed yet."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from . import packages
from .locations import PACKAGE, ROOT

VENV = ROOT / ".venv"
MARKER = VENV / "callboard.json"
#: secrets folder of Docker and Kubernetes; src/settings.py reads it too
SECRETS = Path("/run/secrets")
RUNTIME_LOCK = "requirements.lock"
#: a superset of the runtime lock (a test checks it), so one of both is enough
DEV_LOCK = "requirements-dev.lock"


def main(arguments: list[str]) -> None:
    """Provide packages and the virtual environment for the verb, then exec it."""
    os.environ["CALLBOARD_BEGUN_AT"] = str(time.monotonic())  # start of "ready in … s"
    verb = arguments[0] if arguments else ""
    lock = DEV_LOCK if verb in {"test", "check"} else RUNTIME_LOCK
    try:
        wanted = packages.needed_for(verb, own_broker=broker_is_configured())
        if not is_current(lock):
            wanted.insert(0, packages.VENV)
        packages.provide(wanted, report, better_with=packages.REPORTS if verb in {"up", "demo"} else ())
        if not is_current(lock):
            install(lock)
    except (packages.Missing, OSError) as error:
        sys.exit(f"Callboard cannot set itself up. {error}")
    python = str(VENV / "bin" / "python")
    sys.stdout.flush()
    os.execv(python, [python, "-m", PACKAGE, *arguments])


def report(line: str) -> None:
    """Print progress to stderr: stdout belongs to the verb."""
    print(f"· {line}", file=sys.stderr, flush=True)


def broker_is_configured() -> bool:
    """True if the environment or `.env` names a RabbitMQ. Parsed by hand: reading settings needs installed packages."""
    if os.environ.get("CALLBOARD_BROKER_URL", "").strip(" \t\r\n'\"") or (SECRETS / "callboard_broker_url").exists():
        return True
    try:
        lines = (ROOT / ".env").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    named = (line.strip().removeprefix("export ").partition("=") for line in lines)
    return any(name.strip().upper() == "CALLBOARD_BROKER_URL" and value.strip(" \t'\"") for name, _, value in named)


def is_current(lock: str) -> bool:
    """True if `.venv` was fully installed from this lock (or the dev lock), by this Python, at this path."""
    installed = _marker()
    if installed.get("python") != _python() or installed.get("path") != str(VENV) or not (VENV / "bin" / "python").exists():
        return False
    locks = {lock, DEV_LOCK}
    return any(installed.get(name) == checksum(name) for name in locks)


def install(lock: str) -> None:
    """Install the lock into `.venv`; recreate it if it is missing, incomplete, moved or of another Python."""
    with open(ROOT / RUNTIME_LOCK, "rb") as held:  # one lock file for both locks
        fcntl.flock(held, fcntl.LOCK_EX)  # of two concurrent first calls, the second waits and finds everything done
        if is_current(lock):
            return
        installed = _marker()
        lock = DEV_LOCK if DEV_LOCK in installed else lock  # keep a developer's environment
        if installed.get("python") != _python() or installed.get("path") != str(VENV):
            report("Creating .venv")
            shutil.rmtree(VENV, ignore_errors=True)
            _call([sys.executable, "-m", "venv", str(VENV)], "python3 -m venv .venv")
        MARKER.unlink(missing_ok=True)  # an interrupted installation must not look complete
        report(f"Installing Python packages from {lock}")
        pip = [
            str(VENV / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            "--prefer-binary",
        ]
        _call([*pip, "--require-hashes", "-r", lock], f".venv/bin/pip install --require-hashes -r {lock}")
        names = {RUNTIME_LOCK, DEV_LOCK} if lock == DEV_LOCK else {RUNTIME_LOCK}
        marker = {"python": _python(), "path": str(VENV), **{name: checksum(name) for name in sorted(names)}}
        draft = MARKER.with_suffix(".draft")
        draft.write_text(json.dumps(marker, indent=1))
        draft.replace(MARKER)


def checksum(lock: str) -> str:
    """The lock's SHA-256."""
    return hashlib.sha256((ROOT / lock).read_bytes()).hexdigest()


def _marker() -> dict[str, str]:
    try:
        return {str(key): str(value) for key, value in json.loads(MARKER.read_text()).items()}
    except (OSError, ValueError):
        return {}


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _call(command: list[str], by_hand: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-12:])
        raise packages.Missing(f"This step failed:\n{tail}\nTry it manually in {ROOT}:  {by_hand}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Packages of the other contestants, in a virtual environment of their own: `.venv-bench`, from the hashed bench/requirements.lock."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv-bench"
LOCK = ROOT / "bench" / "requirements.lock"


def provide() -> Path:
    """Install the lock unless it is installed; return the folder of the environment's programs."""
    stamp = VENV / "lock.sha256"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("Installing Celery, Dramatiq, Procrastinate and Taskiq into .venv-bench …", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True, timeout=300)
        pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input", "--require-hashes", "-r", str(LOCK)]
        subprocess.run(pip, check=True, timeout=1200)
        stamp.write_text(wanted)
    return VENV / "bin"

"""`python -m bench.first_job`: time from saving a new actor until its form, its API and its first succeeded job exist.

Starts `./run up --watch` with a folder of actors of its own, saves twelve lines in it, submits at once, and polls like
a user.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TWELVE_LINES = '''\
from typing import Annotated

import dramatiq
from pydantic import Field

from src.jobs import current_job


@dramatiq.actor(max_retries=3)
def greet_{number}(name: str, times: Annotated[int, Field(ge=1, le=100)] = 3) -> str:
    """Greet somebody, several times."""
    return f"{{name}} was greeted {{times}} times in job {{current_job.id}}"
'''
#: seconds between two polls, and until polling gives up
LOOK, PATIENCE = 0.02, 120.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callboard-first-job-") as folder:
        actors = Path(folder) / "fresh_actors"
        actors.mkdir()
        os.environ["CALLBOARD_ACTORS"] = f"{actors}/"
        begun = time.monotonic()
        _run("up", "--detach", "--watch", "--port", "0", folder=folder)
        print(f"./run up: {time.monotonic() - begun:.1f} s; seconds from the save on:")
        try:
            for number in range(1, options.rounds + 1):
                _round(number, actors, folder)
        finally:
            _run("down", folder=folder)


def _round(number: int, actors: Path, folder: str) -> None:
    url = json.loads(_run("status", "--json", folder=folder))["url"]
    token = _run("token", "create", f"bench {number}", "--role", "admin", folder=folder).strip()
    saved = time.monotonic()
    (actors / f"greeting_{number}.py").write_text(TWELVE_LINES.format(number=number))
    # A message typed at once is accepted at once: the job is held until a worker knows its actor.
    command = [sys.executable, "-m", "src", "submit", f"greet_{number}", "--name", "Ada", "--wait", "--data", str(Path(folder) / "data")]
    job = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    described = done = 0.0
    while not (described and done):
        if not done and job.poll() is not None:
            done = time.monotonic() - saved
        if not described and f'"/actors/greet_{number}/jobs"' in _get(f"{url}/api/v1/openapi.json", token):
            described = time.monotonic() - saved
        if time.monotonic() - saved > PATIENCE:
            job.kill()
            sys.exit(f"nothing came of it within {PATIENCE:g} s")
        time.sleep(LOOK)
    output = job.communicate()[0]
    assert job.returncode == 0, output
    print(f"{number}: form, API and docs {described:5.1f}   first job succeeded {done:5.1f}", flush=True)


def _get(url: str, token: str) -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.read().decode())
    except (OSError, http.client.HTTPException):  # its process is being replaced
        return ""


def _run(*words: str, folder: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "src", *words, "--data", str(Path(folder) / "data")], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()

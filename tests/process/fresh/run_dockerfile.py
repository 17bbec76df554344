"""The Dockerfile's own steps in a bare root file system: `python -m tests.process.fresh.run_dockerfile`, as root, with debootstrap installed.

The base image python:3.13-slim is Debian 13 with Python 3.13, so is this: each stage is a fresh copy, COPY copies, RUN runs, USER and ENV
hold for what follows. In the end the image's HEALTHCHECK-able process is started: `python -m src migrate`, as the image's user.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness import ROOT
from tests.process.fresh.rootfs import RootFs, fresh

SUITE = "trixie"


@dataclass
class Stage:
    """State set by the instructions so far."""

    root: RootFs
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0:0"


def main() -> None:
    """Build both stages, then run the image once."""
    instructions = parse((ROOT / "Dockerfile").read_text())
    with contextlib.ExitStack() as stack:
        stages: dict[str, Stage] = {}
        stage: Stage | None = None
        for word, rest in instructions:
            if word == "FROM":
                name = rest.split(" AS ")[1] if " AS " in rest else "image"
                stage = stages[name] = Stage(stack.enter_context(fresh(SUITE, f"docker-{name}")))
                provide_base_image(stage.root)
            else:
                assert stage is not None, "a Dockerfile opens with FROM"
                follow(stage, stages, word, rest)
        image = stages["image"]
        for command in (
            "python -m src --version",
            "python -m src migrate",
            "python -m src.up.container_secrets /secrets",
            "ls -lR /secrets",
        ):
            image.root.check(command, cwd=image.folder, user=image.user, environment=image.environment)
    print("✔ every step of the Dockerfile runs, and the image runs as", image.user)


def parse(text: str) -> list[tuple[str, str]]:
    """The instructions with their continued lines joined."""
    lines = [line for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def provide_base_image(root: RootFs) -> None:
    """Contents of python:3.13-slim: a `python` with pip and venv, and no compiler."""
    root.check(
        "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3-venv >/dev/null"
    )
    root.check("ln -s /usr/bin/python3 /usr/local/bin/python")


def follow(stage: Stage, stages: dict[str, Stage], word: str, rest: str) -> None:
    """Do what one instruction says."""
    if word == "RUN":
        print(f"· RUN {rest}", flush=True)
        stage.root.check(rest, cwd=stage.folder, user=stage.user, environment=stage.environment)
    elif word == "ENV":
        for name, value in (part.split("=", 1) for part in shlex.split(rest)):
            path = stage.environment.get("PATH", "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
            stage.environment[name] = value.replace("$PATH", path)
    elif word == "WORKDIR":
        stage.folder = rest
        (stage.root.path / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif word == "USER":
        stage.user = rest
    elif word == "COPY":
        copy(stage, stages, shlex.split(rest))
    elif word in {"CMD", "ENTRYPOINT"}:
        json.loads(rest)  # the exec form: no shell between the init and the process
    else:
        assert word in {"VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"}, f"{word} is not understood here"


def copy(stage: Stage, stages: dict[str, Stage], words: list[str]) -> None:
    """COPY, from the build context (what .dockerignore lets in) or another stage."""
    source_root = ROOT
    if words[0].startswith("--from="):
        source_root = stages[words.pop(0).removeprefix("--from=")].root.path
    source, target = source_root / words[0].lstrip("/"), Path(stage.folder, words[1])
    inside = stage.root.path / str(target).lstrip("/")
    if words[1].endswith("/"):
        inside = inside / source.name
    inside.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, inside, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"), dirs_exist_ok=True)
    else:
        shutil.copyfile(source, inside)
    if source_root == ROOT:
        assert is_in_context(words[0]), f"{words[0]} is not let in by .dockerignore"


def is_in_context(name: str) -> bool:
    """True if .dockerignore, which excludes everything by default, includes this."""
    return f"!{name}" in (ROOT / ".dockerignore").read_text().splitlines()


if __name__ == "__main__":
    main()

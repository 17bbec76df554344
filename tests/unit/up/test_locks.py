"""The lock files: the packages of a fresh checkout. To be regenerated after a change of setup.cfg with

uv pip compile --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements.lock
uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --extra test --extra check pyproject.toml -o requirements-dev.lock
"""

from __future__ import annotations

import configparser
import re

from tests.harness import ROOT


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text()
    return {found[1]: found[2] for found in re.finditer(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", text, re.MULTILINE)}


def test_the_development_lock_holds_everything_of_the_runtime_lock() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


def test_every_pin_has_a_hash() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        blocks = re.split(r"^(?=[a-z0-9])", (ROOT / name).read_text(), flags=re.MULTILINE)
        assert all("--hash=sha256:" in block for block in blocks if re.match("[a-z0-9]", block))


def test_no_lock_names_a_place_to_fetch_from() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        assert not re.search(r"https?://|file:|--index-url|--find-links|--extra-index-url", (ROOT / name).read_text())


def test_the_locks_hold_what_setup_cfg_asks_for() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    asked = {"requirements.lock": setup["options"]["install_requires"]}
    asked["requirements-dev.lock"] = "".join(setup["options.extras_require"].values())

    for name, requirements in asked.items():
        names = {re.split(r"[ \[<>=]", line)[0].lower() for line in requirements.split("\n") if line.strip()}
        assert names <= set(pins(name))

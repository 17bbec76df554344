"""The list of differences: documents and code say the same, and no key or option of Celery is missing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import src.celery
from src.celery.base.differences import DIFFERENCES, refused
from src.celery.conf.keys import KEYS, Effect, new_name
from src.celery.signals.signals import SIGNALS
from tests.harness import ROOT

PAGE = ROOT / "docs" / "reference" / "celery-differences.md"


def rows(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    text = page.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| `")]


def test_every_refused_interface_has_its_line_with_the_cure() -> None:
    found = {name.strip("`"): (text, cure) for name, text, cure in rows(PAGE, "Refused")}

    assert found == {name: (row.text, row.cure) for name, row in DIFFERENCES.items() if row.cure is not None}


def test_every_changed_interface_has_its_line() -> None:
    found = {name.strip("`"): text for name, text in rows(PAGE, "Different")}

    assert found == {name: row.text for name, row in DIFFERENCES.items() if row.cure is None}


def test_every_configuration_key_has_its_line() -> None:
    found = {name.strip("`"): (effect, text) for name, effect, text in rows(PAGE, "Configuration")}

    assert found == {key.name: (key.effect.value, key.text) for key in KEYS}


def test_every_signal_has_its_line() -> None:
    found = {name.strip("`"): (text, cure) for name, text, cure in rows(PAGE, "Signals")}

    assert found == {signal.name: (signal.reason or "sent", signal.cure or "—") for signal in SIGNALS.values()}


def test_names_are_not_listed_twice() -> None:
    assert len({key.name for key in KEYS}) == len(KEYS)
    assert refused("app.control.") < {name.removeprefix("app.control.") for name in DIFFERENCES}
    assert set(src.celery.__all__) <= set(dir(src.celery))


def test_every_key_of_celery_is_known_by_its_new_and_its_old_name() -> None:
    """keys_of_celery.txt lists the keys of Celery 5.7: SETTING_KEYS of celery.app.defaults, with the old names of _TO_NEW_KEY."""
    lines = Path(__file__).with_name("keys_of_celery.txt").read_text().splitlines()

    assert [(key, new_name(name)) for key, *old in map(str.split, lines) for name in (key, *old) if new_name(name) != key] == []


def test_keys_are_found_by_each_of_their_spellings() -> None:
    spelled = ("task_always_eager", "TASK_ALWAYS_EAGER", "CELERY_TASK_ALWAYS_EAGER", "CELERY_ALWAYS_EAGER")

    assert {new_name(name) for name in spelled} == {"task_always_eager"}
    assert [new_name(name) for name in ("CELERYBEAT_SCHEDULE", "CELERYD_CONCURRENCY", "BROKER_URL", "CELERY_RESULT_BACKEND")] == [
        "beat_schedule", "worker_concurrency", "broker_url", "result_backend",
    ]  # fmt: skip
    assert all(key.default in (None, False) for key in KEYS if key.effect is Effect.REFUSED)


def _families() -> dict[str, list[list[str]]]:
    """names_of_celery.txt lists the modules of Celery 5.7, each with its `__all__` and the public names that it defines."""
    found: dict[str, list[list[str]]] = {}
    for line in Path(__file__).with_name("names_of_celery.txt").read_text().splitlines():
        module, *names = line.split()
        found.setdefault(".".join(module.split(".")[:2]), []).append([module, *names])
    return found


@pytest.mark.parametrize("family", _families())
def test_every_module_and_name_of_celery_works_or_names_its_cure(family: str) -> None:
    bare = []
    for module, *names in _families()[family]:
        for line in (f"import src.{module} as found", *(f"from src.{module} import {name}" for name in names)):
            try:
                exec(line, {})
            except ImportError as error:
                bare += [] if re.fullmatch(r"celery\.\S+ is not available: .+\. Instead: .+\.", str(error)) else [f"{line}: {error}"]
        if f"src.{module}" in sys.modules:
            for name in names:
                try:
                    getattr(sys.modules[f"src.{module}"], name)
                except AttributeError as error:
                    bare += [] if "Instead: " in str(error) else [f"{module}.{name}: {error}"]

    assert bare == []

"""Files that count as sources of actors."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.settings import Settings
from src.up.locations import ROOT
from src.up.parts.watching import roots


def test_the_folders_and_modules_of_the_settings_are_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package" / "inner").mkdir(parents=True)
    (tmp_path / "package" / "actors.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))

    found = list(roots(Settings(actors=f"package.actors, package.inner, nowhere.at_all, {tmp_path}/package/")))

    assert found == [ROOT / "src" / "actors", tmp_path / "package" / "actors.py", tmp_path / "package" / "inner", tmp_path / "package"]

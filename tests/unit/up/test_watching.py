"""What counts as a source of actors, and when it is loaded anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.settings import Settings
from src.up.launch import ROOT
from src.up.watching import Watch, roots
from tests.harness.waiting import eventually


def test_the_folders_and_modules_of_the_settings_are_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package" / "inner").mkdir(parents=True)
    (tmp_path / "package" / "actors.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))

    found = list(roots(Settings(actors=f"package.actors, package.inner, nowhere.at_all, {tmp_path}/package/")))

    assert found == [ROOT / "src" / "actors", tmp_path / "package" / "actors.py", tmp_path / "package" / "inner", tmp_path / "package"]


def test_a_change_is_tried_before_it_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "watched_actors"
    folder.mkdir()
    monkeypatch.setenv("CALLBOARD_ACTORS", f"{folder}/")
    said: list[str] = []
    watch = Watch(Settings(actors=f"{folder}/"), say=said.append)
    assert not watch.has_news()

    (folder / "new.py").write_text("raise RuntimeError('not yet')\n")
    eventually(lambda: (watch.has_news(), len(said) == 2)[1], deadline_s=30, what="the failure is told")
    assert said[0] == "new.py changed"
    assert "RuntimeError: not yet" in said[1]
    assert "new.py:1" in said[1]

    (folder / "new.py").write_text("")
    eventually(watch.has_news, deadline_s=30, what="what can be imported is news")
    (folder / "new.py").unlink()
    eventually(watch.has_news, deadline_s=30, what="so is what was deleted")
    assert not watch.has_news()
    watch.stop()

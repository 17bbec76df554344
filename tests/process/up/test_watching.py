"""A changed actor is tried in an interpreter of its own before it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.settings import Settings
from src.up.parts.watching import Watch
from tests.harness.waiting import eventually


def test_a_change_is_tried_before_it_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    folder = tmp_path / "watched_actors"
    folder.mkdir()
    monkeypatch.setenv("CALLBOARD_ACTORS", f"{folder}/")
    said: list[str] = []
    watch = Watch(Settings(actors=f"{folder}/"), report=said.append)
    request.addfinalizer(watch.stop)
    assert watch.news() is None

    (folder / "new.py").write_text("raise RuntimeError('not yet')\n")
    eventually(lambda: (watch.news(), len(said) == 2)[1], deadline_s=120, what="the failure is reported")
    assert said[0] == "new.py changed"
    assert "RuntimeError: not yet" in said[1]
    assert "new.py:1" in said[1]

    (folder / "new.py").write_text("")
    eventually(watch.news, deadline_s=120, what="what can be imported is news")
    (folder / "new.py").unlink()
    eventually(watch.news, deadline_s=120, what="so is what was deleted")
    assert watch.news() is None

"""The page of backups: restorable ones, their age, and unreadable ones."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from src.backup import creation
from src.operations.people.roles import Role
from src.settings import get_settings
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.site import Site, in_words


@pytest.fixture(autouse=True)
def folder(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Backups of these tests alone."""
    monkeypatch.setattr(get_settings(), "backup_dir", str(tmp_path))
    return tmp_path


def test_backups_stand_with_size_rows_and_the_way_back(site: Site, database: Database, folder: Path) -> None:
    admin, program = site.browser(), site.program()
    assert "No backups yet" in in_words(admin.get("/admin/backups").text)
    assert program.get("/api/v1/backups").get_json()["is_overdue"] is True

    path, manifest = creation.make(database, folder)

    words = in_words(admin.get("/admin/backups").text)
    # The folder must be named: the command could be run with another setting.
    assert f"./run restore --data {get_settings().data_dir.resolve()} {path}" in words
    assert path.name in words
    assert manifest.sha256[:12] in words
    assert "is due every hour" not in words
    listed = program.get("/api/v1/backups").get_json()
    assert listed["is_overdue"] is False
    assert [(each["file"], each["sha256"], each["rows"]) for each in listed["backups"]] == [(path.name, manifest.sha256, manifest.counts)]


def test_an_old_one_and_one_that_is_not_whole_are_said(site: Site, database: Database, folder: Path) -> None:
    path, _ = creation.make(database, folder)
    described = path.with_name(f"{path.name}.json")
    manifest = json.loads(described.read_text())
    described.write_text(json.dumps({**manifest, "made_at": (now() - timedelta(hours=5)).isoformat()}))

    assert "one is due every hour" in in_words(site.browser().get("/admin/backups").text)

    described.write_text("{")
    words = in_words(site.browser().get("/admin/backups").text)
    assert "cannot be read" in words
    [listed] = site.program().get("/api/v1/backups").get_json()["backups"]
    assert "cannot be read" in listed["problem"]


def test_they_are_the_admins(site: Site) -> None:
    assert site.browser(Role.OPERATOR).get("/admin/backups").status_code == 403

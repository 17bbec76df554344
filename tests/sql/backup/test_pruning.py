"""Backup rotation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.backup import creation, files
from src.backup.files import manifest_path
from src.backup.pruning import kept
from src.sql.database import Database

NOON = datetime(2026, 3, 18, 12, tzinfo=UTC)
INSTANTS = st.lists(
    st.integers(0, 365 * 24).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours, minutes=hours % 7)), max_size=80
)


def hourly(days: int) -> list[datetime]:
    return [NOON - timedelta(hours=hour) for hour in range(days * 24)]


def test_of_hourly_backups_a_day_of_hours_a_week_of_days_and_five_weeks_stay() -> None:
    stay = sorted(kept(hourly(100)), reverse=True)

    assert stay[:24] == hourly(1)
    # The 17th has hours within a day of the newest, and its own newest is among them.
    assert [instant.strftime("%d. %H:%M") for instant in stay[24:]] == [
        "16. 23:00", "15. 23:00", "14. 23:00", "13. 23:00", "12. 23:00", "08. 23:00", "01. 23:00", "22. 23:00",
    ]  # fmt: skip


@given(INSTANTS)
def test_the_newest_always_stays_and_pruning_twice_is_pruning_once(instants: list[datetime]) -> None:
    stay = kept(instants)
    assert stay <= set(instants)
    assert not instants or max(instants) in stay
    assert kept(list(stay)) == stay
    assert len(stay) <= len({instant for instant in instants if max(instants) - instant < timedelta(hours=24)}) + 7 + 5


@given(INSTANTS)
def test_each_day_of_the_last_week_keeps_its_backup_when_every_new_one_prunes(instants: list[datetime]) -> None:
    there: set[datetime] = set()
    for instant in sorted(instants):
        there = kept([*there, instant])
    if instants:
        newest = max(instants)
        for day in {instant.date() for instant in instants if newest - instant < timedelta(days=7)}:
            assert any(instant.date() == day for instant in there)


def test_backups_of_one_store_do_not_replace_those_of_the_other(tmp_path: Path) -> None:
    dumps = [NOON - timedelta(days=day, hours=1) for day in range(7)]
    for suffix, instants in ((".pgdump", dumps), (".sqlite.gz", [instant + timedelta(minutes=30) for instant in dumps])):
        for instant in instants:
            path = tmp_path / f"callboard-{instant:%Y%m%dT%H%M%SZ}{suffix}"
            path.touch()
            manifest_path(path).write_text("{}")

    creation.prune(tmp_path)

    assert len(list(tmp_path.glob("*.pgdump"))) == len(list(tmp_path.glob("*.sqlite.gz"))) == 7


def test_drafts_of_killed_backups_and_restores_are_deleted_when_nothing_can_be_writing_them(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = (
        "sqlite.gz.part", "sqlite.gz.part.plain", "sqlite.gz.part.plain-journal", "sqlite.gz.draft", "pgdump.part", "pgdump.draft", "pgdump.sql",
    )  # fmt: skip
    drafts = {
        f"{prefix}-20260318T120000Z{number}.{end}" for prefix in ("callboard", "before-restore") for number in ("", "-2") for end in ends
    }
    others = {"mine.part", "callboard-20260318T120000Z.sqlite.gz.mine", "callboard.sql"}
    for name in drafts | others:
        (tmp_path / name).write_text("half")

    creation.make(database, tmp_path)
    assert drafts | others <= {path.name for path in tmp_path.iterdir()}, "another process may be writing them"

    monkeypatch.setattr(files, "GRACE_S", -1.0)
    creation.make(database, tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.read_text(errors="replace") == "half"} == others

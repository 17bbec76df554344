"""The tour, walked literally: in a clone, with each command run and each word clicked in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.harness.walk import Walk

pytestmark = pytest.mark.slow


def test_a_reader_who_follows_the_tour_literally_does_not_stumble(chromium: Browser, tmp_path: Path) -> None:
    with Walk(tmp_path / "clone", chromium) as walk:
        walk.follow(walk.clone / "docs" / "tutorial" / "tour.md")

    assert len(walk.taken) > 30

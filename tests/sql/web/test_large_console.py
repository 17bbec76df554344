"""The console with a million jobs: no page and no API route reads a growing table from end to end."""

from __future__ import annotations

import pytest
from flask import Flask

from bench.filling import fill, searched, settle
from bench.furnishing import furnish
from bench.page_table import addresses
from src.jobs.search import texts
from src.sql.database import Database
from tests.harness import plans
from tests.harness.site import Site

JOBS = 1_000_000


@pytest.mark.slow
@pytest.mark.both_stores
def test_no_page_reads_a_growing_table_as_a_whole_at_a_million_jobs(fresh_database: Database, app: Flask) -> None:
    fill(fresh_database, JOBS)
    furnish(fresh_database)
    settle(fresh_database)
    browser = Site(fresh_database, app).browser()
    with fresh_database.read() as session:
        paths = addresses(session, app.url_map.iter_rules())

    with plans.recorded(fresh_database) as statements, texts.search_fields.replaced(searched):
        for path in paths:
            assert browser.get(path).status_code < 500, path

    assert plans.whole_reads(fresh_database, statements) == {}

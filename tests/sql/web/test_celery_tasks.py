"""Celery tasks in the console and the API: they are actors with dots in their names."""

from __future__ import annotations

from src.celery import states
from tests.actors.celery_tasks import add, app, tick
from tests.harness.site import Site


def test_a_task_has_a_form_and_an_address_in_the_api(site: Site) -> None:
    page = site.browser().get(f"/actors/{add.name}")
    id = site.program().submit(add.name, 1, 2)

    assert page.status_code == 200
    assert "Add two things" in page.text
    assert app.AsyncResult(id).state == states.PENDING
    assert f"/jobs/{id}" in site.browser().get("/jobs").text


def test_an_entry_of_beat_has_a_form_too(site: Site) -> None:
    app.add_periodic_task(60, tick.s("tick"), name="every minute")
    app.finalize()

    assert site.browser().get("/actors/every%20minute").status_code == 200
    assert site.program().submit("every minute", "tock")

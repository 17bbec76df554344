"""Presets: a user's saved values fill the form again, private or shared, without secrets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select

import tests.actors.web
from src.operations.people.models import FormPreset
from src.operations.people.roles import Role
from src.sql.database import read, write
from src.web.forms import presets
from tests.harness.site import Site, Visit, in_words

pytestmark = pytest.mark.both_stores

assert tests.actors.web

TYPED = {"items-rows": "1", "items.0.name": "pen", "items.0.count": "7", "to-present": "1", "to-given": "1", "to.street": "High"}


def save(visit: Visit, actor: str = "order", **fields: str) -> Any:
    return visit.client.post(f"/actors/{actor}/presets", data={**visit.hidden(f"/actors/{actor}", action=f"/actors/{actor}"), **fields})


def names(visit: Visit, actor: str = "order") -> list[str]:
    return re.findall(r'<li><a href="/actors/[^"]+\?preset=\d+"[^>]*>([^<]+)</a>', visit.get(f"/actors/{actor}").text)


def test_a_preset_fills_the_form_rows_and_groups_too_and_the_same_name_replaces_it(site: Site) -> None:
    visit = site.browser(Role.SUBMITTER)
    for count in ("6", "7"):
        answer = save(visit, **{**TYPED, "items.0.count": count, "preset-name": " Seven pens "})
    page = visit.get(answer.location).text
    assert "Preset Seven pens saved." in in_words(page)
    values = dict(re.findall(r'name="((?:items|to)\.[\w.]+)"[^>]* value="([^"]*)"', page))
    assert values == {"items.0.name": "pen", "items.0.count": "7", "to.street": "High", "to.floor": "0"}
    assert 'name="to-given" value="1" checked' in page
    assert names(visit) == ["Seven pens"]


def test_ones_own_are_ones_own_and_shared_ones_everybodys(site: Site) -> None:
    ann, bob, admin = site.browser(Role.SUBMITTER), site.browser(Role.SUBMITTER), site.browser(Role.ADMIN)
    own = save(ann, **TYPED, **{"preset-name": "mine"}).location
    shared = save(ann, **TYPED, **{"preset-name": "ours", "preset-shared": "1"}).location
    assert (names(ann), names(bob)) == (["mine", "ours"], ["ours"])
    assert bob.get(own).status_code == 404
    assert bob.get(shared).status_code == 200
    number = shared.rsplit("=", 1)[1]
    token = bob.hidden("/actors/order", action="/actors/order")["form-csrf_token"]
    bob.client.post(f"/actors/order/presets/{number}/delete", data={"csrf_token": token})
    assert "Only the owner of this preset" in in_words(bob.get("/actors/order").text)
    assert names(ann) == ["mine", "ours"]
    admin.fill_in("/actors/order", action=f"/actors/order/presets/{number}/delete")
    assert names(ann) == ["mine"]


def test_a_secret_is_no_part_of_a_preset(site: Site) -> None:
    visit = site.browser(Role.SUBMITTER)
    typed = {"key": "plant3d", "door": "back", "login-present": "1", "login-given": "1", "login.user": "ann", "login.password": "plant3d"}
    answer = save(visit, "unlock", **typed, **{"preset-name": "back door"})
    with read() as session:
        assert session.execute(select(FormPreset)).scalar_one().values == {"door": "back"}
    assert "plant3d" not in visit.get(answer.location).text


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb"])
def test_a_preset_needs_a_name_and_nothing_typed_is_lost_without_one(site: Site, name: str) -> None:
    answer = save(site.browser(Role.SUBMITTER), **TYPED, **{"preset-name": name})
    assert answer.status_code == 422
    assert "Give the preset a name of 1 to 100 characters." in in_words(answer.text)
    assert 'value="pen"' in answer.text


def test_there_is_an_end_to_presets(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "MOST", 2)
    visit = site.browser(Role.SUBMITTER)
    codes = [save(visit, **TYPED, **{"preset-name": name}).status_code for name in ("a", "b", "a", "c")]
    assert codes == [303, 303, 303, 422]


def test_values_of_parameters_no_longer_in_the_code_are_ignored(site: Site) -> None:
    visit = site.browser(Role.SUBMITTER)
    answer = save(visit, "add", x="1", y="2", **{"preset-name": "old"})
    with write() as session:
        session.execute(select(FormPreset)).scalar_one().values = {"x": 5, "gone": [1], "y": {"odd": True}}
    page = visit.get(answer.location)
    assert page.status_code == 200
    assert 'value="5"' in page.text


def test_the_form_is_filled_with_the_arguments_of_a_job_to_make_another(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    program = site.program()
    id = program.submit("order", [{"name": "pen", "count": 2}])
    page = visit.get(f"/actors/order?like={id}").text
    assert 'name="items.0.name"' in page
    assert 'value="pen"' in page
    sealed = program.submit("unlock", "plant3d")
    assert "sealed" not in visit.get(f"/actors/unlock?like={sealed}").text
    for wrong in ("/actors/add?like=nobody", f"/actors/add?like={id}", "/actors/add?preset=99", "/actors/add?preset=x"):
        assert visit.get(wrong).status_code == 404, wrong

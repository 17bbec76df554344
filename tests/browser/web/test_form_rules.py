"""The browser model of src/operations/arguments/untouched_form.py follows Chromium's own rules."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from flask import render_template_string
from hypothesis import strategies as st
from playwright.sync_api import Browser, Route
from werkzeug.datastructures import MultiDict

from src.actor_schema.signature import Signature
from src.operations.arguments import untouched_form
from src.operations.arguments.field import identical
from src.operations.arguments.fields import fields_of, filled
from src.operations.arguments.reading import read
from src.settings import get_settings
from src.web import create_app
from tests.harness.parameters import SIGNATURES, VALUES, check

_PAGE = """{% from "macros.html" import field with context %}<!doctype html><meta charset="utf-8">
<form method="post" action="/sent" novalidate>{% for each in fields %}{{ field(each, "") }}{% endfor %}<button id="send">Send</button></form>"""


@pytest.mark.parametrize("cases", [8, pytest.param(60, marks=pytest.mark.slow)])
def test_what_chromium_sends_for_an_untouched_form_is_what_is_modelled(
    cases: int, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(get_settings(), "timezone", "Europe/Berlin")
    app, page = create_app(), chromium.new_page()
    served = ""

    def answer(route: Route) -> None:
        route.fulfill(body=served if route.request.method == "GET" else "thanks", content_type="text/html; charset=utf-8")

    page.route("**/*", answer)

    def same(values: dict[str, Any], signature: Signature) -> None:
        nonlocal served
        fields = filled(signature, [], values)
        with app.test_request_context():
            served = render_template_string(_PAGE, fields=fields)
        page.goto("http://forms.test/")
        with page.expect_request(lambda request: request.method == "POST") as posted:
            page.locator("#send").click()
        sent = parse_qsl(posted.value.post_data or "", keep_blank_values=True)
        assert sent == list(untouched_form.sent(fields).items(multi=True))
        assert identical(read(fields_of(signature), MultiDict(sent)).values, values)

    check(cases, same, values=VALUES, signature=st.sampled_from(SIGNATURES))
    page.close()

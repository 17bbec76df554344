"""The words that the tour names exist on the pages that it names, in order. tests/browser/web/test_tour.py clicks them."""

from __future__ import annotations

import html
import re

import pytest

from tests.harness import ROOT
from tests.harness.site import Site, Visit
from tests.harness.tour import Kind, Step, italics, steps

TOUR = ROOT / "docs" / "tutorial" / "tour.md"
#: they exist once a worker has run the job before
LATER = {"ZeroDivisionError", "say_hello"}


class Reader:
    """A reader without a browser and without workers: reads each page, and sends each form."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self.path, self.page = "", ""
        self._typed: dict[str, str] = {}
        self.go("/")

    def go(self, path: str) -> None:
        self.path, self._typed = path, {}
        answer = self._visit.get(path)
        assert answer.status_code == 200, path
        self.page = answer.text

    def open(self, word: str) -> None:
        links = re.findall(r'<a [^>]*href="([^"]+)"[^>]*>(.*?)</a>', self.page, re.DOTALL)
        found = [html.unescape(href) for href, inner in links if f"{_words(inner)} ".startswith(f"{word} ")]
        assert found, f"{self.path} has no link {word}"
        self.go(found[0])

    def type(self, value: str, label: str) -> None:
        labels = re.findall(r'<label for="([^"]+)"[^>]*>(.*?)</label>', self.page, re.DOTALL)
        found = [id for id, inner in labels if _words(inner).startswith(label)]
        assert found, f"{self.path} has no field {label}"
        name = re.search(rf'<input[^>]*id="{re.escape(found[0])}"[^>]*>', self.page)
        assert name is not None
        self._typed[_attribute(name[0], "name")] = value

    def press(self, word: str) -> None:
        for target, body in re.findall(
            r'<form[^>]*method="post" action="([^"]+)"[^>]*>(.*?)</form>', self.page.partition("<main")[2], re.DOTALL
        ):
            for attributes, inner in re.findall(r"<button([^>]*)>(.*?)</button>", body, re.DOTALL):
                if f"{_words(inner)} ".startswith(f"{word} "):
                    action = _attribute(attributes, "formaction") or html.unescape(target)
                    self._send(body, action)
                    return
        pytest.fail(f"{self.path} has no button {word}")

    def _send(self, body: str, action: str) -> None:
        values = {}
        for tag in re.findall(r"<(?:input|select|textarea)[^>]*>", body):
            if 'type="checkbox"' not in tag and 'type="radio"' not in tag and 'name="' in tag:
                values[_attribute(tag, "name")] = _attribute(tag, "value")
        for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', body, re.DOTALL):
            if chosen := re.search(r'<option[^>]*value="([^"]*)"[^>]* selected', options):
                values[name] = html.unescape(chosen[1])
        answer = self._visit.client.post(action, data={**values, **self._typed}, follow_redirects=True)
        assert answer.status_code == 200, in_short(answer.text)
        self.path, self.page, self._typed = answer.request.path, answer.text, {}


def _words(inner: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", inner)).split())


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""


def in_short(page: str) -> str:
    """The errors of a page."""
    return " ".join(_words(each) for each in re.findall(r'class="(?:error|errors)[^"]*"[^>]*>(.*?)</', page, re.DOTALL))


def test_each_step_of_the_tour_finds_its_words(site: Site) -> None:
    reader = Reader(site.browser())
    tour = steps(TOUR)
    for step in tour:
        _take(reader, step)
    assert {step.kind for step in tour} == set(Kind)


def _take(reader: Reader, step: Step) -> None:
    if LATER & set(step.words):
        return
    match step.kind:
        case Kind.OPEN:
            for word in step.words:
                reader.open(word)
        case Kind.TYPE:
            reader.type(*step.words)
        case Kind.PRESS:
            reader.press(*step.words)


def test_each_word_in_italics_is_part_of_a_step() -> None:
    named = {" → ".join(step.words) if step.kind is Kind.OPEN else step.words[-1] for step in steps(TOUR) if step.kind is not Kind.RUN}

    assert italics(TOUR) - named == set()

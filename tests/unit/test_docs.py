"""The docs match the code."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import src.schedules
from src.broker.jobs_broker import known_options
from src.cli import VERBS
from src.configuration.setting_sources import PREFIX
from src.jobs.alerts import mutes
from src.jobs.core.states import MOVES, State
from src.jobs.search.fields import FIELDS
from src.operations.workflows.workflow_request import StepBody
from src.schedules.ticks import backfill
from src.settings import Settings
from src.web.api.openapi import document as openapi_document
from tests.harness import ROOT

assert src.schedules

DOCS = ROOT / "docs"
PAGES = (
    *sorted(DOCS.rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "bench/README.md", "rabbitmq/README.md", "tests/README.md")),
)
#: files that a reader is to write
EXAMPLES = {"src/actors/greetings.py", "src/actors/hello.py"}


def rows(document: str) -> list[list[str]]:
    """The cells of every table row whose first cell is code."""
    lines = (DOCS / document).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]


def test_every_setting_has_its_line_with_its_default_and_no_line_is_left_over() -> None:
    documented = {name.strip("`"): (default.strip("`"), meaning) for name, default, meaning in rows("reference/settings.md")}

    assert set(documented) == {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        default, meaning = documented[f"{PREFIX}{name.upper()}"]
        assert default == (str(field.default) or "—"), name
        assert meaning == field.description, name


def test_every_state_has_its_line_with_the_moves_it_allows() -> None:
    documented = {state.strip("`"): set(re.findall(r"[a-z]+", targets)) for state, _, targets in rows("reference/states.md")}

    assert documented == {state.value: {target.value for target in MOVES[state]} for state in State}


def test_every_command_and_every_address_of_the_api_that_the_docs_name_is_there() -> None:
    text = "".join(path.read_text() for path in (*DOCS.rglob("*.md"), DOCS.parent / "README.md"))
    verbs = {verb for verbs in re.findall(r"\./run ([a-z|-]+)", text) for verb in verbs.split("|") if verb}
    named = set(re.findall(r"/api/v1(/[a-z/{}:_-]+[a-z}])", text))
    there = re.compile("|".join(re.sub(r"{\w+}", "[^/]+", path) for path in openapi_document.document()["paths"]))

    assert verbs - set(VERBS) == set()
    assert {"pause", "workflow", "edit"} <= verbs
    assert [address for address in named if not there.fullmatch(address)] == []
    assert "/workflows" in named


def test_every_curl_line_says_that_it_sends_json() -> None:
    lines = [(str(page.relative_to(ROOT)), line) for page in PAGES for line in page.read_text().splitlines() if "curl " in line]

    assert [each for each in lines if re.search(r"-d '[{\[]", each[1]) and "Content-Type: application/json" not in each[1]] == []


def test_every_field_of_a_step_is_on_the_page_of_workflows() -> None:
    page = (DOCS / "reference" / "workflows.md").read_text()

    assert [name for name in StepBody.model_fields if not re.search(rf'[`"]{name}[`"]', page)] == []


def test_every_field_of_a_query_is_in_the_docs_and_no_other() -> None:
    cells = [re.findall(r"`([a-z.A-Z]+)`", row[0]) for row in rows("reference/finding-jobs.md")]

    assert {name for names in cells for name in names} == {*FIELDS, "arg.NAME"}


def test_every_option_of_an_actor_is_in_the_docs() -> None:
    page = (DOCS / "reference" / "actor-options.md").read_text()

    assert {option for option in known_options() if not re.search(rf"\b{option}\b", page)} == set()


def test_the_limits_of_a_backfill_and_of_a_mute_are_in_the_docs() -> None:
    most = f"at most {backfill.MOST:,} at once, in a period of at most {10 * backfill.MOST:,} ticks"

    assert most in (DOCS / "reference" / "schedules.md").read_text()
    assert f"within {mutes.LONGEST.days} days" in (DOCS / "how-to" / "monitoring.md").read_text()


def test_every_thread_has_its_row_in_who_watches_what_with_a_test_and_an_answer_in_every_cell() -> None:
    table = (DOCS / "explanation" / "guarantees.md").read_text().split("## Who watches what", 1)[1].split("\n## ", 1)[0]
    listed = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| ")]
    named = {name for cells in listed for name in re.findall(r"`([a-z_ ]+)`", cells[0])}
    sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    started = set(re.findall(r"Thread\([^)]*name=\"([^\"]+)\"", sources)) | set(re.findall(r"Chore\(\"([a-z_]+)\"", sources))

    assert {"relay", "committer", "keep_up"} <= started
    assert started - named == set()
    assert [cells for cells in listed if len(cells) != 6 or not all(cells)] == []
    assert not re.search(r"\bnobody\b", table, re.IGNORECASE)
    assert all(re.fullmatch(r"(`test_[a-z_]+\.py`(, )?)+", cells[5]) for cells in listed if cells[5] != "test")


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    links = [(page, target) for page in PAGES for target in re.findall(r"\]\((?!http)([^)\s]+)\)", page.read_text())]

    assert len(links) > 100
    assert [(str(page.relative_to(ROOT)), target) for page, target in links if not _leads_somewhere(page, target)] == []


def test_every_page_is_in_the_index() -> None:
    listed = set(re.findall(r"\]\(([^)#\s]+\.md)\)", (DOCS / "README.md").read_text()))
    pages = {
        str(page.relative_to(DOCS)) for kind in ("tutorial", "how-to", "reference", "explanation") for page in (DOCS / kind).glob("*.md")
    }

    assert pages - listed == set()


def test_every_path_that_a_page_names_exists() -> None:
    named = {path for page in PAGES for path in re.findall(r"`((?:src|tests|docs|rabbitmq)/[\w./-]+)`", page.read_text())}

    assert [path for path in named - EXAMPLES if "NAME" not in path and not (ROOT / path).exists()] == []


def test_every_page_that_a_text_of_ours_names_exists() -> None:
    texts = [path for folder in ("src", "tests", "bench") for kind in ("*.py", "*.html", "*.txt") for path in (ROOT / folder).rglob(kind)]
    named = {
        (str(path.relative_to(ROOT)), page) for path in texts for page in re.findall(r"\bdocs/[\w/-]+\.(?:md|json|yml)", path.read_text())
    }

    assert len(named) > 5
    assert [each for each in named if not (ROOT / each[1]).exists()] == []


def test_every_arrow_from_one_module_to_another_is_an_import() -> None:
    text = "".join((DOCS / "explanation" / page).read_text() for page in ("architecture.md", "path-of-a-job.md"))
    arrows = re.findall(r"(?=`(src/[\w/]+)\.py` → `(src/[\w/]+)\.py`)", text)

    assert len(arrows) > 8
    assert [(one, other) for one, other in arrows if not _imports(ROOT / f"{one}.py", Path(other).name)] == []


def test_the_house_on_one_page_draws_the_districts_in_the_order_of_the_contracts() -> None:
    contracts = ConfigParser()
    contracts.read(ROOT / "setup.cfg")
    rooms = [section for section in contracts.values() if section.get("containers", "").count(".") == 1]
    drawn = " ".join((DOCS / "explanation" / "architecture.md").read_text().split())

    assert len(rooms) > 5
    assert [room["containers"] for room in rooms if " > ".join(room["layers"].split("\n")[1:]) not in drawn] == []


def _imports(path: Path, module: str) -> bool:
    return re.search(rf"^ *from [^\n]*\b{module}\b", path.read_text(), re.MULTILINE) is not None


def _leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    found = page.parent / name if name else page
    return found.exists() and (not anchor or anchor in _headings(found))


def _headings(page: Path) -> set[str]:
    """Headings of a page as GitHub's anchors."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}

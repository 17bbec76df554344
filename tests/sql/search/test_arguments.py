"""Arguments in queries: a path means that path, value for value, and a minus never finds a job that may have the value."""

from __future__ import annotations

import pytest

from src.jobs import search
from src.jobs.core.states import State
from src.jobs.search import QueryError, texts
from src.jobs.search.facets import facets
from src.sql.database import Database, read, write
from tests.sql.search.test_search import found, made

pytestmark = pytest.mark.both_stores

#: longer than the text of a job that is indexed
LONG = {"note": "lorem " * 1000}


def written(_: Database) -> None:
    with write() as session:
        texts.write_new(session)


def before_and_after(database: Database, wanted: dict[str, set[str]]) -> None:
    """Check the results of queries while the texts are not written yet, and when they are."""
    for when in ("before", "after"):
        for text, ids in wanted.items():
            assert found(text) == ids, f"{text} {when}"
        written(database)


def test_a_path_is_that_path(database: Database) -> None:
    one = made(database, {"id": 5, "site.eu": {"zip": "A"}}, {"id": 9})
    other = made(database, {"id": 9}, {"id": 5, "customer": {"id": 7}})
    wanted = {
        "arg.x.id:5": {one}, "arg.x.id:9": {other}, "arg.y.id:5,9": {one, other}, "-arg.x.id:5": {other}, "-arg.y.id:5,9": set(), "arg.id:5": set(),
        "arg.z.id:5": set(), "arg.y.customer.id:7": {other}, "arg.customer.id:7": set(), "arg.y.id:7": set(), "arg.x.site.eu.zip:A": {one}, "arg.x.zip:A": set(),
        "arg.X.id:5": set(), "arg.x.id:5 arg.y.id:9": {one}, "arg.x.id:5 arg.y.id:5": set(), "arg.x.id:5 -arg.y.id:9": set(),
    }  # fmt: skip
    before_and_after(database, wanted)


def test_a_value_is_that_value(database: Database) -> None:
    small, large, text = made(database, "abc", 100), made(database, "ABC", 100.0), made(database, "abcd", "100")
    truth, nothing, half = made(database, True, 1), made(database, None, 0.5), made(database, "true", 10)
    listed, inner = made(database, [[1, "abc"], 5], [{"sku": "AB"}, {"sku": "CD"}]), made(database, {"5": 6}, [True])
    huge = made(database, 10**16, 1e16)
    wanted = {
        "arg.x:abc": {small, listed}, "arg.x:ABC": {large}, "arg.x:ab": set(), "arg.x:abcd": {text}, "arg.y:100": {small, large, text}, "arg.y:100.0": {small, large},
        "arg.y:1e2": {small, large}, "arg.y:0.50": {nothing}, "arg.y:.5": set(), "arg.y:1": {truth}, "arg.y:01": set(), "arg.x:true": {truth, half}, "arg.y:true": {inner},
        "arg.x:null": {nothing}, "arg.x:5": {listed}, "arg.x:1": {listed}, "arg.x:6": set(), "arg.x.5:6": {inner}, "arg.y.sku:AB": {listed}, "arg.y.sku:ab": set(),
        "arg.x:1e16,1e999": {huge}, "arg.y:10000000000000000": {huge},
    }  # fmt: skip
    before_and_after(database, wanted)


def test_a_long_list_of_values_is_searched(database: Database) -> None:
    jobs = [made(database, {"id": number}) for number in (1001, 1002, 1500, 2000)]
    values = ",".join(map(str, range(1001, 1399)))
    before_and_after(database, {f"arg.x.id:{values}": set(jobs[:2]), f"-arg.x.id:{values}": set(jobs[2:])})


def test_a_job_with_more_text_than_is_indexed_is_judged_from_its_row(database: Database) -> None:
    large, other = made(database, LONG, {"seller": {"id": 3}, "city": "Köln"}), made(database, {}, {"seller": {"id": 4}, "city": "Bonn"})
    wanted = {
        "arg.y.seller.id:3": {large}, "-arg.y.seller.id:3": {other}, "-arg.y.seller.id:4": {large}, "arg.y.city:Köln": {large}, "-arg.y.city:Köln actor:add": {other},
        "arg.y.city:köln": set(), "arg.y.seller.id:5": set(),
    }  # fmt: skip
    before_and_after(database, wanted)


def test_a_word_with_a_minus_finds_only_jobs_whose_text_is_known_as_a_whole(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    made(database, LONG, "needle")
    plain, _ = made(database, "hay", "stack"), made(database, "needle", "stack")
    made(database, "needle", actor="nobody_knows")
    before_and_after(database, {"-needle": {plain}, "-needle actor:add": {plain}, "-arg.y:needle": found("arg.y:stack")})
    monkeypatch.setattr(texts, "TAIL", 1)
    made(database, "needle")
    new = made(database, "hay", "rick")
    assert found("-needle") == {plain, new}
    assert found("-arg.x:needle") >= {plain, new}
    assert found("arg.x:hay") == {plain, new}


def test_arguments_of_an_actor_that_is_unknown_here_are_found_with_neither_sign(database: Database) -> None:
    known = made(database, "one")
    made(database, "two", actor="nobody_knows")
    before_and_after(database, {"arg.x:two": set(), "-arg.x:two": {known}, "-arg.x:one": set()})


@pytest.mark.parametrize("value", [">50", "<50", ">=1", "AB*", "*", "1..5", "..5", "1.5.."])
def test_comparisons_and_wildcards_are_refused_with_the_cure_unless_they_are_quoted(database: Database, value: str) -> None:
    job = made(database, value)
    with pytest.raises(QueryError, match="quotation marks") as caught:
        found(f"actor:add arg.x:{value}")
    assert caught.value.start == 10
    with pytest.raises(QueryError, match="quotation marks"):
        found(f'arg.x:"other",{value}')
    assert found(f'arg.x:"{value}"') == {job}


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are decided three at a time."""
    monkeypatch.setattr(texts, "AT_MOST", 3)


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("is_written", [False, True])
def test_pages_counts_and_facets_decide_all_that_the_index_selects(database: Database, *, is_written: bool) -> None:
    jobs = [
        made(database, {"id": 5}, {"id": number % 2 and 5}, state=State.DEAD if number < 4 else State.SUCCEEDED) for number in range(20)
    ]
    if is_written:
        written(database)
    for text, ids in (("arg.y.id:5", jobs[1::2]), ("-arg.y.id:5", jobs[::2])):
        query, seen, after = search.parse(text), [], None
        with read() as session:
            while True:
                page = search.find(session, query, after=after, limit=4, budget_s=10)
                seen += [job.id for job in page.jobs]
                after = page.next
                if after is None:
                    break
            assert seen == ids[::-1]
            assert search.count(session, query) == {State.DEAD: 2, State.SUCCEEDED: 8}
            assert search.count(session, query, up_to=10) == {State.DEAD: 2, State.SUCCEEDED: 3}
            tally = search.tally(session, query, budget_s=10)
            assert (tally.states[State.DEAD], tally.states[State.SUCCEEDED], tally.is_whole()) == (2, 8, True)
            assert facets(session, query, budget_s=10).looked_at == 10


@pytest.mark.usefixtures("few_at_once")
def test_a_search_whose_time_is_over_goes_on_below_the_jobs_that_it_decided(database: Database) -> None:
    [wanted, *_] = [made(database, {"id": number == 0 or 5}, {"id": True}) for number in range(10)]
    written(database)
    query, looks, after = search.parse("arg.x.id:true"), 0, None
    with read() as session:
        while True:
            page = search.find(session, query, after=after, budget_s=0)
            looks, after = looks + 1, page.next
            if after is None:
                break
            assert (page.jobs, page.searched_to) == ([], after)
    assert [job.id for job in page.jobs] == [wanted]
    assert looks == 4

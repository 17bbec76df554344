"""The query language: how a text is split, and where it is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.jobs.search import QueryError, parse
from src.jobs.search.grammar import quote, split


def cut(text: str) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(term.name, term.values, term.is_not) for term in split(text)]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("state:dead", [("state", ("dead",), False)]),
        ("  state:dead,held   -actor:mail* ", [("state", ("dead", "held"), False), ("actor", ("mail*",), True)]),
        ('"New York" timeout', [("", ("New York",), False), ("", ("timeout",), False)]),
        ('-"New York"', [("", ("New York",), True)]),
        ('user:"a b",c', [("user", ("a b", "c"), False)]),
        (r'key:"say \"x, y\""', [("key", ('say "x, y"',), False)]),
        (
            r'"C:\Program Files" "\\n" "two\nlines" C:\new',
            [("", (text,), False) for text in ("C:\\Program Files", "\\n", "two\nlines", "C:\\new")],
        ),
        ("arg.total:100", [("arg.total", ("100",), False)]),
        ("a,b", [("", ("a,b",), False)]),
        ("- x", [("", ("-",), False), ("", ("x",), False)]),
        ("created:2026-11-01T10:00..2h", [("created", ("2026-11-01T10:00..2h",), False)]),
    ],
)
def test_a_text_is_cut_into_terms(text: str, terms: list[tuple[str, tuple[str, ...], bool]]) -> None:
    assert cut(text) == terms


@given(st.text(min_size=1).filter(lambda text: text.strip() and "\0" not in text))
def test_a_quoted_value_is_read_as_it_is(value: str) -> None:
    if not value.startswith("-") or " " in value:
        assert cut(f"user:{quote(value)}") == [("user", (value,), False)]
        assert not set("\r\n") & set(quote(value)), "an input would drop it"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("state:dead\r\nactor:add\n", "state:dead actor:add"),
        ('"two\nlines" -"a\r\nb"\nword', r'"two\nlines" -"a\r\nb" word'),
        ('"a\\\nb \\\\\n"', r'"a\\\nb \\\n"'),
    ],
)
def test_a_query_is_kept_on_one_line(text: str, line: str) -> None:
    assert parse(text).text == line
    assert cut(parse(text).text) == cut(text)


@given(st.text(max_size=60))
def test_any_text_is_understood_or_says_where_it_is_not(text: str) -> None:
    wrong = None
    try:
        parse(text)
    except QueryError as error:
        wrong = error
    assert wrong is None or (0 <= wrong.start < wrong.end and "^" in wrong.pointer)


@pytest.mark.parametrize(
    ("text", "start", "end", "says"),
    [
        ("actor:add stat:dead", 10, 19, "Did you mean state:?"),
        ('actor:"add', 6, 10, "This quotation mark is not closed."),
        ("state:dead queue:", 11, 17, "Say what queue is to be"),
        ("actor:a\0b", 7, 8, "A text cannot contain this character"),
        ("half \ud800", 5, 6, "A text cannot contain this character"),
        ("http://x", 0, 8, "put it in quotation marks"),
        ('""', 0, 2, "nothing between these quotation marks"),
    ],
)
def test_errors_are_shown_at_their_place(text: str, start: int, end: int, says: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)

    assert (caught.value.start, caught.value.end) == (start, end)
    assert says in str(caught.value)
    assert caught.value.pointer.splitlines()[1] == " " * start + "^" * (end - start)


def test_a_query_in_words() -> None:
    said = parse('state:dead,held -actor:add created:today arg.total:5 "New York"').in_words()

    assert said == (
        "jobs whose state is dead or held and that were submitted today and whose argument total is 5"
        " and with “New York” in id, actor or arguments, except those whose actor is add"
    )
    assert parse("").in_words() == "all jobs"
    assert parse("-actor:add -finished:24h").in_words() == "all jobs except those whose actor is add and those that ended in the last 24 h"
    assert parse("is:overdue -is:retried").in_words() == "jobs that are overdue, except those that are retried"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("created:yesterday", "that were submitted yesterday"),
        ("created:2026-11-01", "that were submitted on 2026-11-01"),
        ("created:2026-11-01T10:00", "that were submitted at 2026-11-01T10:00"),
        ("created:2026-11-01..2026-11-03", "that were submitted from 2026-11-01 to 2026-11-03"),
        ("created:..2026-11-03", "that were submitted no later than 2026-11-03"),
        ("started:>2h", "that started later than 2 h ago"),
        ("started:>=2026-11-01", "that started no earlier than 2026-11-01"),
        ("finished:1h30m", "that ended in the last 1 h 30 min"),
        ("finished:<1d", "that ended earlier than 1 d ago"),
        ("finished:2d..1d", "that ended from 2 d ago to 1 d ago"),
        ("due:today", "that are due today"),
        ("due:24h", "that are due no earlier than 24 h ago"),
        ("duration:>5s", "that took more than 5 s"),
        ("duration:<=1m30s", "that took at most 1 min 30 s"),
        ("wait:250ms..5s", "that waited 250 ms to 5 s"),
        ("wait:soon", "that waited soon"),
        ("attempt:>1", "whose attempt is more than 1"),
        ("attempt:2..", "whose attempt is at least 2"),
        ("priority:9", "whose priority is 9"),
        ("source:send", "whose source is send"),
        ("user:alice", "that were submitted by alice"),
    ],
)
def test_each_field_in_words(text: str, said: str) -> None:
    assert parse(text).in_words() == f"jobs {said}"


def test_chips_take_terms_out_and_facets_put_them_in() -> None:
    query = parse("state:dead actor:add")

    assert query.without(query.terms[0]) == "actor:add"
    assert query.with_("state", "held") == "state:held actor:add"
    assert query.with_("user", "a b") == 'user:"a b" state:dead actor:add'
    assert query.with_("state", None) == "actor:add"

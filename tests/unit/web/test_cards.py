"""Labels of table cells, from which a narrow page makes cards."""

from __future__ import annotations

from src.web.render.cards import carded

TABLE = (
    '<table class="rows"><thead><tr><th scope="col"><span class="unseen">Select</span></th><th scope="col">Job</th>'
    '<th scope="col">Error &amp; <em>place</em></th><th scope="col">Age</th></tr></thead>'
    '<tbody><tr><td class="choose">x</td><th scope="row">add</th><td>  </td><td class="number">3</td></tr>'
    '<tr><td class="choose">x</td><th>mul</th><td colspan="2">both</td></tr></tbody></table>'
)


def test_each_cell_names_its_column_and_an_empty_one_is_empty() -> None:
    made = carded(TABLE)
    assert '<td data-label="Error &amp; place"></td><td class="number" data-label="Age">3</td>' in made
    assert '<td colspan="2" data-label="Error &amp; place">both</td>' in made
    assert '<td class="choose">x</td><th scope="row">add</th>' in made
    assert made.startswith(TABLE[: TABLE.index("<tbody>")])


def test_a_heading_is_no_markup() -> None:
    made = carded('<table><thead><tr><th>a"&lt;b&gt;</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>')
    assert '<td data-label="a&#34;&lt;b&gt;">1</td>' in made


def test_a_table_without_headings_and_text_outside_of_tables_stay() -> None:
    for text in ("<p>no table <td></p>", "<table><tbody><tr><td>1</td></tr></tbody></table>"):
        assert carded(text) == text

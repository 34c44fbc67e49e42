"""Tables between pipes and in HTML, as documents have them."""

import pytest

from ft_emissions_pipeline.readers.shared.marked_tables import holds_tables, tables_of

HEADER, ROW = ["Model", "GPU hours"], ["bot-a", "12"]


@pytest.mark.parametrize(
    "text",
    [
        "| Model | GPU hours |\n|---|---:|\n| **bot-a** | `12` |",
        "Model | GPU hours\n--- | ---\nbot-a | 12",
        "<table><tr><th>Model</th><th>GPU hours</th></tr>"
        "<tr><td>bot-a</td><td>12</td></tr></table>",
        "<TABLE>\n<thead><tr><td>Model<td>GPU\n <b>hours</b>\n"
        "<tbody><tr><td>bot-a<td><p>12</TABLE>",
        "<table border='1'><tr><td>Model</td> x <td>GPU<br>hours</td></tr><tr><td>bot-a</td><td>12",
    ],
)
def test_a_table_however_it_is_marked(text):
    assert holds_tables(text.encode())
    assert list(tables_of(text)) == [(HEADER, [ROW])]


def test_each_table_is_one_of_its_own():
    text = "| a | b |\n|---|---|\n| 1 | 2 |\n\n<table><tr><td>c</td></tr></table><table></table>"
    assert list(tables_of(text)) == [(["a", "b"], [["1", "2"]]), (["c"], [])]


def test_fenced_code_and_text_hold_no_table():
    assert not list(tables_of("```html\n<table><tr><td>a</td></tr></table>\n```\n<td>b</td>"))
    assert not holds_tables(b"<td>b</td>")

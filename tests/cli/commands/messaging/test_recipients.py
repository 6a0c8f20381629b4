"""Files of recipients as people and their spreadsheets write them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.cli.commands.messaging.recipients import ROWS_MAX, RecipientRow, read_recipients, recipients_body
from openwa_manager.cli.errors import CommandFailedError

ANN = RecipientRow(2, "+85212345678", None, {"to": "+85212345678", "name": "Ann"})


def rows(text: str | bytes) -> list[RecipientRow]:
    raw = text.encode() if isinstance(text, str) else text
    return [*read_recipients(raw, "f.csv").rows]


def fault(text: str | bytes) -> str:
    with pytest.raises(CommandFailedError) as refused:
        rows(text)
    return str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "to,name\n+85212345678,Ann\n",
        "to;name\r\n+85212345678;Ann\r\n",
        "to\tname\n+85212345678\tAnn",
        "to,name\r+85212345678,Ann\r",
        "\ufeffto;name\r\n+85212345678;Ann;\r\n",
        '"to", name ,,\n "+85212345678", Ann ,,\n,,\n',
    ],
)
def test_every_way_of_writing_it_is_read(text: str) -> None:
    assert rows(text) == [ANN]


def test_a_line_by_which_excel_knows_the_separator_is_no_row() -> None:
    assert rows("sep=;\nto;name\n+85212345678;Ann\n") == [ANN._replace(line=3)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_the_mark_before_a_file_tells_how_it_is_written(encoding: str) -> None:
    assert rows("to\tname\r\n+85212345678\t李\r\n".encode(encoding))[0].cells["name"] == "李"


def test_the_recipients_are_in_the_column_to_wherever_it_is() -> None:
    assert rows("name,TO\nAnn,+85212345678\n")[0].to == "+85212345678"
    assert rows("phone,name\n+85212345678,Ann\n")[0].to == "+85212345678"


def test_references_are_no_obligation() -> None:
    read = rows("to,Reference\n1,a\n2,\n3\n")

    assert [row.reference for row in read] == ["a", None, None]


def test_a_cell_may_have_lines_and_separators_and_each_row_knows_where_it_begins() -> None:
    read = rows('to,text\n1,"a,\nb"\n\n2,c\n')

    assert [(row.line, row.cells["text"]) for row in read] == [(2, "a,\nb"), (5, "c")]


def test_only_what_the_template_uses_is_handed_over() -> None:
    found = read_recipients(b"to,name,salary,reference\n1,Ann,9,a\n2,,8,\n", "f.csv")

    assert recipients_body(found, ["name", "to"], keeps_empty=False) == [
        {"to": "1", "variables": {"to": "1", "name": "Ann"}, "reference": "a"},
        {"to": "2", "variables": {"to": "2"}},
    ]
    assert recipients_body(found, ["name"], keeps_empty=True)[1] == {"to": "2", "variables": {"name": ""}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "f.csv is empty"),
        ("\n\n", "f.csv is empty"),
        ("to,name\n", "no recipients"),
        ("+85212345678\n+85212345679\n", "f.csv, line 1: the first line names the columns"),
        ("85212345678@c.us,Ann\n", "f.csv, line 1: the first line names the columns"),
        ("8.52E+10,Ann\n", "f.csv, line 1: the first line names the columns"),
        ("to,,name\n1,2,3\n", "f.csv, line 1: column 2 has no name"),
        ("to,name,Name\n1,2,3\n", "f.csv, line 1: two columns are called Name"),
        ("to,name\n1,a\n2,Smith, Ann\n", "f.csv, line 3: 3 cells, but 2 columns have a name"),
        ("to,name\n1,a\n,b\n", "f.csv, line 3: nobody to write to: column to is empty"),
        ("to\n8.52123E+10\n", "f.csv, line 2: 8.52123E+10 is a number that the spreadsheet shortened"),
        ("to\n8,52123E+10\n", "f.csv, line 2"),
        (f"to,reference\n1,{'x' * 129}\n", "f.csv, line 2: a reference has at most 128 characters"),
        ('to,reference\n1,"a\nb"\n', "f.csv, line 2: a reference"),
        ('to,name\n1,"Ann\n2,Bob\n', "f.csv, line 2: this is no CSV: unexpected end of data"),
        ('to,name\n1,a\n2,"Ann"x\n', "f.csv, line 3: this is no CSV"),
        ("to,name\n1,José\n".encode("cp1252"), "f.csv, line 2: this is not UTF-8"),
        ("to,name\n1,Ann\n".encode("utf-16-le"), "f.csv, line 1: this is not UTF-8"),
        (b"PK\x03\x04\x00\x00", "f.csv, line 1: this is not UTF-8"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(text: str | bytes, words: str) -> None:
    assert words in fault(text)


def test_many_faults_are_told_at_once_but_not_all() -> None:
    told = fault("to,name\n" + ",Ann\n" * 15).splitlines()

    assert (len(told), told[0][:13], told[-1]) == (11, "f.csv, line 2", "and 5 lines more")


def test_a_batch_has_only_so_many_recipients() -> None:
    lines = "".join(f"+8521{number:07}\n" for number in range(ROWS_MAX))

    assert len(rows(f"to\n{lines}")) == ROWS_MAX
    assert "f.csv, line 10002: a batch has at most 10,000 recipients" in fault(f"to\n{lines}+85212345678\n")


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(str.strip).filter(bool)


@given(
    names=st.lists(st.tuples(st.integers(1, 99), CELL), min_size=1, max_size=20),
    separator=st.sampled_from(",;\t"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_whatever_is_in_the_cells_is_read_as_it_was_written(
    names: list[tuple[int, str]], separator: str, line_end: str, encoding: str
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator=line_end)
    writer.writerows([("to", "name"), *names])

    read = rows(file.getvalue().encode(encoding))

    assert [(int(row.to), row.cells["name"]) for row in read] == names
    assert [row.line for row in read] == [*range(2, len(names) + 2)]


@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(raw: bytes) -> None:
    try:
        read = read_recipients(raw, "f.csv")
    except CommandFailedError:
        return
    assert read.rows

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""An answer on a terminal, and the same in plain text where stdout is a file or a pipe.

Model and database choose what is shown, so nothing of it may steer the terminal or count as markup: every text goes
through `harmless` and is printed as it then stands. Only colours that can be read on dark and light ground are used.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.syntax import ANSISyntaxTheme
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from arctic_text2sql_r1.asking.answer import Answer
from arctic_text2sql_r1.asking.answer import told_count
from arctic_text2sql_r1.asking.answer import told_votes

_MOST_CELL_CHARACTERS = 60  # on a terminal; where there is no terminal values are whole
_MOST_RECORDS = 5  # of a result too wide for a table
_JOINERS = "\u200c\u200d"  # without them some scripts and emoji fall apart
_NULL = "NULL"
_THEME = ANSISyntaxTheme(
    {
        ("Keyword",): Style(bold=True),
        ("Literal", "String"): Style(color="green"),
        ("Literal", "Number"): Style(color="magenta"),
        ("Comment",): Style(dim=True),
    }
)


def harmless(text: str, keep: str = "") -> str:
    """`text` with everything that does not print, and is not in `keep`, as the escape that Python writes for it."""
    return "".join(char if _prints(char) or char in keep else _escaped(char) for char in text)


def _prints(char: str) -> bool:
    return char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs"


def _escaped(char: str) -> str:
    return repr(char)[1:-1]


def value_text(value: Any) -> str:
    """One value, in the form that `databases/shown.py` gives it, in one line."""
    if value is None:
        return _NULL
    if not isinstance(value, dict):
        return harmless(str(value))
    if "blob" in value:
        cut = "…" if 2 * value["bytes"] > len(value["blob"]) else ""
        return f"x'{value['blob']}{cut}'" + (f" ({value['bytes']:,} bytes)" if value["bytes"] > 8 else "")
    if "text" in value:
        return f"{harmless(value['text'])}… ({value['characters']:,} characters)"
    return str(value["real"])


def print_answer(answer: Answer, console: Console) -> None:
    """The thought, the SQL, the rows or what went wrong, and how many rows there are.

    An answer that failed shows the whole completion in place of the thought.
    """
    if not answer.ok:
        _print_failure(answer, console)
        return
    if answer.reasoning != "":
        _print_text(harmless(answer.reasoning, keep="\n\t"), "dim italic", console)
        console.print()
    _print_sql(answer.sql or "", console)
    console.print()
    _print_rows(answer, console)
    if answer.votes is not None:
        _print_text(told_votes(answer.votes), "dim", console)
        if answer.votes.runner_up_sql is not None:
            _print_text(f"the next: {harmless(' '.join(answer.votes.runner_up_sql.split()))}", "dim", console)
    took = f", {answer.seconds:.1f} s" if console.is_terminal else ""
    _print_text(told_count(answer) + took, "dim", console)


def _print_failure(answer: Answer, console: Console) -> None:
    if answer.completion != "":
        _print_text("The model wrote:", "dim", console)
        _print_text(harmless(answer.completion, keep="\n\t"), "", console)
        console.print()
    _print_text(harmless(answer.error or answer.status), "bold red", console)
    if answer.votes is not None:
        _print_text(f"None of {answer.votes.samples} completions returned rows; this is the first.", "dim", console)


def _print_text(text: str, style: str, console: Console) -> None:
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def _print_sql(sql: str, console: Console) -> None:
    sql = harmless(sql, keep="\n\t")
    if not console.is_terminal:
        _print_text(sql, "", console)
        return
    console.print(Syntax(sql, "sql", theme=_THEME, word_wrap=True, background_color="default"))


def _print_rows(answer: Answer, console: Console) -> None:
    names = [harmless(name) for name in answer.columns]
    rows = [[value_text(value) for value in row] for row in answer.rows]
    if not console.is_terminal:
        _print_plain(names, rows, console)
        return
    short = [[_short(text) for text in row] for row in rows]
    if _width([[_short(name) for name in names], *short]) <= console.width:
        console.print(_table([_short(name) for name in names], short, answer.rows))
    else:
        _print_records(names, rows[:_MOST_RECORDS], console)
        if len(rows) > _MOST_RECORDS:
            _print_text(
                f"… the first {_MOST_RECORDS} rows: too wide for a table (--json has all columns)", "dim", console
            )


def _print_plain(names: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> None:
    """Markdown, each row in one line however long."""
    for row in [names, ["---"] * len(names), *rows]:
        _print_text("| " + " | ".join(text.replace("|", "\\|") for text in row) + " |", "", console)


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CELL_CHARACTERS else text[: _MOST_CELL_CHARACTERS - 1] + "…"


def _width(rows: Sequence[Sequence[str]]) -> int:
    """How many characters a table of these rows takes."""
    return sum(max(cell_len(text) for text in column) + 3 for column in zip(*rows, strict=True))


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], values: Sequence[Sequence[Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, name in enumerate(names):
        numeric = all(isinstance(row[place], int | float | None) for row in values)
        table.add_column(Text(name), justify="right" if numeric else "left", no_wrap=True)
    for row, kept in zip(rows, values, strict=True):
        table.add_row(*(Text(text, style=_style(value)) for text, value in zip(row, kept, strict=True)))
    return table


def _style(value: Any) -> str:
    return "dim" if value is None or isinstance(value, dict) else ""


def _print_records(names: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> None:
    """One line for each value: what a result that is wider than the terminal looks like."""
    names = [_short(name) for name in names]
    widest = max(cell_len(name) for name in names)
    for number, row in enumerate(rows, start=1):
        _print_text(f"row {number}", "bold", console)
        for name, text in zip(names, row, strict=True):
            line = Text(f"  {name}{' ' * (widest - cell_len(name))}  ", style="dim")
            line.append(text, style="not dim")
            console.print(line, no_wrap=True, overflow="ellipsis")

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""An answer on a terminal of 80 columns and in a notebook, and what the Python interface gives."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from arctic_text2sql_r1.asking.answer import Answer
from arctic_text2sql_r1.asking.asker import Asker
from arctic_text2sql_r1.asking.asker import open_asker
from arctic_text2sql_r1.asking.options import AskOptions
from arctic_text2sql_r1.asking.screen import harmless
from arctic_text2sql_r1.asking.screen import print_answer
from arctic_text2sql_r1.errors import DataError
from tests.asking.conftest import RECITE
from tests.asking.conftest import says

Answers = Callable[[str], Answer]


@pytest.fixture
def answer(voice: Path, concert_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What comes of a completion, through the Python interface."""

    def run(completion: str, **options: Any) -> Answer:
        monkeypatch.setenv("SCRIPT", json.dumps([completion]))
        chosen = AskOptions(str(voice), str(concert_db), engine=RECITE, cache_dir=tmp_path, **options)
        with open_asker(chosen) as asker:
            return asker.ask("?")

    return run


def on_terminal(answer: Answer, width: int = 80) -> list[str]:
    """The lines without colours."""
    console = Console(force_terminal=True, width=width, highlight=False, color_system=None)
    with console.capture() as captured:
        print_answer(answer, console)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_numbers_stand_right_and_texts_left(answer: Answers) -> None:
    lines = on_terminal(answer(says("SELECT name, age FROM singer LIMIT 3 OFFSET 2", thought="")))
    assert lines[2:7] == [
        "name             age",
        "────────────────────",
        "Rose              41",
        "Rose              41",
        '"Tribal" King   NULL',
    ]
    assert lines[7].startswith("3 rows, ")


def test_a_long_value_is_shortened_on_a_terminal_and_whole_elsewhere(answer: Answers) -> None:
    found = answer(says("SELECT printf('%.*c', 500, 'x') AS v"))
    assert found.rows == (("x" * 500,),)
    assert any(line.startswith("xxx") and line.endswith("…") for line in on_terminal(found))


def test_a_result_wider_than_the_terminal_is_written_value_by_value(answer: Answers) -> None:
    columns = ", ".join(f"'value {n} 東京' AS column_{n}" for n in range(12))
    lines = on_terminal(answer(says(f"SELECT {columns} FROM singer, stadium")))
    assert "row 1" in lines and "row 5" in lines and "row 6" not in lines
    assert "  column_11  value 11 東京" in lines
    assert "15 rows" in lines[-1] and "too wide for a table" in lines[-2]
    assert max(cell_len(line) for line in lines) <= 80


def test_blobs_and_names_that_are_markup_are_shown_as_they_are(answer: Answers) -> None:
    lines = on_terminal(answer(says("SELECT x'00ff' AS \"[red]b[/]\", zeroblob(9000) AS z, '[bold]' AS t")))
    assert any("[red]b[/]" in line for line in lines)
    assert any("[bold]" in line and "x'00ff'" in line for line in lines)


def test_sql_is_shown_as_it_was_written(answer: Answers) -> None:
    sql = "SELECT 1 -- one\n  AS x,\n\t2 AS y"
    assert on_terminal(answer(says(sql, thought="")))[:3] == ["SELECT 1 -- one", "  AS x,", "    2 AS y"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("\u202eevil", "\\u202eevil"),
        ("a\r\nb\u2028", "a\\r\\nb\\u2028"),
        ("\x9b2J", "\\x9b2J"),
        ("größe 東京 👩\u200d👩\u3000x", "größe 東京 👩\u200d👩\u3000x"),
    ],
)
def test_what_does_not_print_is_written_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_a_notebook_gets_data_as_text(answer: Answers) -> None:
    sql = "SELECT '<script>alert(1)</script>' AS \"<b>\", NULL AS n"
    page = answer(says(sql, thought="<img src=x>"))._repr_html_()
    assert "<script" not in page and "<b>" not in page and "<img" not in page
    assert "<th>&lt;b&gt;</th><th>n</th>" in page
    assert "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td><td>NULL</td>" in page


def test_a_notebook_is_told_what_went_wrong(answer: Answers) -> None:
    page = answer(says("DROP TABLE <x>"))._repr_html_()
    assert "DROP TABLE &lt;x&gt;" in page and "Refused" in page


def test_a_prompt_that_does_not_fit_is_shortened_or_refused_with_the_numbers(
    voice: Path, concert_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPT", json.dumps([says("SELECT 1")]))
    options = AskOptions(str(voice), str(concert_db), engine=RECITE, cache_dir=tmp_path, max_new_tokens=100)
    with open_asker(options) as asker:
        whole = asker.ask("?").prompt_tokens
        fits = with_context(asker, whole + 99).ask("?")
        assert (fits.shortened, fits.status) == ("without_values", "ok")
        refused = with_context(asker, 150).ask("?")
    assert (refused.status, refused.completion) == ("prompt_too_long", "")
    assert f"has {whole:,} tokens" in str(refused.error) and "holds 150, of which 100 are kept" in str(refused.error)


def with_context(asker: Asker, length: int) -> Asker:
    """The same, over a model whose context is that long."""
    sampler = replace(asker._sampler, settings=replace(asker._sampler.settings, context_length=length))
    return Asker(asker.options, asker.db_path, sampler, asker._reader, asker.notes)


def test_one_model_answers_many_questions_each_with_its_own_vote(
    voice: Path, concert_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPT", json.dumps([says("SELECT 1"), says("SELECT 2")]))
    with open_asker(AskOptions(str(voice), str(concert_db), engine=RECITE, cache_dir=tmp_path)) as asker:
        assert [asker.ask("?").rows, asker.ask("?").rows] == [((1,),), ((2,),)]
        votes = asker.ask("?", vote=4).votes
        assert votes is not None and (votes.samples, votes.agreed, votes.runner_up) == (4, 2, 2)
        with pytest.raises(DataError, match="No table 'x'"):
            asker.schema("x")

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The extraction table: what each parser takes from each shape of completion, and why it refuses the rest."""

import time

import pytest

from arctic_text2sql_r1.prompts.formats import COMPLETION_FORMATS
from arctic_text2sql_r1.prompts.formats import extract_sql
from arctic_text2sql_r1.prompts.formats import render_completion

SQL = "SELECT 1"
# (completion, strict prediction or problem, lenient prediction or problem)
THINK_ANSWER = [
    ("<think>a</think><answer>SELECT 1</answer>", SQL, SQL),
    (" \n<think>\na\n</think>\n\n<answer>\nSELECT 1\n</answer>\n", SQL, SQL),
    ("<think></think><answer>```sql\nSELECT 1\n```</answer>", SQL, SQL),
    ("<think></think><answer>```SQL\nSELECT 1\n```</answer>", SQL, SQL),
    ("<think></think><answer>```\nSELECT 1\n```</answer>", SQL, SQL),
    ("<think></think><answer>```sql SELECT 1```</answer>", SQL, SQL),
    ("<think>```sql\nSELECT 2\n```</think><answer>SELECT 1</answer>", SQL, SQL),
    ("", "empty_completion", "empty_completion"),
    (" \n\t", "empty_completion", "empty_completion"),
    ("The answer is SELECT 1.", "no_think", "no_answer"),
    ("<answer>SELECT 1</answer>", "no_think", SQL),
    ("<think>a</think>", "no_answer", "no_answer"),
    ("<think>SELECT 1</think>", "no_answer", "no_answer"),
    ("<think>```sql\nSELECT 1\n```</think>", "no_answer", "no_answer"),
    ("<think>a<answer>SELECT 1</answer>", "unclosed_think", "unclosed_think"),
    ("<think><answer>SELECT 1</answer></think>", "wrong_order", "no_answer"),
    ("<answer>SELECT 1</answer><think>a</think>", "wrong_order", "no_answer"),
    ("<think><answer>SELECT 2</answer></think><answer>SELECT 1</answer>", "two_answers", SQL),
    ("<think>a</think><answer>SELECT 2</answer><answer>SELECT 1</answer>", "two_answers", SQL),
    ("<think>a</think><answer>SELECT 1</answer><answer>SELECT 2", "two_answers", SQL),
    ("<think>a</think><answer>SELECT 1", "unclosed_answer", "unclosed_answer"),
    ("<think>a</think></answer>SELECT 1<answer>", "wrong_order", "unclosed_answer"),
    ("<think>a</think><answer></answer>", "empty_answer", "empty_answer"),
    ("<think>a</think><answer>```sql\n```</answer>", "empty_answer", "empty_answer"),
    ("<think>a</think><answer>```sql\nSELECT 1</answer>", "bad_fence", "bad_fence"),
    ("<think>a</think><answer>so: ```sql\nSELECT 1\n```</answer>", "bad_fence", SQL),
    ("<think>a</think><answer>```\nSELECT 2\n```\n```\nSELECT 1\n```</answer>", "bad_fence", SQL),
    ("<think>a</think><answer>```\nSELECT 1\n``` or ```\nSELECT 2</answer>", "bad_fence", SQL),
    ("hm <think>a</think><answer>SELECT 1</answer>", "text_around", SQL),
    ("<think>a</think> so <answer>SELECT 1</answer>", "text_around", SQL),
    ("<think>a</think><answer>SELECT 1</answer> done", "text_around", SQL),
    ("<think>a</think><think>b</think><answer>SELECT 1</answer>", "two_thinks", SQL),
    ("<think>a<think>b</think><answer>SELECT 2</answer></think>", "two_thinks", "no_answer"),
    ("<think>a</think><answer>SELECT 1</answer><think><answer>SELECT 2</answer>", "two_thinks", SQL),
    ("</think><think><answer>SELECT 1</answer>", "wrong_order", "unclosed_think"),
    ("<THINK>a</THINK><ANSWER>SELECT 1</ANSWER>", "no_think", "no_answer"),
]
FENCED = [
    ("```sql\nSELECT 1\n```", SQL, SQL),
    ("Here: ```sql\nSELECT 1\n``` ok", "bad_fence", SQL),
    ("SELECT 1", "no_fence", "no_fence"),
    ("```sql\nSELECT 1", "bad_fence", "bad_fence"),
    ("<think>```sql\nSELECT 2\n```</think>", "bad_fence", "empty_answer"),
    ("<think>x</think>```sql\nSELECT 1\n```", "bad_fence", SQL),
]
PLAIN = [
    ("SELECT 1", SQL, SQL),
    ("SELECT 'sql' ", "SELECT 'sql'", "SELECT 'sql'"),
    ("```sql\nSELECT 1\n```", "bad_fence", SQL),
    ("<think>SELECT 2</think>SELECT 1", "<think>SELECT 2</think>SELECT 1", SQL),
]
ROWS = [
    (name, *row)
    for name, rows in (("think_answer", THINK_ANSWER), ("fenced", FENCED), ("plain", PLAIN))
    for row in rows
]


def _found(text: str, name: str, parser: str) -> str | None:
    parsed = extract_sql(text, completion_format=name, parser=parser)
    assert (parsed.prediction is None) != (parsed.problem is None)
    return parsed.prediction or parsed.problem


@pytest.mark.parametrize(("name", "text", "strict", "lenient"), ROWS)
def test_strict_parser_takes_only_a_whole_completion(name: str, text: str, strict: str, lenient: str) -> None:
    assert _found(text, name, "strict") == strict


@pytest.mark.parametrize(("name", "text", "strict", "lenient"), ROWS)
def test_lenient_parser_takes_the_last_answer_outside_the_thought(
    name: str, text: str, strict: str, lenient: str
) -> None:
    assert _found(text, name, "lenient") == lenient


@pytest.mark.parametrize("parser", ["strict", "lenient"])
def test_prefilled_opening_tag_counts_as_written(parser: str) -> None:
    parsed = extract_sql("a</think><answer>SELECT 1</answer>", parser=parser, prefill="<think>")
    assert parsed.prediction == SQL


def test_completion_without_the_prefilled_tag_is_refused_when_nothing_was_prefilled() -> None:
    assert extract_sql("a</think><answer>SELECT 1</answer>").problem == "no_think"


def test_empty_completion_stays_empty_behind_a_prefill() -> None:
    assert extract_sql("", prefill="<think>").problem == "empty_completion"


@pytest.mark.parametrize("name", sorted(COMPLETION_FORMATS))
@pytest.mark.parametrize("parser", ["strict", "lenient"])
def test_rendered_target_parses_back(name: str, parser: str) -> None:
    sql = "SELECT a, 'x''y'\nFROM t -- end"
    assert _found(render_completion(sql, "first a, then b", name), name, parser) == sql


@pytest.mark.parametrize("piece", ["<think>", "</think>", "<answer>", "</answer>", "```", "<", "<think></think>"])
@pytest.mark.parametrize("parser", ["strict", "lenient"])
def test_ten_megabytes_of_tags_parse_in_linear_time(piece: str, parser: str) -> None:
    text = piece * (10_000_000 // len(piece))
    start = time.process_time()
    for name in COMPLETION_FORMATS:
        extract_sql(text, completion_format=name, parser=parser)
    assert time.process_time() - start < 2.0


def test_unknown_format_and_parser_are_named() -> None:
    with pytest.raises(ValueError, match="'xml'.*think_answer, fenced, plain"):
        extract_sql("x", completion_format="xml")
    with pytest.raises(ValueError, match="'loose'.*strict, lenient"):
        extract_sql("x", parser="loose")

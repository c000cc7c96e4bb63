# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The extraction table: what each parser takes from each shape of completion, and why it refuses the rest."""

import re

import pytest

from arctic_text2sql_r1.prompts.formats import COMPLETION_FORMATS
from arctic_text2sql_r1.prompts.formats import ParsedCompletion
from arctic_text2sql_r1.prompts.formats import extract_sql
from arctic_text2sql_r1.prompts.formats import extract_thought
from arctic_text2sql_r1.prompts.formats import render_completion
from arctic_text2sql_r1.prompts.formats import whole_completion

SQL = "SELECT 1"
# (completion, strict prediction or problem, lenient prediction or problem). Rows of the tagged formats are written
# with <think>/<answer> and run for `solution` too, its tags put in their place.
TAGGED = [
    ("<think>a</think><answer>SELECT 1</answer>", SQL, SQL),
    (" \n<think>\na\n</think>\n\n<answer>\nSELECT 1\n</answer>\n", SQL, SQL),
    ("<think></think><answer>```sql\nSELECT 1\n```</answer>", SQL, SQL),
    ("<think></think><answer>\n```SQL\nSELECT 1\n```\n</answer>", SQL, SQL),
    ("<think></think><answer>```SQLite\nSELECT 1\n```</answer>", SQL, SQL),
    ("<think></think><answer>```PostgreSQL\nSELECT 1\n```</answer>", SQL, SQL),
    ("<think></think><answer>```\nSELECT 1\n```</answer>", SQL, SQL),
    ("<think></think><answer>```sql SELECT 1```</answer>", SQL, SQL),
    ("<think>```sql\nSELECT 2\n```</think><answer>SELECT 1</answer>", SQL, SQL),
    ("", "empty_completion", "empty_completion"),
    (" \n\t", "empty_completion", "empty_completion"),
    ("The answer is SELECT 1.", "no_think", "no_answer"),
    # A part is missing or stands in the wrong place.
    ("<answer>SELECT 1</answer>", "no_think", SQL),
    ("a</think><answer>SELECT 1</answer>", "no_think", SQL),
    ("<think>a</think>", "no_answer", "no_answer"),
    ("<think>SELECT 1</think>", "no_answer", "no_answer"),
    ("<think>```sql\nSELECT 1\n```</think>", "no_answer", "no_answer"),
    ("<think>a</think>```sql\nSELECT 1\n```", "no_answer", "no_answer"),
    ("<think>a<answer>SELECT 1</answer>", "unclosed_think", "unclosed_think"),
    ("<think>a</ think><answer>SELECT 1</answer>", "unclosed_think", "unclosed_think"),
    ("<answer>SELECT 2</answer><think>a", "unclosed_think", "unclosed_think"),
    ("<think><answer>SELECT 1</answer></think>", "wrong_order", "no_answer"),
    ("<think>a<answer></think>SELECT 1</answer>", "wrong_order", "no_answer"),
    ("<answer>SELECT 1</answer><think>a</think>", "wrong_order", "no_answer"),
    ("</think><think><answer>SELECT 1</answer>", "wrong_order", "unclosed_think"),
    ("<think>a</think></answer>SELECT 1<answer>", "wrong_order", "unclosed_answer"),
    ("<think>a</think><answer>SELECT 1", "unclosed_answer", "unclosed_answer"),
    # Something stands twice.
    ("<think><answer>SELECT 2</answer></think><answer>SELECT 1</answer>", "two_answers", SQL),
    ("<think>a</think><answer>SELECT 2</answer><answer>SELECT 1</answer>", "two_answers", SQL),
    ("<think>a</think><answer>SELECT 1</answer><answer>SELECT 2", "two_answers", SQL),
    ("<think>a</think><answer>SELECT 2<answer>SELECT 1</answer>", "two_answers", SQL),
    ("<think>a</think><answer>SELECT 1</answer> UNION SELECT 2 </answer>", "two_answers", SQL),
    ("<think>a</think><answer>SELECT 1</answer><answer></answer>", "two_answers", "empty_answer"),
    ("<think>a</think><think>b</think><answer>SELECT 1</answer>", "two_thinks", SQL),
    ("<think><think>a</think><answer>SELECT 1</answer>", "two_thinks", SQL),
    ("<think>a<think>b</think><answer>SELECT 2</answer></think>", "two_thinks", "no_answer"),
    ("<think>a</think><answer>SELECT 2</answer><think>b</think>", "two_thinks", "no_answer"),
    ("<think>a</think><answer>SELECT 1</answer><think><answer>SELECT 2</answer>", "two_thinks", SQL),
    ("<think>a</think><think>b<answer>SELECT 2</answer>", "two_thinks", "unclosed_think"),
    # The answer's inside.
    ("<think>a</think><answer></answer>", "empty_answer", "empty_answer"),
    ("<think>a</think><answer>```sql\n```</answer>", "empty_answer", "empty_answer"),
    ("<think>a</think><answer>```sql```</answer>", "empty_answer", "empty_answer"),
    ("<think>a</think><answer>```sql\nSELECT 1</answer>", "bad_fence", "bad_fence"),
    ("<think>a</think><answer>SELECT '```'</answer>", "bad_fence", "bad_fence"),
    ("<think>a</think><answer>so: ```sql\nSELECT 1\n```</answer>", "bad_fence", SQL),
    ("<think>a</think><answer>```sql\nSELECT 1\n```\nThis counts.</answer>", "bad_fence", SQL),
    ("<think>a</think><answer>```\nSELECT 2\n```\n```\nSELECT 1\n```</answer>", "bad_fence", SQL),
    ("<think>a</think><answer>```\nSELECT 1\n``` or ```\nSELECT 2</answer>", "bad_fence", SQL),
    ("<think>a</think><answer>SELECT ~~~1</answer>", "SELECT ~~~1", "SELECT ~~~1"),
    ("<think>a</think><answer>SELECT '&lt;'</answer>", "SELECT '&lt;'", "SELECT '&lt;'"),
    ("<think>a</think><answer>sql\nSELECT 1</answer>", "sql\nSELECT 1", "sql\nSELECT 1"),
    ("<think>a</think><answer>SELECT '<answer>'</answer>", "two_answers", "'"),
    ("<think>a</think><answer>SELECT '</answer>'</answer>", "two_answers", "SELECT '"),
    ("<think>a</think><answer>SELECT '<think>'</answer>", "two_thinks", "unclosed_answer"),
    ("<think>a</think><answer>SELECT '</think>'</answer>", "two_thinks", "no_answer"),
    # Text around, and spelling.
    ("hm <think>a</think><answer>SELECT 1</answer>", "text_around", SQL),
    ("<think>a</think> so <answer>SELECT 1</answer>", "text_around", SQL),
    ("<think>a</think><answer>SELECT 1</answer> done", "text_around", SQL),
    ("<think>a</think><answer>SELECT 1</answer><|im_end|>", "text_around", SQL),
    ("\ufeff<think>a</think><answer>SELECT 1</answer>", "text_around", SQL),
    ("<THink>a</thinK><aNSWer>SELECT 1</Answer>", "no_think", SQL),
    ("<think>a</thinK><answer>SELECT 1</answer>", "unclosed_think", SQL),
    ("<think>a</think><aNSWer>SELECT 1</Answer>", "no_answer", SQL),
    ("<think>a</think><answer>SELECT 1</Answer>", "unclosed_answer", SQL),
    ("<think>a</think><answer>SELECT 1</answer><aNSWer>SELECT 2</Answer>", "two_answers", "SELECT 2"),
    # Characters whose lower case is longer, not encodable, or ASCII: tags are found where they are, in ASCII only.
    ("<THink>İ</thinK>İ\ud800<aNSWer>İİ ```SELECT 1```</Answer>", "no_think", SQL),
    ("<think>a</thin\u212a><answer>SELECT 2</answer>", "unclosed_think", "unclosed_think"),
]
THINK_ANSWER = [
    ("<think>a <start_working_out> b</think><answer>SELECT 1</answer>", SQL, SQL),
    ("<think>a<end_working_out><answer>SELECT 2</answer>", "unclosed_think", "unclosed_think"),
    ("<think>a</think><answer><end_working_out>SELECT 1</answer>", "thought_in_answer", "no_answer"),
]
SOLUTION = [
    # What models write that are used to closing tags with a slash, or to thinking in tags of their own.
    ("<start_working_out>a</start_working_out><SOLUTION>SELECT 2</SOLUTION>", "unclosed_think", "unclosed_think"),
    ("<start_working_out>a</think><SOLUTION>SELECT 2</SOLUTION>", "unclosed_think", "unclosed_think"),
    ("<think>a</think><SOLUTION>SELECT 1</SOLUTION>", "no_think", SQL),
    ("<think>a<SOLUTION>SELECT 2</SOLUTION></think>", "no_think", "no_answer"),
    ("<think>a<end_working_out><SOLUTION>SELECT 2</SOLUTION>", "no_think", "unclosed_think"),
    ("<think>a</think><start_working_out>b<end_working_out><SOLUTION>SELECT 1</SOLUTION>", "text_around", SQL),
]
FENCED = [
    ("```sql\nSELECT 1\n```", SQL, SQL),
    ("```sqlite3\nSELECT 1\n```", SQL, SQL),
    ("Here: ```sql\nSELECT 1\n``` ok", "bad_fence", SQL),
    ("```sql\nSELECT 1\n```<|im_end|>", "bad_fence", SQL),
    ("SELECT 1", "no_fence", "no_fence"),
    ("```sql\nSELECT 1", "bad_fence", "bad_fence"),
    ("```\n\n```", "empty_answer", "empty_answer"),
    ("<think>```sql\nSELECT 2\n```</think>", "bad_fence", "empty_answer"),
    ("<think>```sql\nSELECT 2\n```", "bad_fence", "unclosed_think"),
    ("```sql\nSELECT 2\n```<think>b", "bad_fence", "unclosed_think"),
    ("<think>x</think>```sql\nSELECT 1\n```", "bad_fence", SQL),
    ("```sql\n-- <think>\nSELECT 2 -- </think>\n```", "thought_in_answer", "bad_fence"),
]
PLAIN = [
    ("SELECT 1", SQL, SQL),
    ("SELECT 'sql' ", "SELECT 'sql'", "SELECT 'sql'"),
    ("sql SELECT 1", "sql SELECT 1", "sql SELECT 1"),
    ("```sql\nSELECT 1\n```", "bad_fence", SQL),
    ("SELECT `a` FROM `t`", "SELECT `a` FROM `t`", "SELECT `a` FROM `t`"),
    ("SELECT 1<|im_end|>\n<|endoftext|> ", "text_around", SQL),
    ("<|im_end|>", "text_around", "empty_answer"),
    ("<think>SELECT 2</think>SELECT 1", "thought_in_answer", SQL),
    ("<think>SELECT 2</think>", "thought_in_answer", "empty_answer"),
    ("SELECT '<THINK>'", "thought_in_answer", "unclosed_think"),
]
AS_SOLUTION = {
    "<think>": "<start_working_out>",
    "<THink>": "<START_working_out>",
    "</think>": "<end_working_out>",
    "</thinK>": "<end_working_ouT>",
    "</ think>": "</ end_working_out>",
    "</thin\u212a>": "<end_wor\u212aing_out>",
    "<answer>": "<SOLUTION>",
    "<aNSWer>": "<sOLUTion>",
    "</answer>": "</SOLUTION>",
    "</Answer>": "</Solution>",
}


def _as_solution(text: str) -> str:
    return re.sub("|".join(AS_SOLUTION), lambda tag: AS_SOLUTION[tag[0]], text)


ROWS = [
    *(("think_answer", *row) for row in TAGGED + THINK_ANSWER),
    *(("solution", *map(_as_solution, row)) for row in TAGGED),
    *(("solution", *row) for row in SOLUTION),
    *(("fenced", *row) for row in FENCED),
    *(("plain", *row) for row in PLAIN),
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


def test_documented_problems_are_those_of_the_table() -> None:
    documented = re.findall(r"\w+_\w+", (ParsedCompletion.__doc__ or "").split("tags:")[1])
    problems = {extract_sql(text, name, parser).problem for name, text, *_ in ROWS for parser in ("strict", "lenient")}
    assert set(documented) == problems - {None}


@pytest.mark.parametrize("parser", ["strict", "lenient"])
@pytest.mark.parametrize("prefill", ["<think>", "<think>\n"])
@pytest.mark.parametrize("repeated", ["", "<think>", "\n<think>\n"])
def test_prefilled_tag_counts_as_written_once(parser: str, prefill: str, repeated: str) -> None:
    text = f"{repeated}a</think><answer>SELECT 1</answer>"
    assert extract_sql(text, parser=parser, prefill=prefill).prediction == SQL


def test_prefilled_tag_is_forgiven_one_repetition_only() -> None:
    text = "<think><think>a</think><answer>SELECT 1</answer>"
    assert extract_sql(text, prefill="<think>").problem == "two_thinks"
    assert extract_sql(text, prefill="<think>", parser="lenient").prediction == SQL


@pytest.mark.parametrize("text", ["<answer>SELECT 2</answer>", "SELECT 2"])
@pytest.mark.parametrize("parser", ["strict", "lenient"])
def test_prefilled_thought_that_is_never_closed_yields_nothing(text: str, parser: str) -> None:
    assert extract_sql(text, parser=parser, prefill="<think>").problem == "unclosed_think"


def test_whole_completion_without_a_prefill_is_the_text() -> None:
    assert whole_completion(" a", prefill="") == " a"
    assert whole_completion("a", prefill="<think>\n") == "<think>\na"


def test_empty_completion_stays_empty_behind_a_prefill() -> None:
    assert extract_sql("", prefill="<think>").problem == "empty_completion"


@pytest.mark.parametrize("name", sorted(COMPLETION_FORMATS))
@pytest.mark.parametrize("parser", ["strict", "lenient"])
def test_rendered_target_parses_back(name: str, parser: str) -> None:
    sql = "SELECT a, 'x''y'\nFROM t -- end"
    assert _found(render_completion(sql, "first a, then b", name), name, parser) == sql


@pytest.mark.parametrize(
    ("sql", "thought", "problem"),
    [("SELECT '<answer>'", "a", "two_answers"), ("SELECT 1", "</think>", "two_thinks"), (" ", "a", "empty_answer")],
)
def test_target_that_would_not_parse_back_is_refused(sql: str, thought: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"think_answer.*{problem}.*drop the example"):
        render_completion(sql, thought)


def test_unknown_format_and_parser_are_named() -> None:
    with pytest.raises(ValueError, match="'xml'.*think_answer, solution, fenced, plain"):
        extract_sql("x", completion_format="xml")
    with pytest.raises(ValueError, match="'loose'.*strict, lenient"):
        extract_sql("x", parser="loose")


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("```sql\nSELECT 1\n```\nIt returns\n```text\n1 row\n```", None, "SELECT 1"),
        ("```SQL\nSELECT 1\n```\n```\n| 1 |\n```", None, "SELECT 1"),
        ("```\nSELECT 1\n```\n```\nSELECT 2\n```", None, "SELECT 2"),
        ("```python\nprint(1)\n```", None, None),
        ("``` sql\nSELECT 1\n```", "SELECT 1", "SELECT 1"),
        ("```SELECT\n 1\n```", "SELECT\n 1", "SELECT\n 1"),
        ("```sql SELECT 1```", "SELECT 1", "SELECT 1"),
        ("```sql\nSELECT 1<|im_end|>\n```", None, "SELECT 1"),
    ],
)
def test_a_fence_is_read_by_the_language_it_names(text: str, strict: str | None, lenient: str | None) -> None:
    assert extract_sql(text, "fenced", parser="strict").prediction == strict
    assert extract_sql(text, "fenced", parser="lenient").prediction == lenient


@pytest.mark.parametrize("word", ["thinking", "thought", "reasoning"])
def test_an_answer_inside_a_thought_of_another_name_is_not_run(word: str) -> None:
    text = f"<{word}>as <answer>SELECT 2</answer> shows</{word}>"
    assert extract_sql(text, parser="lenient").prediction is None


@pytest.mark.parametrize(
    ("text", "prefill", "thought"),
    [
        ("<think>\na\nb\n</think><answer>SELECT 1</answer>", "", "a\nb"),
        ("a</think><answer>SELECT 1</answer>", "<think>", "a"),
        ("a</think><answer>SELECT 1</answer>", "", "a"),
        ("<THINK>a</Think> <answer>SELECT 1</answer>", "", "a"),
        ("<think>a <reasoning>b</reasoning> <think>c</think> d", "", "a b c"),
        ("a <answer>SELECT 1</answer>", "", "a"),
        ("<think>a, and never", "", "a, and never"),
        ("", "<think>", ""),
    ],
)
def test_the_thought_is_read_without_its_tags(text: str, prefill: str, thought: str) -> None:
    assert " ".join(extract_thought(text, prefill=prefill).split()) == " ".join(thought.split())


@pytest.mark.parametrize("name", ["plain", "fenced"])
def test_formats_that_ask_for_no_thought_have_none(name: str) -> None:
    assert extract_thought("words\n```sql\nSELECT 1\n```", name) == ""

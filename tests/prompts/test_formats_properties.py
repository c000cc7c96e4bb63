# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What holds for the parsers on any text: they answer, agree with each other, keep out of thoughts, stay linear."""

import re
import time

import pytest
from hypothesis import assume
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from arctic_text2sql_r1.prompts.formats import COMPLETION_FORMATS
from arctic_text2sql_r1.prompts.formats import extract_sql
from arctic_text2sql_r1.prompts.formats import render_completion

PROBLEMS = (
    "empty_completion no_think unclosed_think two_thinks no_answer unclosed_answer two_answers wrong_order "
    "text_around thought_in_answer empty_answer no_fence bad_fence"
).split()
THOUGHTS = [("<think>", "</think>"), ("<start_working_out>", "<end_working_out>")]
TAGS = [tag for pair in THOUGHTS for tag in pair] + ["<answer>", "</answer>", "<SOLUTION>", "</SOLUTION>"]
ODD_TAGS = ["<THINK>", "</Think>", "<Answer>", "</ANSWER>", "<solution>", "</thinking>", "</start_working_out>"]
OTHER = ["```", "```sql\n", "\n", " ", "`", "<", "'", "İ", "\u212a", "\ud800", "\x00", "-- ", "/*", "</s>", "sql"]
FORMATS = st.sampled_from(sorted(COMPLETION_FORMATS))
PARSERS = st.sampled_from(["strict", "lenient"])
SOUP = st.lists(st.sampled_from([*TAGS, *TAGS, *ODD_TAGS, *OTHER, "SELECT"]), max_size=14)
TEXT = SOUP.map("".join) | st.text(st.characters(), max_size=60)
# Well-formed at heart, so that parsers succeed often: a thought, an answer, and something else in any three gaps.
GAP = st.just("") | st.sampled_from([*TAGS, *ODD_TAGS, *OTHER])
NEAR = st.sampled_from([0, 1]).flatmap(
    lambda index: st.tuples(GAP, GAP, GAP, GAP, GAP).map(
        lambda gap: [
            *(gap[0], THOUGHTS[index][0], gap[1], THOUGHTS[index][1], gap[2]),
            *(TAGS[4 + 2 * index], "SELECT", gap[3], TAGS[5 + 2 * index], gap[4]),
        ]
    )
)


@given(TEXT | NEAR.map("".join), FORMATS, PARSERS, st.sampled_from(["", "<think>", "<think>\n"]))
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_any_text_gives_sql_or_a_known_problem(text: str, name: str, parser: str, prefill: str) -> None:
    parsed = extract_sql(text, completion_format=name, parser=parser, prefill=prefill)
    if parsed.prediction is None:
        assert parsed.problem in PROBLEMS
    else:
        assert parsed.problem is None and parsed.prediction == parsed.prediction.strip() != ""
        assert parsed.prediction in prefill + text


@given(TEXT | NEAR.map("".join), FORMATS)
@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@example("<think><THINK></think><answer>SELECT 1</answer>", "think_answer")
@example("<think><start_working_out></think><answer>SELECT 1</answer>", "think_answer")
def test_lenient_parser_agrees_wherever_the_strict_one_finds_sql(text: str, name: str) -> None:
    strict = extract_sql(text, completion_format=name, parser="strict")
    if strict.prediction is not None:
        assert extract_sql(text, completion_format=name, parser="lenient") == strict


def _states(pieces: list[str]) -> list[bool]:
    """For each piece, whether a reader from left to right is in a thought, which only the tag of its kind closes."""
    inside = ""
    states = []
    for piece in pieces:
        for opening, closing in THOUGHTS:
            if inside == "" and piece.lower() == opening:
                inside = opening
            elif inside == opening and piece.lower() == closing:
                inside = ""
        states.append(inside != "")
    return states


@given(SOUP | NEAR, FORMATS, PARSERS)
@settings(max_examples=1000, deadline=None, derandomize=True, database=None)
@example(["<think>", "<start_working_out>", "</think>", "<answer>", "SELECT", "</answer>"], "think_answer", "lenient")
@example(["<answer>", "SELECT", "</answer>", "<think>", "a"], "think_answer", "lenient")
@example(["<think>", "<end_working_out>", "<SOLUTION>", "SELECT", "</SOLUTION>"], "solution", "lenient")
@example(["<think>", "</think>", "<Think>", "<answer>", "SELECT", "</answer>"], "think_answer", "lenient")
def test_nothing_that_stands_in_a_thought_is_taken(pieces: list[str], name: str, parser: str) -> None:
    numbered = [f"SELECT {index} " if piece == "SELECT" else piece for index, piece in enumerate(pieces)]
    prediction = extract_sql("".join(numbered), completion_format=name, parser=parser).prediction
    taken = [int(number) for number in re.findall(r"SELECT (\d+)", prediction or "")]
    assert not any(_states(pieces)[index] for index in taken)


@given(NEAR, FORMATS, PARSERS)
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_prediction_holds_no_thought_tag(pieces: list[str], name: str, parser: str) -> None:
    prediction = extract_sql("".join(pieces), completion_format=name, parser=parser).prediction or ""
    assert not any(tag in prediction.lower() for pair in THOUGHTS for tag in pair)


@given(st.text(st.characters(), max_size=40), st.text(st.characters(), max_size=40), FORMATS, PARSERS)
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_whatever_renders_parses_back(sql: str, thought: str, name: str, parser: str) -> None:
    try:
        completion = render_completion(sql, thought, name)
    except ValueError:
        assume(False)
    assert extract_sql(completion, completion_format=name, parser=parser).prediction == sql.strip()


HOSTILE = [
    *TAGS,
    "```",
    "`",
    "<",
    " x",
    "İ",
    "<think></think>",
    "<answer></answer>",
    "<think><answer>",
    "</think></answer>",
    "</s> ",
    "<answer>```sql\n</answer>```",
]


def _seconds(text: str) -> float:
    """CPU seconds that all formats and both parsers take, the better of two runs."""
    runs = []
    for _ in range(2):
        start = time.process_time()
        for name in COMPLETION_FORMATS:
            for parser in ("strict", "lenient"):
                extract_sql(text, completion_format=name, parser=parser)
        runs.append(time.process_time() - start)
    return min(runs)


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("start", ["", "<think></think><answer>"])
def test_time_grows_with_the_length_not_its_square(piece: str, start: str) -> None:
    short, long = (_seconds(start + piece * (size // len(piece))) for size in (50_000, 500_000))
    assert long < 30 * short + 0.02  # ten times the length: 10 when linear, 100 when quadratic


@pytest.mark.parametrize("piece", ["<think>", "</answer>", "`", "</s> "])
def test_ten_megabytes_of_tags_take_seconds(piece: str) -> None:
    text = piece * (10_000_000 // len(piece))
    start = time.process_time()
    for parser in ("strict", "lenient"):
        extract_sql(text, parser=parser)
        extract_sql(text, completion_format="plain", parser=parser)
    assert time.process_time() - start < 10.0

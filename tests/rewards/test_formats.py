# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The two format rewards on the standing rows, in every format, with and without a prefilled thought."""

from collections.abc import Callable

import pytest

from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.prompts.formats import COMPLETION_FORMATS
from arctic_text2sql_r1.prompts.formats import render_completion
from arctic_text2sql_r1.rewards.base import WeightedReward
from arctic_text2sql_r1.rewards.scorer import RewardScorer
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion

Score = Callable[..., list[ScoredCompletion]]
EXACT = WeightedReward("format_exact")
APPROXIMATE = WeightedReward("format_approximate")
# format_exact, format_approximate
WANT = {
    "empty": (0.0, -2.0),
    "prose": (0.0, -2.0),
    "malformed tags": (0.0, 0.0),  # <answer> twice, </answer> never
    "two answers": (0.0, 0.0),
    "answer before thought": (0.0, 2.0),
    "SQL only in the thought": (0.0, 0.0),
    "empty answer": (0.0, 2.0),
    "text after": (0.0, 2.0),
    "syntax error": (3.0, 2.0),
    "schema error": (3.0, 2.0),
    "no result set": (3.0, 2.0),
    "denied": (3.0, 2.0),
    "two statements": (3.0, 2.0),
    "wrong": (3.0, 2.0),
    "no rows": (3.0, 2.0),
    "equivalent": (3.0, 2.0),
    "gold itself": (3.0, 2.0),
}


@pytest.mark.parametrize("parser", ["strict", "lenient"])
def test_reward_of_standing_rows_is_the_same_with_both_parsers(
    parser: str, standing_scores: Callable[[str, str], dict[str, float]]
) -> None:
    assert standing_scores("format_exact", parser) == {row: want[0] for row, want in WANT.items()}
    assert standing_scores("format_approximate", parser) == {row: want[1] for row, want in WANT.items()}


@pytest.mark.parametrize("name", COMPLETION_FORMATS)
def test_rendered_completion_is_in_its_format(name: str, score_texts: Score) -> None:
    text = render_completion("SELECT 1", thought="x", completion_format=name)
    assert score_texts(EXACT, [text], completion_format=name)[0].reward == 3.0
    tags = score_texts(APPROXIMATE, [text], completion_format=name)[0].reward
    assert tags == (None if COMPLETION_FORMATS[name].answer is None else 2.0)


@pytest.mark.parametrize("reward", [EXACT, APPROXIMATE])
def test_prefilled_thought_counts_as_written(reward: WeightedReward, score_texts: Score) -> None:
    text = "x</think><answer>SELECT 1</answer>"
    scored = score_texts(reward, [text, f"<think>{text}", f"<think><think>{text}", ""], prefill="<think>")
    assert [one.reward for one in scored] == ([3.0, 3.0, 0.0, 0.0] if reward is EXACT else [2.0, 2.0, 1.0, -1.0])


def test_each_tag_is_a_component(score_texts: Score) -> None:
    scored = score_texts(APPROXIMATE, ["<think>x</think><answer>SELECT 1<answer>"])[0]
    assert scored.components == {
        "format_approximate": 0.0,
        "format_approximate/thought_open": 0.5,
        "format_approximate/thought_close": 0.5,
        "format_approximate/answer_open": -0.5,
        "format_approximate/answer_close": -0.5,
    }


def test_bare_statement_has_no_tags_to_count(score_sql: Score) -> None:
    assert [one.reward for one in score_sql(APPROXIMATE, ["SELECT 1", "pens", ""])] == [None, None, None]
    assert [one.reward for one in score_sql(EXACT, ["SELECT 1", "```sql\nSELECT 1\n```", ""])] == [3.0, 0.0, 0.0]


def test_both_warn_that_they_pay_form_and_take_no_options(judge: SQLJudge) -> None:
    cautions = RewardScorer(judge, [EXACT, APPROXIMATE, WeightedReward("execution")]).cautions
    assert [caution.split(":")[0] for caution in cautions] == ["reward 'format_exact'", "reward 'format_approximate'"]
    for name in ("format_exact", "format_approximate"):
        with pytest.raises(ValueError, match=f"'{name}' has no option 'tag'"):
            RewardScorer(judge, [WeightedReward(name, options=dict(tag="x"))])

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The scorer: batches, weights, components, rewards of the user's own, and what it refuses."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.errors import RegistryError
from arctic_text2sql_r1.errors import RewardError
from arctic_text2sql_r1.rewards.base import REWARDS
from arctic_text2sql_r1.rewards.base import WeightedReward
from arctic_text2sql_r1.rewards.scorer import RewardScorer
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample

RIGHT = Completion("<think>x</think><answer>SELECT name FROM item</answer>")
WRONG = Completion("<think>x</think><answer>SELECT 1</answer>")
OWN_REWARDS = """
from arctic_text2sql_r1.rewards.base import RewardOutput

def brevity(record):
    return RewardOutput(0.5, {"characters": float(len(record.completion.text))})

def never(record):
    return RewardOutput(None, {"looked": 1.0})

def broken(record):
    return RewardOutput(float("nan"))
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_rewards.py").write_text(OWN_REWARDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_rewards", raising=False)
    return "own_rewards"


def test_rewards_are_discovered() -> None:
    assert "execution" in REWARDS.names()


def test_batch_keeps_its_order(judge: SQLJudge, example: Text2SQLExample) -> None:
    scored = RewardScorer(judge).score([example] * 3, [RIGHT, WRONG, RIGHT])
    assert [one.reward for one in scored] == [1.0, 0.1, 1.0]
    assert [one.parsed.prediction for one in scored] == ["SELECT name FROM item", "SELECT 1", "SELECT name FROM item"]


def test_reward_is_the_weighted_sum_and_components_are_not_weighted(
    judge: SQLJudge, example: Text2SQLExample, own: str
) -> None:
    scorer = RewardScorer(judge, [WeightedReward("execution", 2.0), WeightedReward(f"{own}:brevity", -3.0)])
    scored = scorer.score([example], [RIGHT])[0]
    assert scored.reward == 0.5  # 2 x 1.0 - 3 x 0.5
    characters = float(len(RIGHT.text))
    assert scored.components == {"execution": 1.0, f"{own}:brevity": 0.5, f"{own}:brevity/characters": characters}


def test_reward_that_does_not_apply_is_left_out_of_the_sum(
    judge: SQLJudge, example: Text2SQLExample, own: str
) -> None:
    scored = RewardScorer(judge, [WeightedReward("execution", 1.0), WeightedReward(f"{own}:never", 9.0)]).score(
        [example], [WRONG]
    )[0]
    assert scored.reward == 0.1
    assert scored.components == {"execution": 0.1, f"{own}:never/looked": 1.0}


def test_reward_is_none_only_when_nothing_applies(judge: SQLJudge, example: Text2SQLExample, own: str) -> None:
    failing = replace(example, gold_sql="SELECT title FROM item")
    both = RewardScorer(judge, [WeightedReward("execution", 1.0), WeightedReward(f"{own}:brevity", 1.0)])
    assert both.score([failing], [RIGHT])[0].reward is None
    assert RewardScorer(judge).score([failing], [RIGHT])[0].reward is None


def test_reward_that_is_not_a_number_is_an_error(judge: SQLJudge, example: Text2SQLExample, own: str) -> None:
    with pytest.raises(RewardError, match="broken' failed on example 'e1': it returned nan"):
        RewardScorer(judge, [WeightedReward(f"{own}:broken", 1.0)]).score([example], [RIGHT])


def test_unknown_reward_lists_the_known_ones(judge: SQLJudge) -> None:
    with pytest.raises(RegistryError, match="'exact'.*execution"):
        RewardScorer(judge, [WeightedReward("exact", 1.0)])


@pytest.mark.parametrize(
    ("rewards", "message"),
    [
        ([], "No reward given"),
        ([WeightedReward("execution", 1.0), WeightedReward("execution", 2.0)], "listed twice"),
        ([WeightedReward("execution", float("nan"))], "Weight of reward 'execution' is nan"),
    ],
)
def test_unusable_reward_list_is_refused(judge: SQLJudge, rewards: list[WeightedReward], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RewardScorer(judge, rewards)


def test_unknown_format_or_parser_is_refused_at_once(judge: SQLJudge) -> None:
    with pytest.raises(ValueError, match="completion format 'xml'"):
        RewardScorer(judge, completion_format="xml")
    with pytest.raises(ValueError, match="parser 'loose'"):
        RewardScorer(judge, parser="loose")


def test_examples_and_completions_must_pair_up(judge: SQLJudge, example: Text2SQLExample) -> None:
    with pytest.raises(ValueError, match="shorter"):
        RewardScorer(judge).score([example, example], [RIGHT])


def test_empty_batch_gives_an_empty_list(judge: SQLJudge) -> None:
    assert RewardScorer(judge).score([], []) == []

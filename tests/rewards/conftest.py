# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A small real database with one example, and a judge, shared by the tests of this folder."""

import sqlite3
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.rewards.base import WeightedReward
from arctic_text2sql_r1.rewards.scorer import RewardScorer
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample

GOLD = "SELECT name FROM item"
STANDING_ROWS = {
    "empty": "",
    "prose": "The items are pens and ink.",
    "malformed tags": f"<think>x</think><answer>{GOLD}<answer>",
    "two answers": f"<think>x</think><answer>SELECT 1</answer><answer>{GOLD}</answer>",
    "answer before thought": f"<answer>{GOLD}</answer><think>x</think>",
    "SQL only in the thought": f"<think>{GOLD}</think>",
    "empty answer": f"<think>{GOLD}</think><answer> </answer>",
    "text after": f"<think>x</think><answer>{GOLD}</answer> Done.",
    "syntax error": "<think>x</think><answer>SELECT FROM item</answer>",
    "schema error": "<think>x</think><answer>SELECT title FROM item</answer>",
    "no result set": "<think>x</think><answer>-- nothing</answer>",
    "denied": "<think>x</think><answer>DELETE FROM item</answer>",
    "two statements": f"<think>x</think><answer>{GOLD}; {GOLD}</answer>",
    "wrong": "<think>x</think><answer>SELECT DISTINCT name FROM item</answer>",
    "no rows": "<think>x</think><answer>SELECT name FROM item WHERE 0</answer>",
    "equivalent": "<think>x</think><answer>SELECT i.name FROM item i ORDER BY 1</answer>",
    "gold itself": f"<think>x</think><answer>{GOLD}</answer>",
}
ScoreTexts = Callable[..., list[ScoredCompletion]]
StandingScores = Callable[[str, str], dict[str, float | None]]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Text2SQLExample:
    path = tmp_path_factory.mktemp("databases") / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE item (name TEXT); INSERT INTO item VALUES ('pen'), ('ink'), ('pen');")
    return Text2SQLExample("e1", "shop", "Which items are there?", "SELECT name FROM item", str(path))


@pytest.fixture(scope="module")
def judge() -> Iterator[SQLJudge]:
    with SQLJudge(num_workers=2, timeout_s=0.5, max_rows=1000) as instance:
        yield instance


@pytest.fixture(scope="module")
def score_texts(judge: SQLJudge, example: Text2SQLExample) -> ScoreTexts:
    """Scores completions for the example, or for the `gold` given, under one reward."""

    def score(reward: WeightedReward, texts: list[str], gold: str = GOLD, **settings: str) -> list[ScoredCompletion]:
        scorer = RewardScorer(judge, [reward], **settings)
        return scorer.score([replace(example, gold_sql=gold)] * len(texts), [Completion(text) for text in texts])

    return score


@pytest.fixture(scope="module")
def standing_scores(score_texts: ScoreTexts) -> StandingScores:
    """What a reward pays for each of the standing rows under a parser, to six places."""

    def scores(reward: str, parser: str) -> dict[str, float | None]:
        scored = score_texts(WeightedReward(reward), list(STANDING_ROWS.values()), parser=parser)
        return {
            row: None if one.reward is None else round(one.reward, 6)
            for row, one in zip(STANDING_ROWS, scored, strict=True)
        }

    return scores


@pytest.fixture(scope="module")
def score_sql(judge: SQLJudge, example: Text2SQLExample) -> ScoreTexts:
    """Scores bare statements for the example, or for the `gold` given, under one reward."""

    def score(reward: WeightedReward, statements: list[str], gold: str = GOLD) -> list[ScoredCompletion]:
        scorer = RewardScorer(judge, [reward])
        return scorer.score_sql([replace(example, gold_sql=gold)] * len(statements), statements)

    return score

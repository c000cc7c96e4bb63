# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Scores a batch of completions: extract the SQL, judge it once, add up the weighted rewards.

Which number a verdict earns is each reward's own file; how SQL is extracted is `prompts/formats.py`, how it is judged
`databases/judge.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from arctic_text2sql_r1.databases.judge import JudgeRequest
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.prompts.formats import ParsedCompletion
from arctic_text2sql_r1.prompts.formats import extract_sql
from arctic_text2sql_r1.rewards.base import REWARDS
from arctic_text2sql_r1.rewards.base import RewardRecord
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample
from arctic_text2sql_r1.types import Verdict


@dataclass(frozen=True)
class ScoredCompletion:
    """A completion's reward and how it came about.

    `reward` is None when no reward applies (gold fails): the row must not be trained on. `components` holds each
    reward's unweighted score under its name and its named parts under `name/part`.
    """

    parsed: ParsedCompletion
    verdict: Verdict
    reward: float | None
    components: dict[str, float]


class RewardScorer:
    """A weighted list of rewards over one judge. The judge stays the caller's to close."""

    def __init__(
        self,
        judge: SQLJudge,
        rewards: Sequence[tuple[str, float]] = (("execution", 1.0),),
        completion_format: str = "think_answer",
        parser: str = "strict",
        prefill: str = "",
    ) -> None:
        _check_weights(rewards)
        extract_sql("", completion_format=completion_format, parser=parser)  # an unknown name fails here, not later
        self._judge = judge
        self._rewards = [(name, REWARDS.get(name), weight) for name, weight in rewards]
        self._completion_format = completion_format
        self._parser = parser
        self._prefill = prefill

    def score(self, examples: Sequence[Text2SQLExample], completions: Sequence[Completion]) -> list[ScoredCompletion]:
        """Score `completions[i]` as written for `examples[i]`, in order. Raises what `SQLJudge.judge` raises."""
        parsed = [
            extract_sql(
                completion.text,
                completion_format=self._completion_format,
                parser=self._parser,
                prefill=self._prefill,
            )
            for completion in completions
        ]
        verdicts = self._judge.judge(
            [
                JudgeRequest(db_path=example.db_path, gold_sql=example.gold_sql, prediction=one.prediction)
                for example, one in zip(examples, parsed, strict=True)
            ]
        )
        rows = zip(examples, completions, parsed, verdicts, strict=True)
        return [self._scored(RewardRecord(*row)) for row in rows]

    def _scored(self, record: RewardRecord) -> ScoredCompletion:
        components: dict[str, float] = {}
        total: float | None = None
        for name, function, weight in self._rewards:
            output = function(record)
            components.update((f"{name}/{part}", value) for part, value in output.components.items())
            if output.score is None:
                continue
            _check_finite(name, output.score, record)
            components[name] = output.score
            total = (total or 0.0) + weight * output.score
        return ScoredCompletion(record.parsed, record.verdict, total, components)


def _check_weights(rewards: Sequence[tuple[str, float]]) -> None:
    if len(rewards) == 0:
        raise ValueError(f"No reward given; expected at least one of {', '.join(REWARDS.names())} with a weight.")
    names = [name for name, _ in rewards]
    if len(set(names)) < len(names):
        raise ValueError(f"A reward is listed twice in {names}; give each one weight.")
    for name, weight in rewards:
        if not math.isfinite(weight):
            raise ValueError(f"Weight of reward '{name}' is {weight}; expected a finite number.")


def _check_finite(name: str, score: float, record: RewardRecord) -> None:
    if not math.isfinite(score):
        raise ValueError(
            f"Reward '{name}' returned {score} for example '{record.example.example_id}'; expected a finite number, "
            f"or None where it does not apply."
        )

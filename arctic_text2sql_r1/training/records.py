# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A step's completions as rows of the rollout log, and what is counted of them."""

from collections import defaultdict

from arctic_text2sql_r1.databases.preview import preview
from arctic_text2sql_r1.monitor.rollouts import RolloutRecord
from arctic_text2sql_r1.monitor.step_report import StepCounts
from arctic_text2sql_r1.monitor.step_report import count_step
from arctic_text2sql_r1.training.sampling import ScoredRollout


def rollout_records(
    step: int, rank: int, sampled: ScoredRollout, advantages: dict[int, float], kl: dict[int, float]
) -> list[RolloutRecord]:
    """One log record per row of `sampled`, in its order; `advantages` and `kl` by row, of those learnt from."""
    columns = zip(sampled.rollout.examples, sampled.rollout.completions, sampled.scored, strict=True)
    return [
        RolloutRecord(
            step=step,
            rank=rank,
            example_id=example.example_id,
            db_id=example.db_id,
            question=example.question,
            completion=completion.text,
            prediction=row.parsed.prediction,
            problem=row.parsed.problem,
            status=None if row.verdict.result is None else row.verdict.result.status.value,
            gold_status=row.verdict.gold.status.value,
            reward=row.reward,
            advantage=advantages.get(index, 0.0),
            length=len(completion.token_ids),
            truncated=completion.truncated,
            components=row.components,
            suspicions=list(row.suspicions),
            trained=index in advantages and bool(sampled.keep[index]),
            resampled=bool(sampled.fresh[index]),
            correct=row.verdict.correct,
            gold_sql=example.gold_sql,
            kl=kl.get(index),
            elapsed_s=None if row.verdict.result is None else row.verdict.result.elapsed_s,
            result=preview(row.verdict.result),
            gold_result=preview(row.verdict.gold),
        )
        for index, (example, completion, row) in enumerate(columns)
    ]


def component_means(records: list[RolloutRecord]) -> dict[str, float]:
    """Mean of each reward component over the rows it applies to, as `reward/NAME`."""
    values: dict[str, list[float]] = defaultdict(list)
    for record in records:
        for name, value in record.components.items():
            values[f"reward/{name}"].append(value)
    return {name: sum(column) / len(column) for name, column in values.items()}


def count_rollout(sampled: ScoredRollout) -> StepCounts:
    """Everything that a step's figures need of this rank's rows."""
    return count_step(
        sampled.rollout.completions,
        verdicts=[row.verdict for row in sampled.scored],
        rewards=[row.reward for row in sampled.scored],
        group_ids=sampled.rollout.group_ids,
        keep=sampled.keep.tolist(),
        suspicions=[row.suspicions for row in sampled.scored],
    )

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The policy on the evaluation source, between two updates: by the same engine and scorer as training, asked as the
section `evaluation:` says, without dropout.

A baseline and a trained model are set against each other by `evaluation/`; what the figures are called in the metrics
file is in `monitor/history.py`.
"""

import time
from functools import reduce
from typing import Any

from arctic_text2sql_r1.monitor.step_report import StepCounts
from arctic_text2sql_r1.monitor.step_report import count_step
from arctic_text2sql_r1.monitor.step_report import step_metrics
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.base import roll_out
from arctic_text2sql_r1.training.order import own_rows
from arctic_text2sql_r1.training.ranks import gather
from arctic_text2sql_r1.training.updates import rollout_seed
from arctic_text2sql_r1.types import Completion

TOLD = ("reward_mean", "truncation_rate", "completion_length_mean")
BEFORE_TRAINING = -1  # in the place of a number of updates: random streams that no rollout has, the same every time


def evaluation_figures(trainer: Any) -> dict[str, float]:
    """`monitor.history.EVALUATION_METRICS` of the policy as it is, but for their share of the time.

    Collective, and the same on all ranks but for `seconds`. `execution_accuracy` is right answers over answers to
    questions whose gold ran, 0 when there is none.
    """
    started = time.perf_counter()
    samples = trainer.config.evaluation.num_samples
    rows: list[tuple[Completion, ScoredCompletion]] = []
    for number, batch in enumerate(trainer.eval_dataloader):
        rollout = roll_out(trainer.engine, batch["examples"], batch["prompts"], _sampling(trainer, number))
        rows += zip(rollout.completions, trainer.compute_rewards(rollout), strict=True)
    # The loader repeats rows so that all ranks have equally many; those at the end are this rank's repetitions.
    own = own_rows(len(trainer.eval_dataloader.dataset), trainer.global_rank, trainer.world_size)
    rows = rows[: own * samples]
    counts = count_step(
        completions=[completion for completion, _ in rows],
        verdicts=[scored.verdict for _, scored in rows],
        rewards=[scored.reward for _, scored in rows],
        group_ids=range(len(rows)),
        keep=[True] * len(rows),
    )
    total = reduce(StepCounts.merge, gather(counts))
    answers = total.completions - total.gold_failed
    figures = step_metrics(total)
    return dict(
        execution_accuracy=total.right / max(1, answers),
        **{name: figures[name] for name in TOLD if name in figures},
        gold_failed=total.gold_failed / samples,
        questions=answers / samples,
        seconds=time.perf_counter() - started,
    )


def _sampling(trainer: Any, batch_number: int) -> SamplingParams:
    """How a batch of an evaluation is asked: each time with the same random numbers, on each rank with others."""
    config = trainer.config
    return SamplingParams(
        max_new_tokens=config.evaluation.max_new_tokens or config.max_new_tokens,
        temperature=config.evaluation.temperature,
        num_samples=config.evaluation.num_samples,
        seed=rollout_seed(config.seed, BEFORE_TRAINING, trainer.global_rank, batch_number),
    )


def evaluation_plan(config: Any, questions: int) -> str:
    """What the evaluations of a run will cost, in a line: questions, samples, tokens at most, and when."""
    own = config.evaluation
    decoding = "greedily" if own.temperature == 0 else f"at temperature {own.temperature:g}, {own.num_samples} samples"
    tokens = questions * own.num_samples * (own.max_new_tokens or config.max_new_tokens)
    first = "before the first update and " if own.before_training else ""
    return (
        f"evaluation of {questions:,} questions, {decoding}, at most {tokens:,} tokens: {first}every "
        f"{config.eval_interval} updates"
    )

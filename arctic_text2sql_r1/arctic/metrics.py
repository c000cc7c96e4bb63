# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What a GRPO step tells, through the framework's own metrics plumbing.

The framework prints and stores a fixed set of keys and drops all others; this subclass keeps every key, prints one
readable line per rollout above a progress bar, and below it the alarms of `arctic/guards.py`. The figures themselves
are computed in `monitor/step_report.py`; their meaning is in `step_report.METRICS`.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import arctic_training.trainer.trainer as host
import torch
from arctic_training.metrics import Metrics
from tqdm import tqdm

from arctic_text2sql_r1.arctic.ranks import reduce_max
from arctic_text2sql_r1.arctic.ranks import reduce_sum
from arctic_text2sql_r1.arctic.sampling import ScoredRollout
from arctic_text2sql_r1.data.jsonl import append_json_lines
from arctic_text2sql_r1.databases.preview import preview
from arctic_text2sql_r1.losses import PolicyLossOutput
from arctic_text2sql_r1.monitor.faults import LogFaults
from arctic_text2sql_r1.monitor.history import EVALUATION
from arctic_text2sql_r1.monitor.history import evaluation_row
from arctic_text2sql_r1.monitor.plots import redraw_curves
from arctic_text2sql_r1.monitor.rollouts import RolloutRecord
from arctic_text2sql_r1.monitor.step_report import format_step_line


@dataclass
class UpdateStatistics:
    """Sums over the trained tokens of one rollout's updates on this rank."""

    has_reference: bool = False
    loss: float = 0.0
    updates: int = 0
    learning_rate: float = 0.0
    grad_norm: float = 0.0
    sums: dict[str, float] = field(default_factory=lambda: dict(tokens=0.0, clipped=0.0, kl=0.0, entropy=0.0))
    max_ratio: float = 0.0
    importance: dict[str, float] = field(default_factory=lambda: dict(tokens=0.0, ratio=0.0, capped=0.0, distance=0.0))
    max_importance: float = 0.0
    row_kl: dict[int, float] = field(default_factory=dict)

    def add(self, output: PolicyLossOutput, entropy_sum: torch.Tensor) -> None:
        """Adds one micro-batch."""
        self.sums["tokens"] += float(output.tokens)
        self.sums["clipped"] += float(output.clipped_tokens)
        self.sums["kl"] += float(output.kl_sum)
        self.sums["entropy"] += float(entropy_sum)
        self.max_ratio = max(self.max_ratio, float(output.max_ratio))
        if output.importance is not None:
            self.importance["tokens"] += float(output.importance.tokens)
            self.importance["ratio"] += float(output.importance.ratio_sum)
            self.importance["capped"] += float(output.importance.capped_tokens)
            self.importance["distance"] += float(output.importance.distance_sum)
            self.max_importance = max(self.max_importance, float(output.importance.max_ratio))

    def reduced(self, device: torch.device) -> dict[str, float]:
        """Means over the trained tokens of all ranks; what was not measured (no token, no reference) is left out."""
        totals = {key: reduce_sum(value, device) for key, value in self.sums.items()}
        max_ratio = reduce_max(self.max_ratio, device)
        tokens = totals["tokens"]
        figures = dict(
            loss=reduce_sum(self.loss, device) / torch.distributed.get_world_size() / max(1, self.updates),
            lr=self.learning_rate,
            grad_norm=self.grad_norm,
            trained_tokens=tokens / max(1, self.updates),
        )
        if tokens > 0:
            figures.update(clip_fraction=totals["clipped"] / tokens, entropy=totals["entropy"] / tokens)
            figures.update(max_ratio=max_ratio)
        if tokens > 0 and self.has_reference:
            figures.update(kl=totals["kl"] / tokens)
        return {**figures, **self._reduced_importance(device)}

    def _reduced_importance(self, device: torch.device) -> dict[str, float]:
        """How far the sampler was from the trainer; nothing where the policy itself sampled."""
        totals = {key: reduce_sum(value, device) for key, value in self.importance.items()}
        largest = reduce_max(self.max_importance, device)
        tokens = totals["tokens"]
        if tokens == 0:
            return {}
        return dict(
            importance_mean=totals["ratio"] / tokens,
            importance_max=largest,
            importance_capped=totals["capped"] / tokens,
            sampler_distance=totals["distance"] / tokens,
        )


class GRPOMetrics(Metrics):
    """The framework's metrics with every recorded key kept."""

    def __init__(self, trainer: Any) -> None:
        super().__init__(trainer)
        self._phases: dict[str, float] = {}
        self._figures: dict[str, float] = {}
        self._bar: tqdm | None = None
        self.faults = LogFaults()
        # NOTE: the framework writes a step's line itself, and would end the run where the disk is full.
        host.append_json_file = self._append
        self._evaluation: dict[str, float] = {}
        self._seconds = dict(steps=0.0, evaluations=0.0)  # since this process began to train

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Adds the block's wall time in seconds to what `name` has taken in this step."""
        start = time.perf_counter()
        yield
        self._phases[name] = self._phases.get(name, 0.0) + time.perf_counter() - start

    def record_rollout(self, rollout: dict[str, float], update: dict[str, float], tokens: int) -> None:
        """Takes the figures of one rollout (all ranks), of its updates, and how many tokens were generated."""
        if not self.enabled:
            return
        speed = tokens / max(1e-9, self._phases["seconds_generate"])
        self._figures = {**rollout, **update, **self._phases, "tokens_per_s": speed}
        self._phases = {}

    @property
    def reward_mean(self) -> float | None:
        """Mean reward of the latest rollout, over all ranks; None before the first."""
        return self._figures.get("reward_mean")

    def record_evaluation(self, figures: dict[str, float]) -> None:
        """Takes the figures of one evaluation (all ranks), writes them into the metrics file and redraws the curves.

        The framework also wants a `loss/eval`: it is 1 minus the accuracy.
        """
        self._seconds["evaluations"] += figures["seconds"]
        figures = dict(figures, time_share=self._seconds["evaluations"] / sum(self._seconds.values()))
        self._evaluation = figures
        accuracy = figures["execution_accuracy"]
        self.record(EVALUATION, accuracy)
        self.record("loss/eval", [1.0 - accuracy])
        if self.trainer.global_rank == 0:
            row = evaluation_row(figures, step=self.trainer.global_step, epoch=self.trainer.epoch_idx)
            self._append(self.trainer.config.train_log_metrics_path, row)
            self.trainer.tracking.evaluation(row, self.trainer.global_step)
        self.redraw()

    def _append(self, path: Path, row: dict[str, Any]) -> None:
        with self.faults.survived(f"writing '{path}'"):
            append_json_lines(path, [row])

    def redraw(self) -> None:
        """`history.json` and `training_metrics.png` from what is logged by now, on rank 0."""
        if self.trainer.global_rank != 0:
            return
        problem = redraw_curves(self.trainer.config.train_log_metrics_path)
        if problem is not None:
            print(f"[grpo] WARNING: {problem}")

    def print_summary(self, prefix: str = "train") -> None:
        """Fills `summary_dict` (what the framework stores) and prints it as one line on rank 0."""
        if not self.enabled:
            return
        self.summary_dict.clear()
        self.summary_dict.update(epoch=self.trainer.epoch_idx, iter=self.trainer.global_step)
        if prefix == "train":
            self.summary_dict.update(self._figures, step_time=self.values["step_time"])
            self._seconds["steps"] += self.values["step_time"]
        else:
            accuracy = self.values[EVALUATION]
            self.summary_dict.update({EVALUATION: accuracy, "loss/eval": 1.0 - accuracy})
        self.values.clear()
        if self.trainer.global_rank == 0:
            if prefix == "train":
                self.trainer.tracking.step(self.summary_dict, self.trainer.global_step)
            with self.faults.survived("writing to standard output"):
                self._show(prefix)

    def close(self) -> None:
        """Ends the progress bar, and tells what could not be logged."""
        if self._bar is not None:
            self._bar.close()
        self.faults.tell_counts()

    def _show(self, prefix: str) -> None:
        if self._bar is None:
            # disable=None: a bar on a terminal, none in a log file.
            self._bar = tqdm(total=self.max_iter, unit="update", disable=None, dynamic_ncols=True)
        self._bar.update(self.trainer.global_step - self._bar.n)
        if prefix != "train":
            self._bar.write(self._evaluation_line())
            return
        line = format_step_line(dict(self.summary_dict, step=self.trainer.global_step), total_steps=self.max_iter)
        self._bar.write(line)
        for warning in self.trainer.guards.check(self.summary_dict):
            self._bar.write(f"WARNING: {warning}")

    def _evaluation_line(self) -> str:
        figures, own = self._evaluation, self.trainer.config.evaluation
        decoding = (
            "greedy" if own.temperature == 0 else f"{own.num_samples} samples at temperature {own.temperature:g}"
        )
        return (
            f"eval {self.trainer.global_step}/{self.max_iter} execution accuracy {figures['execution_accuracy']:.3f} "
            f"of {figures['questions']:g} questions ({decoding}, comparison mode {self.trainer.config.sql.compare}; "
            f"{figures['seconds']:.1f} s, evaluations take {figures['time_share']:.0%} of the time so far)"
        )


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

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What a run tells while it goes on: a line per rollout above a progress bar, evaluations, alarms, curves.

The figures are computed in `monitor/step_report.py`, their meaning is in `step_report.METRICS`; `guards.py` decides
about alarms. A line of the metrics file is appended by whoever runs the loop.
"""

import time
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from arctic_text2sql_r1.data.jsonl import append_json_lines
from arctic_text2sql_r1.monitor.faults import LogFaults
from arctic_text2sql_r1.monitor.history import evaluation_row
from arctic_text2sql_r1.monitor.plots import redraw_curves
from arctic_text2sql_r1.monitor.step_report import format_step_line


class StepLog:
    """The log of one trainer. `max_iter` is the update after which its run ends."""

    trainer: Any
    max_iter: int

    def begin_log(self) -> None:
        """An empty log; `trainer` and `max_iter` are set already."""
        self.faults = LogFaults()
        self._phases: dict[str, float] = {}
        self._figures: dict[str, float] = {}
        self._evaluation: dict[str, float] = {}
        self._seconds = dict(steps=0.0, evaluations=0.0)  # since this process began to train
        self._bar: tqdm[Any] | None = None

    @property
    def reward_mean(self) -> float | None:
        """Mean reward of the latest rollout, over all ranks; None before the first."""
        return self._figures.get("reward_mean")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Adds the block's wall time in seconds to what `name` has taken in this step."""
        start = time.perf_counter()
        yield
        self._phases[name] = self._phases.get(name, 0.0) + time.perf_counter() - start

    def record_rollout(self, rollout: dict[str, float], update: dict[str, float], tokens: int) -> None:
        """Takes the figures of one rollout (all ranks), of its updates, and how many tokens were generated."""
        speed = tokens / max(1e-9, self._phases["seconds_generate"])
        self._figures = {**rollout, **update, **self._phases, "tokens_per_s": speed}
        self._phases = {}

    def step_figures(self, seconds: float) -> dict[str, float]:
        """All figures of the step that has just ended after so many seconds: its line of the metrics file."""
        self._seconds["steps"] += seconds
        place = dict(epoch=self.trainer.epoch_idx, iter=self.trainer.global_step)
        return {**place, **self._figures, "step_time": seconds}

    def record_evaluation(self, figures: dict[str, float]) -> None:
        """Takes the figures of one evaluation (all ranks): a line of the metrics file, and the curves drawn anew."""
        self._seconds["evaluations"] += figures["seconds"]
        figures = dict(figures, time_share=self._seconds["evaluations"] / sum(self._seconds.values()))
        self._evaluation = figures
        if self.trainer.global_rank == 0:
            row = evaluation_row(figures, step=self.trainer.global_step, epoch=self.trainer.epoch_idx)
            self.append(self.trainer.config.train_log_metrics_path, row)
            self.trainer.tracking.evaluation(row, self.trainer.global_step)
        self.redraw()

    def append(self, path: Path, row: dict[str, Any]) -> None:
        """One more line of a log; a fault is told and survived."""
        with self.faults.survived(f"writing '{path}'"):
            append_json_lines(path, [row])

    def redraw(self) -> None:
        """`history.json` and `training_metrics.png` from what is logged by now, on rank 0."""
        if self.trainer.global_rank != 0:
            return
        problem = redraw_curves(self.trainer.config.train_log_metrics_path)
        if problem is not None:
            print(f"[grpo] WARNING: {problem}")

    def show_step(self, figures: Mapping[str, Any]) -> None:
        """A step's line, and the alarms that it sets off. Rank 0 only."""
        bar = self._moved_bar()
        bar.write(format_step_line(dict(figures, step=self.trainer.global_step), total_steps=self.max_iter))
        for warning in self.trainer.guards.check(figures):
            bar.write(f"WARNING: {warning}")

    def show_evaluation(self) -> None:
        """The latest evaluation in a line. Rank 0 only."""
        figures, own = self._evaluation, self.trainer.config.evaluation
        decoding = (
            "greedy" if own.temperature == 0 else f"{own.num_samples} samples at temperature {own.temperature:g}"
        )
        self._moved_bar().write(
            f"eval {self.trainer.global_step}/{self.max_iter} execution accuracy {figures['execution_accuracy']:.3f} "
            f"of {figures['questions']:g} questions ({decoding}, comparison mode {self.trainer.config.sql.compare}; "
            f"{figures['seconds']:.1f} s, evaluations take {figures['time_share']:.0%} of the time so far)"
        )

    def close(self) -> None:
        """Ends the progress bar, and tells what could not be logged."""
        if self._bar is not None:
            self._bar.close()
        self.faults.tell_counts()

    def _moved_bar(self) -> "tqdm[Any]":
        if self._bar is None:
            # disable=None: a bar on a terminal, none in a log file.
            self._bar = tqdm(total=self.max_iter, unit="update", disable=None, dynamic_ncols=True)
        self._bar.update(self.trainer.global_step - self._bar.n)
        return self._bar

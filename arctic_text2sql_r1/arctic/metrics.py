# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What a GRPO step tells (`training/step_log.py`), through the framework's own metrics plumbing.

The framework prints and stores a fixed set of keys and drops all others; this subclass keeps every key.
"""

from typing import Any

import arctic_training.trainer.trainer as host
from arctic_training.metrics import Metrics

from arctic_text2sql_r1.monitor.history import EVALUATION
from arctic_text2sql_r1.training.step_log import StepLog


class GRPOMetrics(Metrics, StepLog):
    """The framework's metrics with every recorded key kept."""

    def __init__(self, trainer: Any) -> None:
        super().__init__(trainer)
        self.begin_log()
        # NOTE: the framework writes a step's line itself, and would end the run where the disk is full.
        host.append_json_file = self.append

    def record_evaluation(self, figures: dict[str, float]) -> None:
        """As `StepLog` does; the framework also wants a `loss/eval`: it is 1 minus the accuracy."""
        super().record_evaluation(figures)
        accuracy = figures["execution_accuracy"]
        self.record(EVALUATION, accuracy)
        self.record("loss/eval", [1.0 - accuracy])

    def print_summary(self, prefix: str = "train") -> None:
        """Fills `summary_dict` (what the framework stores) and prints it as one line on rank 0."""
        self.summary_dict.clear()
        if prefix == "train":
            self.summary_dict.update(self.step_figures(self.values["step_time"]))
        else:
            accuracy = self.values[EVALUATION]
            place = dict(epoch=self.trainer.epoch_idx, iter=self.trainer.global_step)
            self.summary_dict.update({**place, EVALUATION: accuracy, "loss/eval": 1.0 - accuracy})
        self.values.clear()
        if self.trainer.global_rank != 0:
            return
        if prefix == "train":
            self.trainer.tracking.step(self.summary_dict, self.trainer.global_step)
        with self.faults.survived("writing to standard output"):
            if prefix == "train":
                self.show_step(self.summary_dict)
            else:
                self.show_evaluation()

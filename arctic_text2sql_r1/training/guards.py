# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What ends a run, or takes it back to its best weights, instead of letting it go on for nothing.

Updates whose numbers are not numbers are dumped and stop the run before a checkpoint is written. Steps that teach
nothing, and a policy that has collapsed, are judged from the logged metrics on rank 0 (`monitor/alarms.py`), and all
ranks follow that judgement: between two rollouts, so that no rank waits in a collective call for one that has left.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.batch import MicroBatch
from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.data.jsonl import read_json_log
from arctic_text2sql_r1.data.jsonl import write_json_lines
from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.monitor.alarms import Alarms
from arctic_text2sql_r1.monitor.history import EVALUATION
from arctic_text2sql_r1.training.ranks import gather
from arctic_text2sql_r1.training.ranks import reduce_max
from arctic_text2sql_r1.training.sampling import ScoredRollout

MAX_ROLLBACKS = 3


class Guards:
    """The guards of one `GRPOTrainer`. `require_finite` and `act` are collective: all ranks call them, or none."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.config = trainer.config
        self.alarms = Alarms()
        self.rollbacks = 0
        self._learnt_from: ScoredRollout | None = None

    # ----- numbers that are not numbers ---------------------------------------------------------------------------

    def watch(self, rollout: ScoredRollout) -> None:
        """Names the rows that the coming updates learn from; a dump takes their rewards and texts from here."""
        self._learnt_from = rollout

    def require_finite(self, found: dict[str, float], micro_batches: list[MicroBatch]) -> None:
        """Raises `TrainingError` on every rank when a figure in `found` is not finite on any.

        Ranks with such a figure write the rows of `micro_batches` first; the message names their files.
        """
        wrong = {label: value for label, value in found.items() if not math.isfinite(value)}
        if reduce_max(len(wrong), self.trainer.device) == 0:
            return
        told = None
        if len(wrong) > 0:
            figures = ", ".join(f"the {label} is {value}" for label, value in wrong.items())
            told = f"{figures} on rank {self.trainer.global_rank}, see '{self._dump(micro_batches)}'"
        reports = [report for report in gather(told) if report is not None]
        raise TrainingError(
            f"Update {self.trainer.global_step + 1} was stopped, and nothing of it saved: {'; '.join(reports)}. Each "
            "file holds the completions of that update with rewards, advantages and log-probabilities. Lower the "
            "learning rate, raise kl_coef, or use fp32 or bf16; the same command continues from the last checkpoint."
        )

    def _dump(self, micro_batches: list[MicroBatch]) -> Path:
        """Writes every row of the update as a JSON line; numbers that are not finite become text."""
        name = f"broken-update-{self.trainer.global_step + 1}.rank{self.trainer.global_rank}.jsonl"
        path: Path = self.config.rollouts_file.with_name(name)
        rows = [(number, row) for number, batch in enumerate(micro_batches) for row in batch.rows if row.index >= 0]
        write_json_lines(path, (dict(micro_batch=number, **self._told(row)) for number, row in rows))
        return path

    def _told(self, row: TrainingRow) -> dict[str, Any]:
        """One row for people and programs; what only the rollout knows is left out when it was not named."""
        decode = self.trainer.tokenizer.decode
        told: dict[str, Any] = {}
        if self._learnt_from is not None:
            example = self._learnt_from.rollout.examples[row.index]
            told.update(example_id=example.example_id, reward=self._learnt_from.scored[row.index].reward)
        logprobs = dict(policy=row.policy_logprobs, old=row.old_logprobs, ref=row.ref_logprobs)
        return told | dict(
            advantage=row.advantage,
            prompt=decode(row.prompt_ids),
            completion=decode(row.completion_ids),
            prompt_ids=list(row.prompt_ids),
            completion_ids=list(row.completion_ids),
            **{f"{name}_logprobs": None if v is None else _written(v.tolist()) for name, v in logprobs.items()},
        )

    # ----- steps that teach nothing, policies that collapse ---------------------------------------------------------

    def check(self, metrics: Mapping[str, float]) -> list[str]:
        """The alarms that one more step sets off, as text. Rank 0 only: it decides for all, see `act`."""
        if metrics.get("rollbacks", 0) > self.rollbacks:  # replayed
            self.rollbacks = int(metrics["rollbacks"])
            self.alarms.forget_collapse()
        return self.alarms.check(metrics)

    def replay(self, metrics_log: Path) -> None:
        """Shows the alarms the steps that a resumed run has already logged, silently. Rank 0 only."""
        for row in read_json_log(metrics_log) if metrics_log.exists() else ():
            if EVALUATION not in row:
                self.check(row)

    def act(self) -> None:
        """Stops the run, or restores the best weights, when rank 0's alarms say so; all ranks do the same."""
        reason, collapse, self.rollbacks = gather(
            (self._reason_to_stop(), self.alarms.lasting_collapse, self.rollbacks)
        )[0]
        if reason is not None:
            raise TrainingError(reason)
        if collapse is not None and self.config.guards.rollback:
            self._roll_back(collapse)

    def _roll_back(self, collapse: str) -> None:
        update = self.trainer.global_step
        if self.rollbacks == MAX_ROLLBACKS:
            raise TrainingError(
                f"Training was stopped after update {update}: the best checkpoint was restored {MAX_ROLLBACKS} times, "
                f"and again {collapse}"
            )
        self.rollbacks += 1
        best = self.trainer.restore_best()
        self.alarms.forget_collapse()
        if self.trainer.global_rank == 0:
            print(
                f"[grpo] WARNING: after update {update} the weights of update {best.step} were restored (execution "
                f"accuracy {best.accuracy:.3f}; rollback {self.rollbacks} of {MAX_ROLLBACKS}), because {collapse}"
            )

    def _reason_to_stop(self) -> str | None:
        limit, flat = self.config.guards.abort_after, self.alarms.flat_steps
        if 0 < limit <= flat:
            return (
                f"Training was stopped after update {self.trainer.global_step}: {self.alarms.no_spread} "
                f"guards.abort_after ({limit}) says how many such steps may pass; with 0 they never stop a run."
            )
        return None


def _written(values: list[float]) -> list[float | str]:
    """JSON has no NaN and no infinity: those as text."""
    return [value if math.isfinite(value) else str(value) for value in values]

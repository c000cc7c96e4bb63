# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What rank 0 does to the logs before the first update: continue or put aside what lies there, and say the plan."""

from typing import Any

from arctic_text2sql_r1.monitor.continuation import continue_log
from arctic_text2sql_r1.monitor.run_facts import write_run_facts
from arctic_text2sql_r1.training.plan import plan_lines
from arctic_text2sql_r1.training.plan import run_facts


def begin_logs(trainer: Any) -> None:
    """Logs then tell the run that `trainer` continues or begins; its alarms remember what they have seen of it."""
    config = trainer.config
    branches = any(engine.config.resume is not None for engine in trainer.run_checkpoints)
    for path, key in ((config.rollouts_file, "step"), (config.train_log_metrics_path, "iter")):
        continue_log(path, step_key=key, last_step=trainer.global_step, keep_earlier=branches)
    trainer.guards.replay(config.train_log_metrics_path)
    write_run_facts(config.train_log_metrics_path, run_facts(trainer))
    for line in plan_lines(trainer):
        print(f"[grpo] {line}")

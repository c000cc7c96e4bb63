# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`type: grpo_timed`: trains as `type: grpo` on prompts of a given length, and notes the CPU seconds of each phase.

What `update_cost.py` runs: a recipe names this file as its `code:`. PROMPT_TOKENS is the length of every prompt; a
line for each update and rank goes to `cpu-RANK.jsonl` in the working folder.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import torch

from arctic_text2sql_r1.arctic.trainer import GRPOTrainer
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion
from arctic_text2sql_r1.rollout.base import Rollout
from arctic_text2sql_r1.training.statistics import UpdateStatistics


class TimedTrainer(GRPOTrainer):
    """The real trainer with a clock around its hooks."""

    name = "grpo_timed"

    def generate_candidates(self, batch: dict[str, Any]) -> Rollout:
        length = int(os.environ["PROMPT_TOKENS"])
        draw = torch.Generator().manual_seed(self.global_step * self.world_size + self.global_rank)
        size = (len(batch["prompts"]), length)
        prompts = torch.randint(10, len(self.tokenizer) - 10, size, generator=draw).tolist()
        began = time.process_time()
        rollout = super().generate_candidates({**batch, "prompts": prompts})
        self._seconds = dict(generate=time.process_time() - began)
        return rollout

    def compute_rewards(self, rollout: Rollout) -> list[ScoredCompletion]:
        began = time.process_time()
        scored = super().compute_rewards(rollout)
        self._seconds["reward"] = time.process_time() - began
        return scored

    def update_policy(self, rollout: Rollout, advantages: torch.Tensor, keep: torch.Tensor) -> UpdateStatistics:
        began = time.process_time()
        statistics = super().update_policy(rollout, advantages, keep)
        self._seconds["train"] = time.process_time() - began
        tokens = sum(len(completion.token_ids) for completion in rollout.completions)
        with Path(f"cpu-{self.global_rank}.jsonl").open("a") as log:
            log.write(json.dumps(dict(self._seconds, tokens=tokens)) + "\n")
        return statistics

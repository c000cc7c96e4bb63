# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`type: grpo_fixed`: samples as `type: grpo` does, then trains on completions that follow from the question alone.

Whatever the number of ranks, the ZeRO stage or the dtype, it learns from the same rows. A recipe names this
file as its `code:`.
"""

import os
import random
from dataclasses import replace
from typing import Any

from arctic_text2sql_r1.arctic.trainer import GRPOTrainer
from arctic_text2sql_r1.rollout.base import Rollout
from arctic_text2sql_r1.types import Completion


class FixedCompletionsTrainer(GRPOTrainer):
    """Real sampling, fixed completions. The second rollout fails on the rank that RAISE_ON_RANK names."""

    name = "grpo_fixed"

    def generate_candidates(self, batch: dict[str, Any]) -> Rollout:
        rollout = super().generate_candidates(batch)
        if self.global_step == 1 and os.environ.get("RAISE_ON_RANK") == str(self.global_rank):
            raise RuntimeError("the disk is full")
        fixed = [self._fixed(example.example_id, row) for row, example in enumerate(rollout.examples)]
        return replace(rollout, completions=fixed)

    def _fixed(self, example_id: str, row: int) -> Completion:
        draw = random.Random(f"{example_id} {row % self.config.num_samples_per_prompt}")
        length = draw.randint(1, self.config.max_new_tokens)
        token_ids = tuple(draw.randrange(10, 400) for _ in range(length))
        return Completion(text=self.tokenizer.decode(token_ids), token_ids=token_ids)

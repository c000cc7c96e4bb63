# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What the updates on one rollout saw, summed by the learner; figures of the rollout itself are in `monitor/`."""

from dataclasses import dataclass
from dataclasses import field

import torch

from arctic_text2sql_r1.losses import PolicyLossOutput
from arctic_text2sql_r1.training.ranks import reduce_max
from arctic_text2sql_r1.training.ranks import reduce_sum


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
            loss=reduce_sum(self.loss, device) / reduce_sum(1, device) / max(1, self.updates),
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

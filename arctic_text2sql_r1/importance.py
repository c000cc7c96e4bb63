# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Weights for completions that another program sampled, with the policy's weights but its own kernels and rounding.

Tokens were drawn with the sampler's probabilities, the gradient is wanted under the trainer's: truncated importance
sampling multiplies each token by min(trainer / sampler, cap). Token by token, because a product over a completion
would shrink with its length. Source: Ionides 2008, 10.1198/106186008X320456. Where the weights enter the objective:
`losses.py`. Where the policy itself samples there is nothing to weigh.
"""

from dataclasses import dataclass

import torch

from arctic_text2sql_r1.kl import MAX_LOG_RATIO


@dataclass(frozen=True)
class ImportanceSums:
    """What the ratios trainer / sampler were before the cap: detached sums over tokens, and their maximum.

    `distance_sum` adds up the absolute log-ratios, in nats; `capped_tokens` counts ratios above the cap.
    """

    tokens: torch.Tensor
    ratio_sum: torch.Tensor
    max_ratio: torch.Tensor
    capped_tokens: torch.Tensor
    distance_sum: torch.Tensor


def importance_weights(
    old_logprobs: torch.Tensor, sampler_logprobs: torch.Tensor, mask: torch.Tensor, cap: float | None
) -> tuple[torch.Tensor, ImportanceSums]:
    """Each token's weight (N, T), without gradient, and what the ratios were before the cap; all arguments (N, T).

    `cap` None gives weight 1 everywhere; the sums are taken all the same. Masked tokens have weight 1 and count
    nowhere, whatever they hold.
    """
    gap = torch.where(mask, old_logprobs - sampler_logprobs, torch.zeros_like(old_logprobs)).detach()
    ratio = gap.clamp(max=MAX_LOG_RATIO).exp()
    counted = ratio * mask
    sums = ImportanceSums(
        tokens=mask.sum(),
        ratio_sum=counted.sum(),
        max_ratio=counted.max() if mask.numel() > 0 else counted.new_zeros(()),
        capped_tokens=mask.new_zeros((), dtype=torch.long) if cap is None else (counted > cap).sum(),
        distance_sum=gap.abs().sum(),
    )
    return torch.ones_like(ratio) if cap is None else ratio.clamp(max=cap), sums

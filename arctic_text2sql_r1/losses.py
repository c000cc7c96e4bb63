# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The policy objective as pure functions of tensors.

For completion i with tokens t, ratio r = exp(policy_logprobs - old_logprobs) and advantage A_i, each token costs

    -min(r A, clip(r, 1 - clip_range, 1 + clip_range) A)  +  kl_coef * (exp(d) - d - 1),   d = ref - policy

(arXiv 2402.03300 equations 3 and 4; the KL term is Schulman's k3 estimator, never negative). Tokens are then summed
and divided by a denominator that the caller computes once per optimizer update over all micro-batches and ranks, so
that cutting an update into micro-batches, or padding it, cannot move the loss.

A published name is a row of `OBJECTIVES`: advantage scaling x aggregation. What this module does not do: compute
log-probabilities (`logprobs.py`), compare rewards (`advantages.py`), talk to other ranks (the trainer).
"""

from dataclasses import dataclass
from typing import Literal

import torch

from arctic_text2sql_r1.advantages import AdvantageScaling

Aggregation = Literal["token", "sequence", "constant"]

# exp() of a larger log-ratio says nothing but "very far away" and overflows float32 at 88.
MAX_LOG_RATIO = 20.0


@dataclass(frozen=True)
class Objective:
    """One row of the preset table.

    `aggregation`: "token" averages over all completion tokens of the update; "sequence" averages tokens within each
    completion, then completions; "constant" sums tokens and divides by completions times the length limit.
    """

    advantage_scaling: AdvantageScaling
    aggregation: Aggregation
    source: str


OBJECTIVES: dict[str, Objective] = {
    "grpo": Objective(advantage_scaling="group", aggregation="token", source="arXiv 2402.03300, token mean as DAPO"),
    "grpo_sequence": Objective(advantage_scaling="group", aggregation="sequence", source="arXiv 2402.03300 eq. 3"),
    "dr_grpo": Objective(advantage_scaling="none", aggregation="constant", source="arXiv 2503.20783"),
}


@dataclass(frozen=True)
class PolicyLossInput:
    """Everything one micro-batch's loss depends on.

    `policy_logprobs`, `old_logprobs`, `ref_logprobs` (N, T); `ref_logprobs` is None when no KL is wanted.
    `completion_mask` (N, T) bool, 1 marks a token that counts. `advantages` (N,). `kl_rows` (N,) bool, 1 marks rows
    that are held to the reference. `denominator` is that of the whole update, see `loss_denominator`.
    """

    policy_logprobs: torch.Tensor
    old_logprobs: torch.Tensor
    ref_logprobs: torch.Tensor | None
    completion_mask: torch.Tensor
    advantages: torch.Tensor
    kl_rows: torch.Tensor
    denominator: float
    clip_range: float = 0.2
    kl_coef: float = 0.001
    aggregation: Aggregation = "token"


@dataclass(frozen=True)
class PolicyLossOutput:
    """The differentiable scalar, and detached sums over tokens for logging (divide by `tokens`)."""

    loss: torch.Tensor
    tokens: torch.Tensor
    clipped_tokens: torch.Tensor
    kl_sum: torch.Tensor
    max_ratio: torch.Tensor


def policy_loss(inputs: PolicyLossInput) -> PolicyLossOutput:
    """Clipped-ratio objective plus KL penalty of one micro-batch; see the module docstring for the equation.

    On-policy (old equals policy) the ratio is exactly 1 and the gradient is that of plain policy gradient. Masked
    tokens contribute exactly 0, to value and gradient, whatever they hold. No row at all gives 0 with a gradient.
    """
    mask = inputs.completion_mask
    log_ratio = _masked(inputs.policy_logprobs - inputs.old_logprobs, mask).clamp(max=MAX_LOG_RATIO)
    ratio = log_ratio.exp()  # (N, T)
    advantages = inputs.advantages.unsqueeze(1)
    clipped_ratio = ratio.clamp(1 - inputs.clip_range, 1 + inputs.clip_range)
    surrogate = torch.minimum(ratio * advantages, clipped_ratio * advantages)
    token_loss = -surrogate
    kl = torch.zeros_like(token_loss)
    if inputs.ref_logprobs is not None:
        kl = k3_kl(_masked(inputs.policy_logprobs, mask), _masked(inputs.ref_logprobs, mask))
        token_loss = token_loss + inputs.kl_coef * kl * inputs.kl_rows.unsqueeze(1)
    counted = mask.to(token_loss.dtype)
    weights = _row_weights(counted, inputs.aggregation)
    loss = (token_loss * counted * weights.unsqueeze(1)).sum() / inputs.denominator
    clipped = (clipped_ratio * advantages < ratio * advantages) & mask
    return PolicyLossOutput(
        loss=loss,
        tokens=mask.sum(),
        clipped_tokens=clipped.sum(),
        kl_sum=(kl.detach() * counted).sum(),
        max_ratio=(ratio.detach() * counted).max() if mask.numel() > 0 else ratio.new_zeros(()),
    )


def k3_kl(policy_logprobs: torch.Tensor, ref_logprobs: torch.Tensor) -> torch.Tensor:
    """Per-token k3 estimate of KL(policy || reference): exp(d) - d - 1 with d = ref - policy; >= 0, 0 when equal.

    Any shape. Source: http://joschu.net/blog/kl-approx.html; arXiv 2402.03300 equation 4.
    """
    # NOTE: no lower bound. There exp() is 0 and the -d is what pulls back a policy that the reference finds absurd.
    difference = (ref_logprobs - policy_logprobs).clamp(max=MAX_LOG_RATIO)
    return torch.expm1(difference) - difference


def loss_denominator(aggregation: Aggregation, tokens: int, completions: int, max_new_tokens: int) -> float:
    """What the summed token losses of one optimizer update are divided by; at least 1.

    `tokens` and `completions` count the whole update over all ranks, rows without a gradient included.
    """
    sizes: dict[str, int] = dict(token=tokens, sequence=completions, constant=completions * max_new_tokens)
    return float(max(1, sizes[aggregation]))


def _row_weights(counted: torch.Tensor, aggregation: Aggregation) -> torch.Tensor:
    """(N,) weight of each row's summed tokens: 1 / length for "sequence", else 1. `counted` is the mask as 0 and 1."""
    lengths = counted.sum(dim=1)
    return 1 / lengths.clamp(min=1) if aggregation == "sequence" else torch.ones_like(lengths)


def _masked(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`values` with masked entries replaced by 0, so that NaN or infinity there cannot leak into a gradient."""
    return torch.where(mask, values, torch.zeros_like(values))

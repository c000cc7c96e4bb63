# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Estimates of KL(policy || reference) from the log-probabilities of sampled tokens.

Each takes `policy_logprobs`, `ref_logprobs` and `log_ratio` = policy - old (what the sampler gave the token), all of
one shape, and returns that shape in nats. "Unbiased value" speaks of the mean over the policy's own tokens; as a loss
it is the gradient that matters, and the two do not go together. Sources: http://joschu.net/blog/kl-approx.html for
k1 to k3. How the term is weighted and summed is in `losses.py`.
"""

from collections.abc import Callable
from typing import Literal

import torch

KLEstimator = Literal["k1", "k2", "k3", "k3_corrected"]

# exp() of a larger log-ratio says nothing but "very far away" and overflows float32 at 88.
MAX_LOG_RATIO = 20.0


def k1_kl(policy_logprobs: torch.Tensor, ref_logprobs: torch.Tensor, log_ratio: torch.Tensor) -> torch.Tensor:
    """policy - ref: unbiased value, may be negative.

    NOTE: its gradient is that of the log-probability, whose mean on-policy is 0: as a loss it pulls nowhere on
    average. It is here for comparisons; `k2_kl` has the gradient that k1 has when it is subtracted from the reward.
    """
    return policy_logprobs - ref_logprobs


def k2_kl(policy_logprobs: torch.Tensor, ref_logprobs: torch.Tensor, log_ratio: torch.Tensor) -> torch.Tensor:
    """(policy - ref)^2 / 2: biased value, but on-policy the mean of its gradient is that of the KL; >= 0."""
    return (policy_logprobs - ref_logprobs).square() / 2


def k3_kl(
    policy_logprobs: torch.Tensor, ref_logprobs: torch.Tensor, log_ratio: torch.Tensor | None = None
) -> torch.Tensor:
    """exp(d) - d - 1 with d = ref - policy: unbiased value, >= 0, 0 when equal; its gradient is not the KL's.

    Source: arXiv 2402.03300 equation 4.
    """
    # NOTE: no lower bound. There exp() is 0 and the -d is what pulls back a policy that the reference finds absurd.
    difference = (ref_logprobs - policy_logprobs).clamp(max=MAX_LOG_RATIO)
    return torch.expm1(difference) - difference


def corrected_k3_kl(
    policy_logprobs: torch.Tensor, ref_logprobs: torch.Tensor, log_ratio: torch.Tensor
) -> torch.Tensor:
    """k3 times the token's ratio to the sampler: value and gradient are unbiased, on-policy and off-policy; >= 0.

    The mean of ratio x k3 over the sampler's tokens is the mean of k3 over the policy's, which is the KL itself.
    Source: arXiv 2512.02556 equation 7.
    """
    return log_ratio.clamp(max=MAX_LOG_RATIO).exp() * k3_kl(policy_logprobs, ref_logprobs)


KL_ESTIMATORS: dict[KLEstimator, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "k1": k1_kl,
    "k2": k2_kl,
    "k3": k3_kl,
    "k3_corrected": corrected_k3_kl,
}

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The policy objective as pure functions of tensors.

For completion i with tokens t, log-ratio l = policy_logprobs - old_logprobs and advantage A_i, each token costs

    -surrogate(ratio, A)  +  kl_coef * kl(policy, ref)  -  entropy_coef * entropy

    ratio       token: exp(l_it)   sequence: exp(mean over t of l_it)   none: 1, with the log-probability's gradient
    surrogate   clip_target "ratio":  min(r A, clip(r, 1 - low, 1 + high) A), for A < 0 not below dual_clip * A
                clip_target "weight": stop_gradient(clip(r, 1 - low, 1 + high)) A log(policy)

Where another program sampled, each surrogate is multiplied by w = min(exp(old - sampler), importance_cap), without
gradient: `old_logprobs` are always the trainer's own, `sampler_logprobs` those under which a token was drawn.

Tokens are then summed and divided by a denominator that the caller computes once per optimizer update over all
micro-batches and ranks, so that cutting an update into micro-batches, or padding it, cannot move the loss.

A published name is a row of `OBJECTIVES`; a recipe may set any cell anew (`resolve_objective`), and everything below
the table reads cells, never names. What this module does not do: compute log-probabilities (`logprobs.py`), compare
rewards (`advantages.py`), estimate the KL (`kl.py`), weigh another sampler's tokens (`importance.py`), talk to other
ranks (the trainer).
"""

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
from dataclasses import replace
from typing import Any
from typing import Literal
from typing import get_args

import torch

from arctic_text2sql_r1.advantages import AdvantageBaseline
from arctic_text2sql_r1.advantages import AdvantageScaling
from arctic_text2sql_r1.advantages import Truncated
from arctic_text2sql_r1.importance import ImportanceSums
from arctic_text2sql_r1.importance import importance_weights
from arctic_text2sql_r1.kl import KL_ESTIMATORS
from arctic_text2sql_r1.kl import MAX_LOG_RATIO
from arctic_text2sql_r1.kl import KLEstimator

Aggregation = Literal["token", "sequence", "constant"]
RatioLevel = Literal["token", "sequence", "none"]
ClipTarget = Literal["ratio", "weight"]


@dataclass(frozen=True)
class Objective:
    """One row of the preset table; raises ValueError for a cell that cannot be.

    `advantage_baseline`, `advantage_scaling` and `truncated_completions`: see `advantages.py`. `ratio_level`,
    `clip_target`, `clip_range` (low, high) and `dual_clip`: see the module docstring. `aggregation`: "token" averages
    over all completion tokens of the update; "sequence" averages tokens within each completion, then completions;
    "constant" sums tokens and divides by completions times the length limit. `kl_coef` 0 means no reference pass.
    `importance_cap` bounds the weight of tokens that another program sampled; None leaves them unweighted.
    """

    source: str = ""
    advantage_baseline: AdvantageBaseline = "mean"
    advantage_scaling: AdvantageScaling = "group"
    ratio_level: RatioLevel = "token"
    clip_target: ClipTarget = "ratio"
    clip_range: tuple[float, float] = (0.2, 0.2)
    dual_clip: float | None = None
    aggregation: Aggregation = "token"
    kl_estimator: KLEstimator = "k3"
    kl_coef: float = 0.001
    entropy_coef: float = 0.0
    truncated_completions: Truncated = "keep"
    importance_cap: float | None = 2.0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in get_args(choices):
                known = ", ".join(get_args(choices))
                raise ValueError(f"{name} '{getattr(self, name)}' is unknown; known: {known}.")
        low, high = self.clip_range
        if not (0 < low <= 1 and 0 < high < float("inf")):
            raise ValueError(f"clip_range ({low}, {high}) must have 0 < low <= 1 and 0 < high.")
        if not (0 <= self.kl_coef < float("inf") and 0 <= self.entropy_coef < float("inf")):
            raise ValueError(f"kl_coef ({self.kl_coef}) and entropy_coef ({self.entropy_coef}) must be at least 0.")
        if self.dual_clip is not None and not 1 + high < self.dual_clip < float("inf"):
            raise ValueError(f"dual_clip is {self.dual_clip}; it must lie above 1 + high of clip_range ({1 + high}).")
        if self.importance_cap is not None and not 1 <= self.importance_cap < float("inf"):
            raise ValueError(
                f"importance_cap is {self.importance_cap}; it must be at least 1, or null for no weights."
            )
        if self.dual_clip is not None and self.clip_target == "weight":
            raise ValueError("dual_clip belongs to clip_target 'ratio'; 'weight' is bounded by clip_range already.")


_CHOICES: dict[str, Any] = dict(
    advantage_baseline=AdvantageBaseline,
    advantage_scaling=AdvantageScaling,
    ratio_level=RatioLevel,
    clip_target=ClipTarget,
    aggregation=Aggregation,
    kl_estimator=KLEstimator,
    truncated_completions=Truncated,
)

# Cells that a row leaves out are those of `Objective`: the paper's GRPO. Papers that do not say get kl_coef 0.001.
OBJECTIVES: dict[str, Objective] = {
    "grpo": Objective(source="arXiv 2402.03300 eq. 3; token mean as DAPO; clip and KL of arXiv 2505.20315"),
    "grpo_sequence": Objective(source="arXiv 2402.03300 eq. 3, as printed", aggregation="sequence"),
    # The paper drops the KL term: with a rule-based reward there is no reward model to stay close to.
    "dr_grpo": Objective(
        source="arXiv 2503.20783 section 3.2", advantage_scaling="none", aggregation="constant", kl_coef=0.0
    ),
    # Dynamic sampling, its fourth part, is a matter of the rollout: recipe key `dynamic_sampling`. Truncated
    # completions: overlong filtering of section 3.4, here out of the group's mean as well; "penalize" is that
    # section's soft punishment.
    "dapo": Objective(
        source="arXiv 2503.14476 eq. 8", clip_range=(0.2, 0.28), kl_coef=0.0, truncated_completions="mask"
    ),
    # The clip range is a hundred times narrower because a mean of log-ratios moves that much less than one of them.
    "gspo": Objective(
        source="arXiv 2507.18071 eq. 5 and 7, clip of section 5.1",
        ratio_level="sequence",
        clip_range=(3e-4, 4e-4),
        aggregation="sequence",
        kl_coef=0.0,
    ),
    # Low 1.0 is no lower bound, as in the paper, which does not print its upper one: weights up to 5 are those of
    # arXiv 2510.13786 (4 to 8 were alike there).
    "cispo": Objective(
        source="arXiv 2506.13585 eq. 4 and 5", clip_target="weight", clip_range=(1.0, 4.0), kl_coef=0.0
    ),
    # A completion is one action: its log-probabilities are summed, here divided by the constant length limit. The
    # paper subtracts KL from the reward; k2 is the loss whose gradient that has on-policy.
    "rloo": Objective(
        source="arXiv 2402.14740",
        advantage_baseline="leave_one_out",
        advantage_scaling="none",
        ratio_level="none",
        aggregation="constant",
        kl_estimator="k2",
    ),
    # Williams 1992 leaves the baseline open; the group's mean is the one that a group offers.
    "reinforce": Objective(
        source="Williams 1992, 10.1007/BF00992696", advantage_scaling="none", ratio_level="none", kl_coef=0.0
    ),
    # The variant "with baseline": group mean, deviation of the whole batch, k2 KL as a loss on every token.
    "reinforce_pp": Objective(
        source="arXiv 2501.03262 v3, with baseline", advantage_scaling="batch", kl_estimator="k2"
    ),
}


def resolve_objective(preset: str, cells: Mapping[str, Any]) -> Objective:
    """The row named `preset` with `cells` put in their places; a `clip_range` of one number means both sides.

    Raises ValueError for an unknown name, an unknown cell, or a value that the cell cannot have.
    """
    if preset not in OBJECTIVES:
        raise ValueError(f"objective '{preset}' is unknown; known: {', '.join(OBJECTIVES)}.")
    known = [cell.name for cell in fields(Objective) if cell.name != "source"]
    unknown = [name for name in cells if name not in known]
    if len(unknown) > 0:
        raise ValueError(f"objective has no cell {', '.join(map(repr, unknown))}; known: preset, {', '.join(known)}.")
    values = dict(cells)
    if "clip_range" in values:
        sides = values["clip_range"]
        sides = (sides, sides) if isinstance(sides, int | float) else tuple(sides)
        if len(sides) != 2:
            raise ValueError(f"clip_range is {list(sides)}; give one number, or a pair (low, high).")
        values["clip_range"] = sides
    return replace(OBJECTIVES[preset], **values)


@dataclass(frozen=True)
class PolicyLossInput:
    """Everything one micro-batch's loss depends on.

    `policy_logprobs`, `old_logprobs`, `ref_logprobs`, `entropy` (N, T); `ref_logprobs` is None when no KL is wanted,
    `entropy` (differentiable, in nats) when `objective.entropy_coef` is 0. `completion_mask` (N, T) bool, 1 marks a
    token that counts. `advantages` (N,). `kl_rows` (N,) bool, 1 marks rows that are held to the reference.
    `denominator` is that of the whole update, see `loss_denominator`. `sampler_logprobs` (N, T) are those of the
    program that sampled, None where that was the policy itself.
    """

    policy_logprobs: torch.Tensor
    old_logprobs: torch.Tensor
    ref_logprobs: torch.Tensor | None
    completion_mask: torch.Tensor
    advantages: torch.Tensor
    kl_rows: torch.Tensor
    denominator: float
    objective: Objective
    entropy: torch.Tensor | None = None
    sampler_logprobs: torch.Tensor | None = None


@dataclass(frozen=True)
class PolicyLossOutput:
    """The differentiable scalar, and detached sums over tokens for logging (divide by `tokens`).

    `importance` is None where the policy itself sampled.
    """

    loss: torch.Tensor
    tokens: torch.Tensor
    clipped_tokens: torch.Tensor
    kl_sum: torch.Tensor
    max_ratio: torch.Tensor
    importance: ImportanceSums | None = None


def policy_loss(inputs: PolicyLossInput) -> PolicyLossOutput:
    """Surrogate, KL penalty and entropy bonus of one micro-batch; see the module docstring for the equation.

    On-policy (old equals policy) the ratio is exactly 1 and the gradient of every surrogate is that of plain policy
    gradient. Masked tokens contribute exactly 0, to value and gradient, whatever they hold. No row at all gives 0
    with a gradient. Raises ValueError for an entropy bonus without `entropy`.
    """
    mask, objective = inputs.completion_mask, inputs.objective
    counted = mask.to(inputs.policy_logprobs.dtype)
    policy = _masked(inputs.policy_logprobs, mask)
    log_ratio = policy - _masked(inputs.old_logprobs, mask)
    ratio = RATIOS[objective.ratio_level](policy, log_ratio, counted)  # (N, T)
    surrogate, clipped = _surrogate(ratio, policy, inputs.advantages.unsqueeze(1), objective)
    importance = None
    if inputs.sampler_logprobs is not None:
        weight, importance = importance_weights(
            inputs.old_logprobs, inputs.sampler_logprobs, mask, objective.importance_cap
        )
        surrogate = weight * surrogate
    token_loss = -surrogate
    kl = torch.zeros_like(token_loss)
    if inputs.ref_logprobs is not None:
        kl = KL_ESTIMATORS[objective.kl_estimator](policy, _masked(inputs.ref_logprobs, mask), log_ratio)
        token_loss = token_loss + objective.kl_coef * kl * inputs.kl_rows.unsqueeze(1)
    if objective.entropy_coef > 0:
        if inputs.entropy is None:
            raise ValueError(f"entropy_coef is {objective.entropy_coef}, but the loss was given no entropy.")
        token_loss = token_loss - objective.entropy_coef * _masked(inputs.entropy, mask)
    weights = _row_weights(counted, objective.aggregation)
    return PolicyLossOutput(
        loss=(token_loss * counted * weights.unsqueeze(1)).sum() / inputs.denominator,
        tokens=mask.sum(),
        clipped_tokens=(clipped & mask).sum(),
        kl_sum=(kl.detach() * counted).sum(),
        max_ratio=(ratio.detach() * counted).max() if mask.numel() > 0 else ratio.new_zeros(()),
        importance=importance,
    )


def loss_denominator(aggregation: Aggregation, tokens: int, completions: int, max_new_tokens: int) -> float:
    """What the summed token losses of one optimizer update are divided by; at least 1.

    `tokens` and `completions` count the whole update over all ranks: rows without a gradient are included, rows that
    were masked as truncated are not.
    """
    sizes: dict[str, int] = dict(token=tokens, sequence=completions, constant=completions * max_new_tokens)
    return float(max(1, sizes[aggregation]))


# Ratios: (policy_logprobs, log_ratio, mask as 0 and 1), each (N, T) with masked entries 0, to (N, T).


def token_ratio(policy_logprobs: torch.Tensor, log_ratio: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Each token's own probability ratio, as in PPO (arXiv 1707.06347 equation 6)."""
    return log_ratio.clamp(max=MAX_LOG_RATIO).exp()


def sequence_ratio(policy_logprobs: torch.Tensor, log_ratio: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """The geometric mean of a completion's token ratios at each of its tokens (arXiv 2507.18071 equation 7).

    A completion without tokens has ratio 1.
    """
    mean = (log_ratio * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
    return mean.clamp(max=MAX_LOG_RATIO).exp().unsqueeze(1).expand_as(log_ratio)


def no_ratio(policy_logprobs: torch.Tensor, log_ratio: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Exactly 1, with the gradient of the log-probability: REINFORCE, right only while the policy is the sampler's."""
    return (policy_logprobs - policy_logprobs.detach()).exp()


RATIOS: dict[RatioLevel, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "token": token_ratio,
    "sequence": sequence_ratio,
    "none": no_ratio,
}


def _surrogate(
    ratio: torch.Tensor, policy_logprobs: torch.Tensor, advantages: torch.Tensor, objective: Objective
) -> tuple[torch.Tensor, torch.Tensor]:
    """What is maximised per token (N, T), and where clipping changed it (N, T) bool. `advantages` (N, 1)."""
    low, high = objective.clip_range
    clipped_ratio = ratio.clamp(1 - low, 1 + high)
    if objective.clip_target == "weight":
        return clipped_ratio.detach() * advantages * policy_logprobs, clipped_ratio != ratio
    surrogate = torch.minimum(ratio * advantages, clipped_ratio * advantages)
    clipped = clipped_ratio * advantages < ratio * advantages
    if objective.dual_clip is not None:
        # Source: arXiv 1912.09729. Without it a bad token that became likely pulls without limit.
        floor = objective.dual_clip * advantages
        floored = (advantages < 0) & (surrogate < floor)
        surrogate = torch.where(floored, floor.expand_as(surrogate), surrogate)
        clipped = clipped | floored
    return surrogate, clipped


def _row_weights(counted: torch.Tensor, aggregation: Aggregation) -> torch.Tensor:
    """(N,) weight of each row's summed tokens: 1 / length for "sequence", else 1. `counted` is the mask as 0 and 1."""
    lengths = counted.sum(dim=1)
    return 1 / lengths.clamp(min=1) if aggregation == "sequence" else torch.ones_like(lengths)


def _masked(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`values` with masked entries replaced by 0, so that NaN or infinity there cannot leak into a gradient."""
    return torch.where(mask, values, torch.zeros_like(values))

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Which of our objectives are TRL's, and under which of TRL's settings. Imported in both environments: no torch.

TRL 1.16's loss types that no preset of ours is: `bnpo` (a token mean of each micro-batch by itself, so it is our token
mean where an update has one), `sapo`, `luspo`, `vespo`. Its off-policy masks are left out as well.
"""

from dataclasses import dataclass
from dataclasses import field
from typing import Any

GROUPS, SAMPLES, MICRO_BATCHES, MAX_NEW_TOKENS = 2, 4, 2, 12

# Settings that make TRL's trainer build on a CPU and leave its loss alone.
COMMON: dict[str, Any] = dict(
    per_device_train_batch_size=GROUPS * SAMPLES // MICRO_BATCHES,
    gradient_accumulation_steps=MICRO_BATCHES,
    num_generations=SAMPLES,
    max_completion_length=MAX_NEW_TOKENS,
    bf16=False,
    use_cpu=True,
    report_to="none",
    save_strategy="no",
)


@dataclass(frozen=True)
class Case:
    """One objective of ours, `preset` with `cells`, and the settings under which TRL has the same.

    `trainer` is TRL's class. `noise` scales the distance of the old log-probabilities, so that some ratios are
    clipped and some are not; 0 is on-policy. `scale` is what TRL's loss has to be divided by to be ours.
    `compares_loss` is false where only the gradients can be equal. `tolerance` is relative, of loss and slopes.
    """

    preset: str
    trl: dict[str, Any]
    cells: dict[str, Any] = field(default_factory=dict)
    trainer: str = "GRPO"
    noise: float = 0.4
    scale: float = 1.0
    compares_loss: bool = True
    tolerance: float = 1e-12


def grpo(preset: str, trl: dict[str, Any], **cells: Any) -> Case:
    """`preset` with a KL weight large enough to be seen."""
    weight = dict(beta=0.1, use_bias_correction_kl=cells.get("kl_estimator") == "k3_corrected")
    return Case(preset, dict(weight, **trl), dict(kl_coef=0.1, **cells))


CASES = {
    "grpo": grpo("grpo", dict(loss_type="dapo")),
    "grpo_sequence": grpo("grpo_sequence", dict(loss_type="grpo")),
    "dr_grpo": Case("dr_grpo", dict(loss_type="dr_grpo", beta=0.0)),
    "dapo": Case("dapo", dict(loss_type="dapo", beta=0.0, epsilon_high=0.28)),
    "gspo": Case(
        "gspo",
        dict(loss_type="grpo", beta=0.0, importance_sampling_level="sequence", epsilon=3e-4, epsilon_high=4e-4),
        noise=3e-3,
    ),
    "cispo": Case("cispo", dict(loss_type="cispo", beta=0.0, epsilon_high=5.0), noise=1.5),
    # TRL's ratio is that of a whole completion: on-policy it has the gradient of ours times the length limit. Its loss
    # counts a completion once where ours counts its tokens, and on-policy means within single precision.
    "rloo": Case(
        "rloo",
        dict(beta=0.0),
        dict(kl_coef=0.0),
        trainer="RLOO",
        noise=0.0,
        scale=MAX_NEW_TOKENS,
        compares_loss=False,
        tolerance=1e-5,
    ),
    "kl k3_corrected": grpo("grpo", dict(loss_type="dapo"), kl_estimator="k3_corrected"),
    "clip-higher": grpo("grpo", dict(loss_type="dapo", epsilon=0.1, epsilon_high=0.28), clip_range=(0.1, 0.28)),
    # TRL's delta bounds the ratio of every token; above 1 + high it can only be felt where the advantage is negative.
    "dual clip": grpo("grpo", dict(loss_type="dapo", delta=1.5), dual_clip=1.5),
    # One micro-batch: TRL averages the entropy within each.
    "entropy": grpo(
        "grpo",
        dict(
            loss_type="bnpo",
            entropy_coef=0.05,
            per_device_train_batch_size=GROUPS * SAMPLES,
            gradient_accumulation_steps=1,
        ),
        entropy_coef=0.05,
    ),
}

ADVANTAGE_SCALINGS = ("group", "batch", "none")

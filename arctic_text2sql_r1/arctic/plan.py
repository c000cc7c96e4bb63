# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What a run is about to do, as the lines that are printed before its first update."""

from collections.abc import Iterator
from typing import Any

from arctic_text2sql_r1.losses import Objective


def plan_lines(trainer: Any) -> Iterator[str]:
    """Batch arithmetic, objective, comparison mode, cautions, trainable parameters, and where a resumed run stands."""
    config = trainer.config
    yield config.plan(len(trainer.train_dataloader), trainer.metrics.max_iter)
    yield f"objective {config.preset_name}: {describe(config.cells)}"
    if config.cells.kl_coef > 0 and config.cells.kl_estimator == "k1":
        yield "WARNING: kl_estimator k1 pulls nowhere on average as a loss; k2 and k3_corrected have the KL's gradient"
    if trainer.engine.samples_elsewhere:
        cap = config.cells.importance_cap
        weights = "no importance weights" if cap is None else f"importance weights up to {cap:g}"
        yield f"rollouts by {config.rollout.engine} at {config.rollout.url}, {weights}"
    yield f"rewards compare results in mode '{config.sql.compare}'"
    yield from (f"WARNING: {caution}" for caution in trainer.scorer.cautions)
    # ZeRO-3 leaves empty shells on the ranks; the full size is then in ds_numel.
    sizes = [(p.requires_grad, getattr(p, "ds_numel", p.numel())) for p in trainer.model_unwrapped.parameters()]
    trainable = sum(size for requires_grad, size in sizes if requires_grad)
    total = sum(size for _, size in sizes)
    yield f"trainable parameters: {trainable:,} of {total:,} ({trainable / total:.2%})"
    if trainer.global_step > 0:
        yield f"continuing after update {trainer.global_step} (epoch {trainer.epoch_idx})"
    if trainer.global_step >= trainer.metrics.max_iter:
        folders = ", ".join(f"'{engine.config.output_dir}'" for engine in trainer.checkpoint_engines)
        yield f"all {trainer.metrics.max_iter} updates are already made; to train anew remove {folders}"


def describe(objective: Objective) -> str:
    """The cells in force in one line; those that are switched off are left out."""
    low, high = objective.clip_range
    cells = [
        f"baseline {objective.advantage_baseline}",
        f"scaling {objective.advantage_scaling}",
        f"ratio {objective.ratio_level}",
        f"clip {objective.clip_target} -{low:g} +{high:g}" if objective.ratio_level != "none" else "",
        f"dual clip {objective.dual_clip:g}" if objective.dual_clip is not None else "",
        f"aggregation {objective.aggregation}",
        f"kl {objective.kl_coef:g} {objective.kl_estimator}" if objective.kl_coef > 0 else "no kl",
        f"entropy {objective.entropy_coef:g}" if objective.entropy_coef > 0 else "",
        f"truncated {objective.truncated_completions}",
    ]
    return ", ".join(cell for cell in cells if cell != "")

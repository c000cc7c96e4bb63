# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What a run is about to do, as the lines that are printed before its first update."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.adapters import trained_on
from arctic_text2sql_r1.losses import Objective
from arctic_text2sql_r1.monitor.run_facts import RunFacts
from arctic_text2sql_r1.training.evaluating import evaluation_plan


def plan_lines(trainer: Any) -> Iterator[str]:
    """Batch arithmetic, objective, comparison mode, cautions, trainable parameters, layout and memory of a
    training pass, and where a resumed run stands."""
    config = trainer.config
    yield batch_arithmetic(trainer)
    if config.dynamic_sampling > 0:
        yield sampling_bound(trainer)
    yield f"objective {config.preset_name}: {describe(config.cells)}"
    if config.cells.kl_coef > 0 and config.cells.kl_estimator == "k1":
        yield "WARNING: kl_estimator k1 pulls nowhere on average as a loss; k2 and k3_corrected have the KL's gradient"
    if trainer.engine.samples_elsewhere:
        cap = config.cells.importance_cap
        weights = "no importance weights" if cap is None else f"importance weights up to {cap:g}"
        yield f"rollouts by {config.rollout.engine} at {config.rollout.url}, {weights}"
    yield f"rewards compare results in mode '{config.sql.compare}'"
    yield from (f"WARNING: {caution}" for caution in trainer.scorer.cautions)
    trainable, total = parameter_counts(trainer.model_unwrapped)
    yield f"trainable parameters: {trainable:,} of {total:,} ({trainable / total:.2%})"
    yield from trainer.learner.notes
    yield from (f"reference: {reference}" for reference in [trainer.learner.reference] if reference is not None)
    yield from _another_base(config)
    if trainer.global_step > 0:
        yield f"continuing after update {trainer.global_step} (epoch {trainer.epoch_idx})"
    if config.evaluates:
        yield evaluation_plan(config, len(trainer.eval_dataloader.dataset))
    if len(trainer.run_checkpoints) > 0 and (config.eval_interval == 0 or trainer.eval_dataloader is None):
        yield "no evaluation (data.eval_sources, eval_interval), so no checkpoint will be called best"
    if trainer.global_step >= trainer.metrics.max_iter:
        yield f"all {trainer.metrics.max_iter} updates are already made; to train anew set auto_resume: false"


def run_facts(trainer: Any) -> RunFacts:
    """What readers of the run's logs have to know of its recipe."""
    config = trainer.config
    return RunFacts(
        total_updates=trainer.metrics.max_iter,
        learning_rate=config.optimizer.learning_rate,
        gradient_clipping=trainer.model.gradient_clipping(),
        kl_coef=config.cells.kl_coef,
        temperature=config.temperature,
        num_samples_per_prompt=config.num_samples_per_prompt,
        max_new_tokens=config.max_new_tokens,
        template=config.data.template,
        parser=config.parser,
        engine=config.rollout.engine,
        sql_timeout_s=config.sql.timeout_s,
        sql_workers=config.sql.workers,
    )


def batch_arithmetic(trainer: Any) -> str:
    """Prompts x samples x ranks, the updates made of them, and how many there will be."""
    config = trainer.config
    prompts, samples, updates = config.micro_batch_size, config.num_samples_per_prompt, config.updates_per_rollout
    completions = prompts * samples * trainer.world_size
    parts = [f"{prompts} prompts x {samples} samples x {trainer.world_size} ranks = {completions:,} completions per "]
    parts[0] += "update" if updates == 1 else "rollout"
    if updates > 1:
        parts.append(
            f"{config.inner_epochs} inner epochs x {config.updates_per_inner_epoch} updates of "
            f"{completions // config.updates_per_inner_epoch:,} completions on each"
        )
    parts.append(f"{len(trainer.train_dataloader) * updates:,} updates per epoch")
    parts.append(f"{trainer.training_horizon:,} updates in all")
    if trainer.metrics.max_iter < trainer.training_horizon:
        parts.append(f"stops after {trainer.metrics.max_iter:,}, while the learning rate is scheduled for all")
    return "; ".join(parts)


def sampling_bound(trainer: Any) -> str:
    """What dynamic sampling may add to a rollout."""
    config = trainer.config
    prompts = config.micro_batch_size * trainer.world_size * (1 + config.dynamic_sampling)
    return (
        f"dynamic sampling: up to {config.dynamic_sampling} further rounds for groups with equal rewards, so at most "
        f"{prompts:,} prompts and {prompts * config.num_samples_per_prompt:,} completions sampled per rollout"
    )


def parameter_counts(model: Any) -> tuple[int, int]:
    """(trainable, all) weights of a model."""
    sizes = [(parameter.requires_grad, _size(parameter)) for parameter in model.parameters()]
    return sum(size for requires_grad, size in sizes if requires_grad), sum(size for _, size in sizes)


def _size(parameter: Any) -> int:
    """Weights in a parameter, also where its tensor holds two in a byte (NF4) or nothing (ZeRO-3, between layers)."""
    if getattr(parameter, "quant_state", None) is not None:
        return int(parameter.quant_state.shape.numel())
    return int(getattr(parameter, "ds_numel", parameter.numel()))


def _another_base(config: Any) -> Iterator[str]:
    """A caution when the adapter that the policy starts from names another base model than the recipe."""
    if config.starting_adapter is None:
        return
    base, here = trained_on(config.starting_adapter), config.model.name_or_path
    if Path(base).resolve() != Path(here).resolve():  # as paths; names of a hub differ as such too
        yield (
            f"WARNING: the adapter '{config.starting_adapter}' was trained on '{base}' and is continued on '{here}'; "
            "its tensors fit, but unless the weights are the same it is worth nothing there"
        )


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

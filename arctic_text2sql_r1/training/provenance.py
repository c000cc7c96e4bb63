# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`text2sql_r1.json` beside saved weights: how they were trained, on what, and what they scored.

The keys at its top are what evaluation must repeat; those below `training`, `prompt` and `data` are what a model card
tells (`publishing/card.py`). The prompt stands there as text, because a template may change after the run. Paths are
this machine's; they are cut to names before anything is published.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import torch

from arctic_text2sql_r1.data.manifest import read_manifest
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.evaluation.versions import PACKAGES
from arctic_text2sql_r1.evaluation.versions import package_versions
from arctic_text2sql_r1.evaluation.versions import source_commit
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.publishing.upload import public_address
from arctic_text2sql_r1.quantized import NF4
from arctic_text2sql_r1.training.checkpoint_state import origin
from arctic_text2sql_r1.training.plan import describe
from arctic_text2sql_r1.training.plan import parameter_counts

# Where a prepared folder's source came from, of all that was asked for; the rest are paths and limits.
_ORIGINS = ("name", "hub", "hub_file", "url", "sha256")


def provenance(trainer: Any) -> dict[str, Any]:
    """How the policy was trained and what it scored, as JSON."""
    config = trainer.config
    return dict(
        base_model=str(config.model.name_or_path),
        template=config.data.template,
        template_version=get_template(config.data.template).version,
        long_prompts=config.data.long_prompts,
        parser=config.parser,
        max_new_tokens=config.max_new_tokens,
        global_step=trainer.global_step,
        execution_accuracy=trainer.evaluated_accuracy,
        seed=config.seed,
        dtype=str(config.dtype).removeprefix("torch."),
        quantization=NF4 if config.model.type == "quantized" else None,
        **origin(config),
        training=_training(trainer),
        prompt=_prompt(config),
        data=_data(trainer),
        versions=package_versions((*PACKAGES, "arctic-training", "deepspeed")),
        commit=source_commit(),
        metrics_log=str(config.train_log_metrics_path.resolve()),
    )


def _training(trainer: Any) -> dict[str, Any]:
    config, peft = trainer.config, trainer.config.model.peft_config
    trainable, total = parameter_counts(trainer.model_unwrapped)
    device = torch.cuda.get_device_name(trainer.device) if trainer.device.type == "cuda" else "CPU"
    return dict(
        objective=f"{config.preset_name}: {describe(config.cells)}",
        prompts_per_rollout=config.micro_batch_size * trainer.world_size,
        num_samples_per_prompt=config.num_samples_per_prompt,
        updates_per_rollout=config.updates_per_rollout,
        dynamic_sampling=config.dynamic_sampling,
        temperature=config.temperature,
        kl_coef=config.cells.kl_coef,
        optimizer=config.optimizer.type,
        learning_rate=config.optimizer.learning_rate,
        scheduler=config.scheduler.name,
        scheduled_updates=trainer.training_horizon,
        rewards=[reward.model_dump() for reward in config.rewards],
        compare=config.sql.compare,
        sql_timeout_s=config.sql.timeout_s,
        engine=config.rollout.engine,
        peft=None if peft is None else {key: value for key, value in peft.items() if isinstance(value, _PLAIN)},
        trainable_parameters=trainable,
        parameters=total,
        reward_mean=trainer.metrics.reward_mean,
        hardware=f"{trainer.world_size} x {device}",
    )


_PLAIN = (str, int, float, bool, list)


def _prompt(config: Any) -> dict[str, Any]:
    template = get_template(config.data.template)
    return dict(
        system=template.system,
        user=template.user,
        evidence_line=template.evidence_line,
        prefill=template.prefill,
        schema_style=template.schema_style,
        completion_format=template.completion_format,
    )


def _data(trainer: Any) -> dict[str, Any]:
    config = trainer.config
    evaluates = config.evaluates and trainer.eval_dataloader is not None
    return dict(
        sources=[_source(source) for source in config.data.sources],
        questions=len(trainer.train_dataloader.dataset),
        max_length=config.data.max_length,
        eval_sources=[_source(source) for source in config.data.eval_sources] if evaluates else [],
        eval_questions=len(trainer.eval_dataloader.dataset) if evaluates else None,
        evaluation=config.evaluation.model_dump() if evaluates else None,
    )


def _source(source: Any) -> dict[str, Any]:
    """Its name, and of a folder that `prepare` wrote where its rows came from and what became of them."""
    path = Path(str(getattr(source, "path", source.type)))
    name = path.resolve().name
    try:
        manifest = read_manifest(path)
    except DataError:  # not ours, or damaged since it was loaded: no reason to lose a checkpoint
        manifest = None
    if manifest is None:
        return dict(name=name)
    request = manifest.get("request", {})
    return dict(
        name=name,
        source=manifest.get("source"),
        origin={key: public_address(request[key]) for key in _ORIGINS if request.get(key) is not None},
        content_sha256=manifest["content_sha256"],
        splits={split: _rows(record) for split, record in manifest["splits"].items()},
    )


def _rows(record: dict[str, Any]) -> dict[str, Any]:
    left_out = Counter(unusable=record["unusable"])
    for step in record["filters"]:
        left_out.update(step["left_out"])
    return dict(rows=record["rows"], kept=record["kept"], databases=record["databases"], left_out=dict(+left_out))

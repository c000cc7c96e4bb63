# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Whether another process may continue the run that a checkpoint was taken from, and with which random states.

Writing and reading the files is in `run_checkpoints.py`; how a policy was trained is told in `provenance.py`.
"""

import json
import random
from pathlib import Path
from typing import Any

import numpy
import torch

from arctic_text2sql_r1.adapters import adapter_sha256
from arctic_text2sql_r1.adapters import shape_differences
from arctic_text2sql_r1.errors import ModelError


def origin(config: Any) -> dict[str, str | None]:
    """What a checkpoint notes of the adapter that its policy started from: path and hash of the weights, or None."""
    adapter = config.starting_adapter
    return dict(
        starting_adapter=None if adapter is None else str(adapter.resolve()),
        starting_adapter_sha256=None if adapter is None else adapter_sha256(adapter),
    )


def check_origin(checkpoint: str, saved: dict[str, Any], current: dict[str, str | None]) -> None:
    """Raises `ModelError` when a resumed run would compare its policy with another adapter than it started from.

    `saved` and `current` are of `origin`; the folder may have moved, its weights may not have changed.
    """
    before, now = saved.get("starting_adapter_sha256"), current["starting_adapter_sha256"]
    if before != now:
        raise ModelError(
            f"Cannot resume from '{checkpoint}': its run started from the adapter '{saved.get('starting_adapter')}' "
            f"(sha256 {str(before)[:12]}), this recipe names '{current['starting_adapter']}' (sha256 {str(now)[:12]})"
            ", and the KL term would compare the policy with what it did not start from. Set model.adapter to the "
            "first, or use another output_dir."
        )


def make_base_path_absolute(adapter_config: Path) -> None:
    """PEFT records the base model as the recipe spelt it; a relative folder would depend on where one stands."""
    if not adapter_config.exists():
        return
    settings = json.loads(adapter_config.read_text())
    base = Path(settings["base_model_name_or_path"])
    if base.is_dir():
        write_json(adapter_config, dict(settings, base_model_name_or_path=str(base.resolve())))


def run_facts(trainer: Any) -> dict[str, Any]:
    """What must not change within a run: shards cannot be dealt anew; the data position counts rollouts."""
    config = trainer.config
    return dict(
        ranks=trainer.world_size,
        zero_stage=int(trainer.model.zero_optimization_stage()),
        model_type=config.model.type,
        optimizer=config.optimizer.type,
        dtype=str(config.dtype),
        seed=config.seed,
        training_prompts=len(trainer.train_dataloader.dataset),
        prompts_per_rank_and_rollout=config.micro_batch_size,
        updates_per_rollout=config.updates_per_rollout,
    )


def trainable_shapes(module: torch.nn.Module) -> dict[str, list[int]]:
    """Name and shape of every trainable parameter (ZeRO-3 shards report their full shape)."""
    named = ((name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad)
    return {name: list(getattr(parameter, "ds_shape", parameter.shape)) for name, parameter in named}


def require_same_run(
    folder: Path, state: dict[str, Any], facts: dict[str, Any], trainable: dict[str, list[int]]
) -> None:
    differing = [
        f"{name} {state['facts'].get(name)} then, {value} now"
        for name, value in facts.items()
        if state["facts"].get(name) != value
    ]
    if len(differing) > 0:
        raise ModelError(
            f"Cannot continue from '{folder}', which was saved under other conditions: {'; '.join(differing)}. Use "
            "those, or start another run with auto_resume: false."
        )
    differing = shape_differences(found=state["trainable"], expected=trainable)
    if len(differing) > 0:
        raise ModelError(
            f"Cannot continue from '{folder}': {len(differing)} trainable tensors differ from this recipe's model, "
            f"first {'; '.join(differing[:3])}. Use the recipe it was made with (rank and target modules of "
            "peft_config), or another output_dir."
        )


def random_state() -> dict[str, Any]:
    """State of every global random generator of this process."""
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return dict(python=random.getstate(), numpy=numpy.random.get_state(), torch=torch.get_rng_state(), cuda=cuda)


def set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    numpy.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")

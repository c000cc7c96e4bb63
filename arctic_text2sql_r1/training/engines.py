# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The rollout engine that a recipe names, given what it needs from the run. Engines themselves: `rollout/`."""

from collections.abc import Callable
from typing import Any

import torch
from peft import get_peft_model_state_dict

from arctic_text2sql_r1.rollout.base import EngineSetup
from arctic_text2sql_r1.rollout.base import training_engine
from arctic_text2sql_r1.training.ranks import on_rank_0

Adapter = tuple[dict[str, Any], dict[str, torch.Tensor]]


def make_engine(trainer: Any, adapter_of: Callable[[Any], Adapter], **weight_access: Any) -> Any:
    """The `RolloutEngine` of `rollout.engine` for a trainer whose model is built.

    `adapter_of` gives the adapter of a model, as `policy_adapter`; `weight_access` are the fields of `EngineSetup`
    that say how an engine in the training process gets at the weights.
    """
    config = trainer.config
    return training_engine(config.rollout.engine).for_training(
        EngineSetup(
            model=trainer.model_unwrapped,
            tokenizer=trainer.tokenizer,
            options=config.rollout,
            **weight_access,
            folder=config.rollouts_file.parent / "rollout-adapter",
            updates_made=lambda: trainer.global_step,
            adapter=lambda: adapter_of(trainer.model_unwrapped),
            on_rank_0=on_rank_0,
        )
    )


def policy_adapter(model: Any) -> Adapter:
    """A PEFT model's active adapter: its configuration and copies of its tensors, named as in an adapter folder."""
    name = model.active_adapter
    state = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    tensors = {key: tensor.detach().cpu().clone() for key, tensor in state.items()}
    return dict(model.peft_config[name].to_dict(), inference_mode=True), tensors

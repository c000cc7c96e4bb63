# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The rollout engine that a recipe names, given what it needs from the run. Engines themselves: `rollout/`."""

from typing import Any

import deepspeed
import torch
from peft import get_peft_model_state_dict

from arctic_text2sql_r1.arctic.gathering import weight_access
from arctic_text2sql_r1.arctic.ranks import on_rank_0
from arctic_text2sql_r1.rollout.base import EngineSetup
from arctic_text2sql_r1.rollout.base import training_engine


def make_engine(trainer: Any) -> Any:
    """The `RolloutEngine` of `rollout.engine` for a `GRPOTrainer` whose model is built."""
    config = trainer.config
    return training_engine(config.rollout.engine).for_training(
        EngineSetup(
            model=trainer.model_unwrapped,
            tokenizer=trainer.tokenizer,
            options=config.rollout,
            **weight_access(trainer),
            folder=config.rollouts_file.parent / "rollout-adapter",
            updates_made=lambda: trainer.global_step,
            adapter=lambda: policy_adapter(trainer.model_unwrapped),
            on_rank_0=on_rank_0,
        )
    )


def policy_adapter(model: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The active adapter of a PEFT model: its configuration and copies of its tensors, named as in an adapter folder.

    Under ZeRO-3 the tensors are gathered, for which all ranks must call this together.
    """
    name = model.active_adapter
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    sharded = [parameter for parameter in trained if hasattr(parameter, "ds_id")]
    with deepspeed.zero.GatheredParameters(sharded, enabled=len(sharded) > 0):
        state = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
        tensors = {key: tensor.detach().cpu().clone() for key, tensor in state.items()}
    return dict(model.peft_config[name].to_dict(), inference_mode=True), tensors

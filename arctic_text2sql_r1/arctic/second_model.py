# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The frozen second model of full fine-tuning, in shards where the policy is. It is for `training/reference.py`."""

from typing import Any


def load_second_model(trainer: Any) -> Any:
    """The recipe's model once more: a module on the rank's device or, under ZeRO-3, an engine around its shards."""
    if trainer.config.zero_3_enabled:
        return _load_sharded(trainer)
    return trainer.config.model.factory(trainer)().to(device=trainer.device)


def _load_sharded(trainer: Any) -> Any:
    """An engine around the model loaded in shards, with the hooks that gather each layer while it runs."""
    import deepspeed
    from transformers.integrations import HfDeepSpeedConfig

    config = dict(
        train_micro_batch_size_per_gpu=1,
        zero_optimization=dict(stage=3),
        steps_per_print=trainer.config.deepspeed["steps_per_print"],
        **{key: value for key, value in trainer.config.deepspeed.items() if key in ("bfloat16", "fp16")},
    )
    loading = HfDeepSpeedConfig(config)  # transformers looks for it while it is alive
    model = trainer.config.model.factory(trainer)()
    engine, *_ = deepspeed.initialize(model=model, config=config)
    del loading
    return engine

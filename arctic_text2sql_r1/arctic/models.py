# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The two models a policy is made of: `model.type: policy` (the default) and `quantized`, a base in NF4.

Both may start from an adapter (`model.adapter`) instead of a new one. What the KL term compares the policy with is in
`training/reference.py`, how four-bit weights are loaded in `quantized.py`.
"""

from typing import Any

from arctic_training.config.model import ModelConfig
from arctic_training.model.hf_factory import HFModelFactory
from pydantic import model_validator
from typing_extensions import Self

from arctic_text2sql_r1.adapters import load_adapter
from arctic_text2sql_r1.quantized import load_nf4
from arctic_text2sql_r1.training.reference import FrozenAdapter
from arctic_text2sql_r1.training.sections import AdapterKeys
from arctic_text2sql_r1.training.sections import require_trainable_base


class PolicyModelConfig(ModelConfig, AdapterKeys):
    """Configuration of `model:`; every other key is ArcticTraining's own."""


class QuantizedModelConfig(PolicyModelConfig):
    """Configuration of `model:` with `type: quantized`."""

    @model_validator(mode="after")
    def _something_can_be_trained(self) -> Self:
        require_trainable_base(self.peft_config)
        return self


class PolicyModelFactory(HFModelFactory):
    """A transformers model, with a new LoRA adapter, one that exists, or none: all weights are then trained."""

    name = "policy"
    config: PolicyModelConfig

    def post_create_model_callback(self, model: Any) -> Any:
        """Adds the adapter, and gradient checkpointing unless the recipe switches it off."""
        model = super().post_create_model_callback(model)
        if self.config.adapter is not None:
            load_adapter(model, self.config.adapter)
            if self.trainer.config.cells.kl_coef > 0:
                # Now, because soon a checkpoint may overwrite the policy and ZeRO-3 will cut it into shards.
                self.trainer.frozen_adapter = FrozenAdapter(model)
        return model


class QuantizedModelFactory(PolicyModelFactory):
    """A model whose linear layers are NF4; only the adapter is trained."""

    name = "quantized"
    config: QuantizedModelConfig

    def create_model(self, model_config: Any) -> Any:
        """The base model, quantised while it is loaded, on the rank's own device."""
        return load_nf4(
            str(self.config.name_or_path),
            dtype=self.config.dtype.value,
            device=self.device,
            config=model_config,
            attn_implementation=self.config.attn_implementation,
        )

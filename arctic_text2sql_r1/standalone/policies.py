# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The policy on one device: base model, NF4 or not, with a new adapter, one that exists, or none.

How four-bit weights are loaded is in `quantized.py`, adapters are read in `adapters.py`.
"""

from typing import Any

import torch

from arctic_text2sql_r1.adapters import load_adapter
from arctic_text2sql_r1.quantized import load_nf4
from arctic_text2sql_r1.standalone.settings import Settings


def load_base(settings: Settings, device: torch.device) -> Any:
    """The base model on `device`."""
    from transformers import AutoConfig
    from transformers import AutoModelForCausalLM

    chosen = settings.model
    config = AutoConfig.from_pretrained(chosen.name_or_path)
    for name, value in chosen.hf_config_kwargs.items():
        setattr(config, name, value)
    options = dict(config=config, attn_implementation=chosen.attn_implementation)
    if chosen.type == "quantized":
        return load_nf4(chosen.name_or_path, dtype=settings.dtype, device=device, **options)
    return AutoModelForCausalLM.from_pretrained(chosen.name_or_path, dtype=settings.dtype, **options).to(device)


def load_policy(settings: Settings, device: torch.device) -> Any:
    """The base model with its adapter, whose weights are float32; without an adapter all weights are trained."""
    from peft import LoraConfig
    from peft import get_peft_model

    model = load_base(settings, device)
    if settings.model.peft_config is None:
        return model
    model = get_peft_model(model, LoraConfig(**settings.model.peft_config))
    if settings.model.adapter is not None:
        load_adapter(model, settings.model.adapter)
    return model

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Base models whose linear layers hold four-bit NF4 weights, through the optional package bitsandbytes.

Such weights cannot be trained, only a LoRA adapter on top of them. Quantising is deterministic: the same files loaded
in the same dtype give the same weights, so nothing quantised is ever saved. Embeddings, norms and the output
embedding stay in `dtype`. Training is in `arctic/models.py` and `standalone/policies.py`, export in `export.py`.
Source: QLoRA, arXiv 2305.14314.
"""

import importlib.util
from typing import Any

from arctic_text2sql_r1.errors import ModelError

NF4 = "nf4"


def require_bitsandbytes() -> None:
    """Raises `ModelError` where bitsandbytes is not installed."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            "A model quantised to NF4 needs the package bitsandbytes, which is not installed. Install it with "
            'pip install "arctic-text2sql-r1[quantized]".'
        )


def load_nf4(name: str, dtype: Any, device: Any, **options: Any) -> Any:
    """A frozen causal language model in NF4 with double quantisation that computes in `dtype`, a torch dtype.

    `options` go to `from_pretrained`. Raises `ModelError` where bitsandbytes is not installed.
    """
    require_bitsandbytes()
    from bitsandbytes.nn import Linear4bit
    from transformers import AutoModelForCausalLM
    from transformers import BitsAndBytesConfig

    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=NF4,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    model = AutoModelForCausalLM.from_pretrained(
        name, quantization_config=settings, dtype=dtype, device_map={"": device}, **options
    )
    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            # Some CPUs would run evaluation through a bfloat16 kernel, and only evaluation: a reference would then
            # differ from the policy it equals, and a rollout from the pass that trains on it.
            layer.support_avx512bf16_for_cpu = False
    # On one device there is nothing to dispatch; PEFT would try, seeing a device map with a CPU in it.
    del model.hf_device_map
    return model.requires_grad_(False)

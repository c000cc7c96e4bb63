# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A trained adapter merged into its base model, and a fully trained model in another dtype: plain transformers models.

Base and adapter are added in float32 and rounded once, to the dtype that is saved. An adapter that was trained over a
base in NF4 is merged into what NF4 made of that base, because that sum is the policy that was trained and evaluated;
over the original weights it is another policy, usually a little worse or better. The model passes through this
machine's memory in float32. Folders are written by `export.py`.
"""

from pathlib import Path
from typing import Any

from arctic_text2sql_r1.adapters import adapter_settings
from arctic_text2sql_r1.adapters import load_adapter
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.evaluation.models import PolicySource
from arctic_text2sql_r1.quantized import load_nf4


def plain_model(source: PolicySource, dtype: str, trained_in: str | None) -> Any:
    """The policy of `source` without any adapter, in `dtype` (a name), on the CPU.

    `trained_in` is the dtype's name in which the base was loaded before NF4 quantised it, None for a base that was
    not quantised. Raises `ModelError` for an adapter that does not fit, and for weights that `dtype` cannot hold.
    """
    import torch

    model = _base_in_float32(source.base, trained_in)
    if source.adapter is not None:
        model = _merged(model, Path(source.adapter))
    model = model.to(getattr(torch, dtype))
    faults = [name for name, weight in model.named_parameters() if not bool(torch.isfinite(weight).all())]
    if len(faults) > 0:
        raise ModelError(
            f"{len(faults)} tensors of '{source.adapter or source.base}' are not finite in {dtype}, first "
            f"'{faults[0]}'. Export in bfloat16 or float32, or take another checkpoint."
        )
    return model


def _base_in_float32(name: str, trained_in: str | None) -> Any:
    """The base model; with `trained_in` set, after a passage through NF4 in that dtype."""
    import torch
    from transformers import AutoModelForCausalLM

    if trained_in is not None:
        return load_nf4(name, dtype=getattr(torch, trained_in), device="cpu").dequantize().float()
    try:
        return AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"Cannot load the base model '{name}': {error} Fetch it first, or name another with --base-model."
        ) from error


def _merged(base: Any, adapter: Path) -> Any:
    from peft import LoraConfig
    from peft import get_peft_model

    model = get_peft_model(base, LoraConfig(**adapter_settings(adapter)))
    load_adapter(model, adapter)
    _untie(model.get_base_model())
    return model.merge_and_unload(progressbar=True, safe_merge=True)


def _untie(model: Any) -> None:
    """Parts input and output embeddings that share a tensor, where the adapter changes one of them.

    In training the adapter stood beside the shared tensor; merged into it, it would change the other use as well.
    """
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted = [isinstance(model.get_input_embeddings(), BaseTunerLayer)]
    adapted.append(isinstance(model.get_output_embeddings(), BaseTunerLayer))
    if model.config.tie_word_embeddings and any(adapted):
        output = model.get_output_embeddings()
        output = output.get_base_layer() if adapted[1] else output
        output.weight = torch.nn.Parameter(output.weight.detach().clone())
        model.config.tie_word_embeddings = False

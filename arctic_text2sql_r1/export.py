# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A trained adapter merged into its base model: a plain transformers folder that any server loads.

Base and adapter are added in float32 and rounded once, to the dtype that is saved. An adapter that was trained over a
base in NF4 is merged into what NF4 made of that base, because that sum is the policy that was trained and evaluated;
over the original weights it is another policy, usually a little worse or better. The model passes through this
machine's memory in float32. Finding and checking the adapter is `evaluation/models.py`.
"""

from pathlib import Path
from typing import Any

from arctic_text2sql_r1.adapters import adapter_settings
from arctic_text2sql_r1.adapters import load_adapter
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.evaluation.models import DTYPES
from arctic_text2sql_r1.evaluation.models import adapter_fingerprint
from arctic_text2sql_r1.evaluation.models import find_policy
from arctic_text2sql_r1.evaluation.models import training_record
from arctic_text2sql_r1.quantized import NF4
from arctic_text2sql_r1.quantized import load_nf4


def export_adapter(
    adapter: Path, out: Path, dtype: str = "bfloat16", base_model: str | None = None, original_base: bool = False
) -> str:
    """Writes model, tokenizer and generation config to the new folder `out`; returns one line about it.

    `dtype` is bfloat16, float16 or float32. `base_model` replaces the base that the adapter names; `original_base`
    takes the unquantised base for an adapter that was trained over NF4. Raises `ModelError` for an adapter that is
    empty or does not fit, and for an `out` that exists.
    """
    import torch
    from peft import LoraConfig
    from peft import get_peft_model
    from transformers import AutoTokenizer

    source = find_policy(str(adapter), base_model=base_model)
    if source.adapter is None:
        raise ModelError(f"'{adapter}' is no adapter folder; there is nothing to merge. Expected adapter_config.json.")
    if out.exists():
        raise ModelError(f"'{out}' exists already. Name a folder that can be made anew.")
    if dtype not in DTYPES:
        raise ModelError(f"Cannot export in dtype '{dtype}'. Known: {', '.join(DTYPES)}.")
    adapter_fingerprint(source.adapter)  # refuses one that changes nothing
    record = training_record(source) or {}
    quantised = record.get("quantization") == NF4 and not original_base
    base = _base_in_float32(source.base, trained_in=record["dtype"] if quantised else None)
    model = get_peft_model(base, LoraConfig(**adapter_settings(Path(source.adapter))))
    load_adapter(model, Path(source.adapter))
    merged = model.merge_and_unload(safe_merge=True).to(getattr(torch, dtype))
    merged.save_pretrained(out)
    AutoTokenizer.from_pretrained(source.tokenizer).save_pretrained(out)
    kind = "its base as NF4 made it" if quantised else "its base"
    return f"{out}: the adapter '{source.adapter}' merged into {kind} '{source.base}', {dtype}"


def _base_in_float32(name: str, trained_in: str | None) -> Any:
    """The base model; with `trained_in` (a dtype's name) set, after a passage through NF4 in that dtype."""
    import torch
    from transformers import AutoModelForCausalLM

    if trained_in is None:
        return AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
    return load_nf4(name, dtype=getattr(torch, trained_in), device="cpu").dequantize().float()

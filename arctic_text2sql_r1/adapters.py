# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""LoRA folders as PEFT saves them: their settings, and loading that leaves no tensor behind.

PEFT's own loaders warn about tensors that are missing or find no place, and go on with what fits; here that is an
error. Which base model belongs to an adapter is found in `evaluation/models.py`.
"""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.errors import ModelError

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
# PEFT imports bitsandbytes, which warns of a kernel for CPUs that is not installed; `quantized.py` switches it off.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
# What PEFT notes about the file rather than about the adapter.
NOTES = ("auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision")


def adapter_folder(path: Path) -> Path:
    """`path` itself if it holds an adapter, else the newest `global_step_N` below it that does.

    ArcticTraining's own trainers save into such folders, numbered by the updates made. Raises `ModelError` when
    there is no adapter at either place.
    """
    if (path / ADAPTER_CONFIG).is_file():
        return path
    numbered = {folder: folder.name.rpartition("_")[2] for folder in path.glob("global_step_*")}
    found = [f for f, number in numbered.items() if number.isdecimal() and (f / ADAPTER_CONFIG).is_file()]
    if len(found) == 0:
        raise ModelError(
            f"'{path}' holds no adapter. Expected a LoRA folder with {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS}, as PEFT "
            "saves it, or an output folder of ArcticTraining with such a folder as global_step_N."
        )
    return max(found, key=lambda folder: int(numbered[folder]))


def adapter_settings(folder: Path) -> dict[str, Any]:
    """The LoRA settings in `folder`, as a recipe's `peft_config` takes them; those that equal PEFT's are left out.

    Raises `ModelError` for a folder without them, and for an adapter that is not LoRA.
    """
    from peft import LoraConfig
    from peft import PeftConfig

    try:
        found = PeftConfig.from_pretrained(str(folder)) if folder.is_dir() else None
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"Cannot read the adapter settings in '{folder}': {error}") from error
    if not isinstance(found, LoraConfig):
        raise ModelError(
            f"'{folder}' holds {'no adapter' if found is None else f'an adapter of type {found.peft_type.value}'}; "
            "expected a LoRA folder with adapter_config.json and adapter_model.safetensors, as PEFT saves it."
        )
    usual = LoraConfig().to_dict()
    settings = {name: value for name, value in found.to_dict().items() if value != usual[name] and name not in NOTES}
    listed = {name: sorted(value) if isinstance(value, set) else value for name, value in settings.items()}
    return dict(listed, peft_type="Lora")


def load_adapter(model: Any, folder: Path) -> None:
    """Copies every tensor of the adapter in `folder` into the adapter of the PEFT model `model`.

    Raises `ModelError` unless the folder holds exactly the tensors that the model's adapter has, of the same shapes.
    """
    from peft import get_peft_model_state_dict
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    path = folder / ADAPTER_WEIGHTS
    if not path.is_file():
        raise ModelError(f"The adapter '{folder}' has no {ADAPTER_WEIGHTS}. Name a folder that was saved completely.")
    # Beside an adapter on embeddings PEFT saves the frozen embeddings themselves.
    found = {name: tensor for name, tensor in load_file(path).items() if ".base_layer." not in name}
    expected = get_peft_model_state_dict(model, save_embedding_layers=False)
    faults = shape_differences(
        found={name: list(tensor.shape) for name, tensor in found.items()},
        expected={name: list(tensor.shape) for name, tensor in expected.items()},
    )
    if len(faults) > 0:
        raise ModelError(
            f"The adapter '{folder}' does not fit its base model: {len(faults)} of {len(expected)} tensors differ, "
            f"first {'; '.join(faults[:3])}. Name the base model it was trained on."
        )
    set_peft_model_state_dict(model, found)


def shape_differences(found: dict[str, list[int]], expected: dict[str, list[int]]) -> list[str]:
    """One line for each tensor that is missing, unexpected or of another shape; empty when all fit."""
    lines = [
        *(f"'{name}' is missing" for name in expected if name not in found),
        *(f"'{name}' is unexpected" for name in found if name not in expected),
    ]
    shared = [name for name in expected if name in found and list(found[name]) != list(expected[name])]
    return lines + [f"'{name}' has shape {list(found[name])}, expected {list(expected[name])}" for name in shared]


def trained_on(folder: Path) -> str:
    """The base model as the adapter's settings name it; empty where they name none."""
    settings = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    return str(settings.get("base_model_name_or_path") or "")


def adapter_sha256(folder: Path) -> str:
    """Hash of the adapter's weights file."""
    return hashlib.sha256((folder / ADAPTER_WEIGHTS).read_bytes()).hexdigest()

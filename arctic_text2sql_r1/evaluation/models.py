# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Which weights are evaluated: finding base model and adapter, refusing what is empty, loading, fingerprinting.

An evaluation of the wrong weights is the quietest way to publish a wrong number, so every refusal here is an error:
an adapter without its file, with all `lora_B` zero, or that did not arrive in the loaded model. Generation is in
`predict.py`. torch, transformers and peft are imported inside the functions that need them.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.adapters import shape_differences
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.prompts.builder import load_tokenizer
from arctic_text2sql_r1.quantized import NF4
from arctic_text2sql_r1.quantized import load_nf4
from arctic_text2sql_r1.run_folders import DAMAGED
from arctic_text2sql_r1.run_folders import INCOMPLETE
from arctic_text2sql_r1.run_folders import MANIFEST
from arctic_text2sql_r1.run_folders import TRAINING_RECORD
from arctic_text2sql_r1.run_folders import first_fault
from arctic_text2sql_r1.run_folders import read_manifest

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class PolicySource:
    """What has to be loaded: `base` is a folder or a hub name, `adapter` a LoRA folder or None."""

    base: str
    adapter: str | None = None

    @property
    def tokenizer(self) -> str:
        """The adapter's own tokenizer when it was saved with one, since training may have used that; else base's."""
        if self.adapter is not None and (Path(self.adapter) / "tokenizer_config.json").is_file():
            return self.adapter
        return self.base


@dataclass(frozen=True)
class AdapterFingerprint:
    """`norm` is the L2 norm over all `lora_B` tensors, `tensors` their number, `sha256` that of the weights file."""

    norm: float
    tensors: int
    sha256: str


@dataclass(frozen=True)
class LoadedPolicy:
    """A model in evaluation mode with its tokenizer; `adapter` is None for a model without one."""

    model: Any
    tokenizer: Any
    source: PolicySource
    adapter: AdapterFingerprint | None

    @property
    def dtype(self) -> str:
        """What the model computes in, and that its base is quantised if it is."""
        name = str(self.model.dtype).removeprefix("torch.")
        return f"{name} over {NF4}" if getattr(self.model, "is_loaded_in_4bit", False) else name

    @property
    def context_length(self) -> int | None:
        """Tokens that prompt and completion may take together; None when the model states no limit."""
        length = getattr(self.model.config, "max_position_embeddings", None)
        return None if length is None else int(length)


def find_policy(path_or_name: str, base_model: str | None = None) -> PolicySource:
    """What `path_or_name` is: an adapter folder, a model folder or a hub name. Reads no weights.

    `base_model` replaces the base that an adapter names. Raises `ModelError` for a folder that is neither.
    """
    folder = Path(path_or_name)
    if (folder / ADAPTER_CONFIG).is_file():
        return PolicySource(base=base_model or _base_of(folder), adapter=str(folder))
    if (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelError(f"The adapter folder '{folder}' has no {ADAPTER_CONFIG}. Save the adapter again.")
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise ModelError(_not_a_model(folder))
    if not folder.exists() and looks_like_a_path(path_or_name):
        raise ModelError(f"No model at '{path_or_name}'. Expected a model folder, an adapter folder or a hub name.")
    return PolicySource(base=path_or_name)


def looks_like_a_path(name: str) -> bool:
    """Hub names are NAME or OWNER/NAME; anything else can only be a path."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def _not_a_model(folder: Path) -> str:
    message = f"'{folder}' is neither a model (no config.json) nor an adapter (no {ADAPTER_CONFIG})."
    # a run's own folder, or that of several runs
    found = [path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{ADAPTER_CONFIG}")]
    checkpoints = [path for path in found if path.suffix not in (INCOMPLETE, DAMAGED) and not path.is_symlink()]
    if len(checkpoints) == 0:
        return f"{message} Name the folder that training saved, such as 'OUTPUT_DIR/run_1/last'."
    latest = max(checkpoints, key=lambda path: path.stat().st_mtime)
    return f"{message} It holds {len(checkpoints)} adapter(s); the latest is '{latest}'."


def _base_of(adapter: Path) -> str:
    """The base model an adapter names; a relative path is tried from here, then from each folder above the adapter.

    Recipes name models relative to the folder they are run in, and the adapter keeps that text.
    """
    config = json.loads((adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    name = config.get("base_model_name_or_path")
    if not isinstance(name, str) or name == "":
        raise ModelError(f"'{adapter / ADAPTER_CONFIG}' names no base model. Name it with --base-model.")
    above = [Path.cwd(), *adapter.resolve().parents]
    found = next((folder / name for folder in above if (folder / name / "config.json").is_file()), None)
    if found is not None:
        return str(found)
    if looks_like_a_path(name):
        raise ModelError(
            f"The adapter '{adapter}' was trained on '{name}', which is neither here nor in a folder above the "
            f"adapter. Name the base model with --base-model."
        )
    return name


def adapter_fingerprint(adapter_dir: str | Path) -> AdapterFingerprint:
    """Norm and hash of a LoRA adapter's file.

    Raises `ModelError` when the file is missing or unreadable, holds no `lora_B`, or when these are all zero or not
    finite: such an adapter changes nothing, and evaluating it would measure the base model.
    """
    path = Path(adapter_dir) / ADAPTER_WEIGHTS
    if not path.is_file():
        raise ModelError(
            f"The adapter '{adapter_dir}' has no {ADAPTER_WEIGHTS}: evaluating it would measure the base model. "
            f"Name a folder that training saved completely."
        )
    squares = squared_norms(path)
    if len(squares) == 0:
        raise ModelError(f"'{path}' holds no lora_B tensor. Expected a LoRA adapter saved by PEFT.")
    norm = math.sqrt(sum(squares))
    if not math.isfinite(norm):
        raise ModelError(
            f"'{path}' holds lora_B values that are NaN or infinite: training diverged. Take an earlier "
            f"checkpoint, or train again with a lower learning rate."
        )
    if norm == 0.0:
        raise ModelError(
            f"All {len(squares)} lora_B tensors in '{path}' are zero: this adapter leaves the base model unchanged. "
            f"Check that training made updates (learning rate, usable groups) and saved afterwards."
        )
    return AdapterFingerprint(norm=norm, tensors=len(squares), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def squared_norms(path: Path) -> list[float]:
    """Squared L2 norm of each `lora_B` tensor in a LoRA weights file. Raises `ModelError` for a damaged file."""
    from safetensors import SafetensorError
    from safetensors import safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            names = [name for name in file.keys() if "lora_B" in name or "lora_embedding_B" in name]
            return [float(file.get_tensor(name).double().square().sum()) for name in names]
    except SafetensorError as error:
        raise ModelError(f"Cannot read '{path}': {error}. The file is damaged; save the adapter again.") from error


def training_record(source: PolicySource) -> dict[str, Any] | None:
    """What our trainer noted beside the weights (template, parser, ...); None when there is no such file."""
    path = Path(source.adapter or source.base) / TRAINING_RECORD
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def require_intact(folder: str | Path) -> None:
    """Raises `ModelError` when weights of one of our checkpoints are not as they were written; others pass."""
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        return
    weights = {name: entry for name, entry in read_manifest(folder).items() if name.endswith(".safetensors")}
    if (fault := first_fault(folder, weights)) is not None:
        raise ModelError(f"The checkpoint '{folder}' is damaged: {fault}. Name another, such as the run's 'best'.")


def load_policy(
    path_or_name: str,
    adapter: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    base_model: str | None = None,
) -> LoadedPolicy:
    """Load a model, or a model with an adapter, ready to generate.

    `path_or_name` may itself be an adapter folder (see `find_policy`). `dtype` auto is float32 on a CPU, else
    bfloat16 where the GPU computes in it and float16 where not; an adapter that was trained over NF4 is put on the
    same NF4 base again, unless `dtype` names another. Raises `ModelError` before loading what is unusable.
    """
    found = find_policy(path_or_name, base_model=base_model)
    source = found if adapter is None else PolicySource(base=found.base, adapter=adapter)
    require_intact(source.adapter or source.base)
    fingerprint = None if source.adapter is None else adapter_fingerprint(source.adapter)
    tokenizer = load_tokenizer(source.tokenizer)
    device = _device(device)
    model = _load_model(source.base, dtype, device, record=training_record(source) or {})
    if source.adapter is not None and fingerprint is not None:
        model = _add_adapter(model, adapter=source.adapter, fingerprint=fingerprint)
    return LoadedPolicy(model=model.to(device).eval(), tokenizer=tokenizer, source=source, adapter=fingerprint)


def _load_model(name: str, dtype: str, device: str, record: dict[str, Any]) -> Any:
    from transformers import AutoModelForCausalLM

    try:
        if dtype == NF4 or (dtype == "auto" and record.get("quantization") == NF4):
            # Rounded before it is quantised, as in training.
            return load_nf4(name, dtype=_dtype(record.get("dtype", "auto"), device), device=device)
        return AutoModelForCausalLM.from_pretrained(name, dtype=_dtype(dtype, device))
    except (OSError, ValueError) as error:
        raise ModelError(f"Cannot load a model from '{name}': {error}") from error


def _add_adapter(model: Any, adapter: str, fingerprint: AdapterFingerprint) -> Any:
    """Wrap the model; raise unless every tensor of the adapter found its place, and its `lora_B` norm arrived.

    PEFT only warns of tensors that are missing or have no place, for instance on another base model.
    """
    from peft import PeftModel
    from peft import get_peft_model_state_dict

    remedy = "Name the base model it was trained on with --base-model."
    try:
        loaded = PeftModel.from_pretrained(model, adapter)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"Cannot put the adapter '{adapter}' on its base model: {error}. {remedy}") from error
    expected = {name: list(tensor.shape) for name, tensor in get_peft_model_state_dict(loaded).items()}
    differing = shape_differences(found=_shapes(Path(adapter) / ADAPTER_WEIGHTS), expected=expected)
    if len(differing) > 0:
        raise ModelError(
            f"The adapter '{adapter}' does not fit its base model: {len(differing)} tensors differ, first "
            f"{'; '.join(differing[:3])}. {remedy}"
        )
    squares = [
        float(tensor.double().square().sum())
        for name, tensor in loaded.named_parameters()
        if "lora_B" in name or "lora_embedding_B" in name
    ]
    norm = math.sqrt(sum(squares))
    if not math.isclose(norm, fingerprint.norm, rel_tol=1e-2):
        raise ModelError(
            f"The adapter '{adapter}' did not arrive in its base model: lora_B norm {norm:.6g} after loading, "
            f"{fingerprint.norm:.6g} in the file. {remedy}"
        )
    return loaded


def _shapes(path: Path) -> dict[str, list[int]]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        return {name: file.get_slice(name).get_shape() for name in file.keys()}


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:  # unknown, not built in, or not in this machine
        told = str(error).partition("\n")[0]
        raise ModelError(
            f"Cannot compute on the device '{name}': {told}. Expected auto, cpu, cuda or cuda:1."
        ) from error
    return name


def _dtype(name: str, device: str) -> Any:
    import torch

    if name in DTYPES:
        return getattr(torch, name)
    if name != "auto":
        raise ModelError(f"Unknown dtype '{name}'. Known: auto, {', '.join(DTYPES)}, {NF4}.")
    if not device.startswith("cuda"):
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What lies in a folder that is to be published: which kind of model, whole or not, and what is known of its training.

Nothing is loaded. What a card says of it is in `card.py`, which of its files are published in `bundle.py`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import Literal

from arctic_text2sql_r1.adapters import ADAPTER_CONFIG
from arctic_text2sql_r1.adapters import trained_on
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.evaluation.models import adapter_fingerprint
from arctic_text2sql_r1.evaluation.models import looks_like_a_path
from arctic_text2sql_r1.evaluation.models import require_intact
from arctic_text2sql_r1.quantized import NF4
from arctic_text2sql_r1.run_folders import DAMAGED
from arctic_text2sql_r1.run_folders import INCOMPLETE
from arctic_text2sql_r1.run_folders import TRAINING_RECORD

Kind = Literal["adapter", "merged", "full"]
EXPORTED = "exported"  # key of the record: what `export` made of the weights
_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class Base:
    """A base model as others may know it: its name on the hub, or only the last part of a folder's path."""

    name: str
    on_hub: bool


@dataclass(frozen=True)
class TrainedModel:
    """A folder with intact weights. `base` is None for a fully trained one whose base nothing names.

    `adapter_sha256` is that of the adapter's weights, also where they are merged; None for a model without one.
    """

    folder: Path
    kind: Kind
    base: Base | None
    record: dict[str, Any]
    adapter_sha256: str | None

    @property
    def exported(self) -> dict[str, Any] | None:
        """What `export` noted, None for a folder that training saved."""
        found: dict[str, Any] | None = self.record.get(EXPORTED)
        return found

    @property
    def over_nf4(self) -> bool:
        """Whether the adapter was trained over a base in NF4."""
        return bool(self.record.get("quantization") == NF4)


def read_trained(path: Path, base_model: str | None = None) -> TrainedModel:
    """What lies in `path`, which may be a link such as `best`; `base_model` replaces the base that is named there.

    Raises `ModelError` for a folder that is missing, half written, damaged or without usable weights.
    """
    folder = path.resolve()
    if folder.suffix in (INCOMPLETE, DAMAGED):
        raise ModelError(f"'{folder}' is not a whole model: its name ends in {folder.suffix}. Name another folder.")
    if not folder.is_dir():
        raise ModelError(f"No folder '{path}'. Expected what training or `text2sql-r1 export` saved.")
    record = _record(folder)
    if (folder / ADAPTER_CONFIG).is_file():
        require_intact(folder)
        named = base_model or trained_on(folder)
        return TrainedModel(folder, "adapter", _base(named, record), record, adapter_fingerprint(folder).sha256)
    _require_weights(folder)
    require_intact(folder)
    named = base_model or str(record.get("base_model") or "")
    exported = record.get(EXPORTED) or {}
    base = None if named == "" else _base(named, record)
    return TrainedModel(folder, exported.get("kind", "full"), base, record, exported.get("adapter_sha256"))


def _record(folder: Path) -> dict[str, Any]:
    path = folder / TRAINING_RECORD
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(
            f"'{path}' is damaged: {error}. Take another checkpoint, or restore it from a copy."
        ) from error
    if not isinstance(record, dict):
        raise ModelError(f"'{path}' holds no JSON object. Take another checkpoint, or restore it from a copy.")
    return record


def _base(model: str, record: dict[str, Any]) -> Base:
    if Path(model).is_dir() or looks_like_a_path(model):
        return Base(Path(model).resolve().name, on_hub=False)
    noted = (record.get(EXPORTED) or {}).get("base_on_hub", True)
    return Base(model, on_hub=noted or "/" in model)


def _require_weights(folder: Path) -> None:
    """Raises `ModelError` unless the folder holds a model's settings and all of its weights."""
    expected = "Expected config.json and *.safetensors, or a LoRA adapter; name a step such as OUTPUT_DIR/run_1/best."
    if not (folder / "config.json").is_file() or next(folder.glob("*.safetensors"), None) is None:
        raise ModelError(f"'{folder}' holds no model. {expected}")
    if not (folder / _INDEX).is_file():
        return
    try:
        shards = set(json.loads((folder / _INDEX).read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"'{folder / _INDEX}' is damaged ({type(error).__name__}). Save the model again.") from error
    missing = sorted(name for name in shards if not (folder / name).is_file())
    if len(missing) > 0:
        raise ModelError(f"'{folder}' lacks {len(missing)} of {len(shards)} weight files, first '{missing[0]}'.")

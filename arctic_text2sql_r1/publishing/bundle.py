# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Which files are published, and what of this machine is taken out of them first.

Only files on a list of kinds are taken, from the folder itself and not from folders below it, so that optimizer
states (`resume/`), logs and `.env` cannot slip in. Paths of this machine in settings and records are cut to their
last part.
"""

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.adapters import ADAPTER_CONFIG
from arctic_text2sql_r1.publishing.trained import EXPORTED
from arctic_text2sql_r1.publishing.trained import TrainedModel
from arctic_text2sql_r1.run_folders import TRAINING_RECORD

CARD = "README.md"
WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
_SETTINGS = ("config.json", "generation_config.json", ADAPTER_CONFIG, TRAINING_RECORD)
_TOKENIZER = (
    *("tokenizer*.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt"),
    *("merges.txt", "spiece.model", "sentencepiece.bpe.model", "chat_template.*", "processor_config.json"),
)
_WORDS = (CARD, "LICENSE*", "NOTICE*", "USE_POLICY*", "*.png", "*.jpg", "*.svg")
_LOCAL = ("metrics_log",)  # of the record: of use on this machine only
_VERBATIM = ("prompt", "versions")  # of the record: text that may look like a path
_PATHS = ("_name_or_path", "name_or_path", "tokenizer_file")  # of config.json and tokenizer_config.json


@dataclass(frozen=True)
class Bundle:
    """Names with their content: a file on disk, or bytes that stand for it; and the names that stay here."""

    files: dict[str, Path | bytes]
    left_out: tuple[str, ...] = ()

    def size(self, name: str) -> int:
        """In bytes."""
        content = self.files[name]
        return len(content) if isinstance(content, bytes) else content.stat().st_size


def bundle_of(model: TrainedModel, card: str) -> Bundle:
    """What of `model`'s folder is published, with `card` as its README.md."""
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in model.folder.iterdir())
    taken = [name for name in names if belongs(name) and name != CARD]
    files: dict[str, Path | bytes] = {name: model.folder / name for name in taken}
    for name in (ADAPTER_CONFIG, TRAINING_RECORD, "config.json", "tokenizer_config.json"):
        found = json.loads((model.folder / name).read_text(encoding="utf-8")) if name in files else None
        if found is not None and (public := cleaned(name, found, model)) != found:
            files[name] = json_bytes(public)
    files[CARD] = card.encode("utf-8", errors="replace")
    return Bundle(files=files, left_out=tuple(name for name in names if name not in files))


def belongs(name: str) -> bool:
    """Whether a file of that name is published; a folder's name ends in a slash and never is."""
    return any(fnmatch(name, kind) for kind in (*WEIGHTS, *_SETTINGS, *_TOKENIZER, *_WORDS))


def cleaned(name: str, content: dict[str, Any], model: TrainedModel) -> dict[str, Any]:
    """The settings in the file `name` as they are published."""
    base = "" if model.base is None else model.base.name
    if name == ADAPTER_CONFIG:
        return dict(content, base_model_name_or_path=base)
    if name == TRAINING_RECORD:
        kept = {key: value for key, value in content.items() if key not in _LOCAL}
        return {
            **{key: value if key in _VERBATIM else _without_paths(value) for key, value in kept.items()},
            "base_model": base,
        }
    return _without_named_paths(content)


def exported_record(model: TrainedModel, dtype: str | None) -> dict[str, Any]:
    """The record that goes with exported weights of `model`; `dtype` is None for an adapter, which keeps its own."""
    merged = dtype is not None and model.kind == "adapter"
    record = cleaned(TRAINING_RECORD, model.record, model)
    noted = dict(
        kind="merged" if merged else model.kind,
        dtype=dtype,
        adapter_sha256=model.adapter_sha256,
        over_nf4=model.over_nf4,
        base_on_hub=model.base is not None and model.base.on_hub,
    )
    # Merged weights are plain: whoever loads them must not put them through NF4 once more.
    return {**record, **(dict(quantization=None) if merged else {}), EXPORTED: noted}


def _without_named_paths(content: dict[str, Any]) -> dict[str, Any]:
    """`content` without paths under the keys that hold some, also in sections of it: models of several parts nest."""
    cleaned_values = {}
    for key, value in content.items():
        nested = _without_named_paths(value) if isinstance(value, dict) else value
        cleaned_values[key] = _without_paths(value) if key in _PATHS else nested
    return cleaned_values


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_paths(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_paths(one) for one in value]
    if isinstance(value, str) and value.startswith(("/", "~/", "../", "./")):
        return Path(value).name
    return value


def json_bytes(value: Any) -> bytes:
    """A JSON file's content."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8", errors="replace")

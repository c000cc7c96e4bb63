# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What training saved, written as a folder for others: a plain model or a bare adapter, with tokenizer and card.

The folder is written under another name and renamed when everything in it is on disk. Merging is in `merge.py`, the
card in `card.py`, sending a folder to the hub in `upload.py`.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.evaluation.models import DTYPES
from arctic_text2sql_r1.evaluation.models import PolicySource
from arctic_text2sql_r1.evaluation.models import find_policy
from arctic_text2sql_r1.publishing.bundle import CARD
from arctic_text2sql_r1.publishing.bundle import bundle_of
from arctic_text2sql_r1.publishing.bundle import cleaned
from arctic_text2sql_r1.publishing.bundle import exported_record
from arctic_text2sql_r1.publishing.bundle import json_bytes
from arctic_text2sql_r1.publishing.card import CardFacts
from arctic_text2sql_r1.publishing.card import base_license
from arctic_text2sql_r1.publishing.card import model_card
from arctic_text2sql_r1.publishing.measured import find_curve
from arctic_text2sql_r1.publishing.measured import find_figures
from arctic_text2sql_r1.publishing.measured import read_figures
from arctic_text2sql_r1.publishing.merge import plain_model
from arctic_text2sql_r1.publishing.trained import EXPORTED
from arctic_text2sql_r1.publishing.trained import TrainedModel
from arctic_text2sql_r1.publishing.trained import read_trained
from arctic_text2sql_r1.run_folders import INCOMPLETE
from arctic_text2sql_r1.run_folders import TRAINING_RECORD
from arctic_text2sql_r1.run_folders import digest
from arctic_text2sql_r1.run_folders import files_below
from arctic_text2sql_r1.run_folders import write_manifest

OnStage = Callable[[str], None]


@dataclass(frozen=True)
class ExportOptions:
    """What to export. `dtype` is bfloat16, float16 or float32, and does not concern a bare adapter.

    `base_model` replaces the base that the adapter names; `original_base` takes the unquantised base for an adapter
    that was trained over NF4. `figures` is an evaluation to quote; unset, one is looked for in the run's folders.
    """

    model: Path
    out: Path
    adapter_only: bool = False
    dtype: str = "bfloat16"
    base_model: str | None = None
    original_base: bool = False
    figures: Path | None = None


def export(options: ExportOptions, on_stage: OnStage = lambda text: None) -> str:
    """Writes the new folder `options.out`; returns one line about it. `on_stage` hears what is being done.

    Raises `ModelError` for an adapter that is empty or does not fit, for a folder that is not whole, for figures of
    other weights, and for an `out` that exists and holds something.
    """
    model = read_trained(options.model, options.base_model)
    _check(options, model)
    facts = card_facts(model, options.out.resolve().name, options.figures)
    scratch = options.out.with_name(options.out.name + INCOMPLETE)
    shutil.rmtree(scratch, ignore_errors=True)  # of an export that was killed
    scratch.mkdir(parents=True)
    try:
        if options.adapter_only:
            told = _write_adapter(scratch, model, facts)
        else:
            told = _write_plain(scratch, model, facts, options, on_stage)
        on_stage("hashing and flushing what was written")
        # The card is for people to edit, so nothing vouches for it.
        names = [name for name in files_below(scratch) if name != CARD]
        write_manifest(scratch, {name: digest(scratch / name, flush=True) for name in names})
        os.replace(scratch, options.out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return f"{options.out}: {told}"


def card_facts(model: TrainedModel, name: str, figures: Path | None = None) -> CardFacts:
    """What the card of `model` as it lies there is made of; its `figures`, or those found beside it."""
    measured = find_figures(model) if figures is None else read_figures(figures, model)
    return CardFacts(
        name=name,
        model=replace(model, record=cleaned(TRAINING_RECORD, model.record, model)),
        kind=model.kind,
        dtype=None,
        measured=measured,
        curve=find_curve(model),
        license=_license(model),
    )


def _license(model: TrainedModel) -> dict[str, str]:
    if model.base is None:
        return {}
    local = str(model.record.get("base_model") or "")
    return base_license(model.base.name if model.base.on_hub else local)


def _check(options: ExportOptions, model: TrainedModel) -> None:
    out = options.out
    if out.exists() and not (out.is_dir() and next(out.iterdir(), None) is None):
        raise ModelError(f"'{out}' exists already. Name a folder that can be made anew.")
    if options.dtype not in DTYPES:
        raise ModelError(f"Cannot export in dtype '{options.dtype}'. Known: {', '.join(DTYPES)}.")
    if model.exported is not None:
        raise ModelError(f"'{options.model}' was exported already. Name what training saved.")
    if model.kind != "adapter" and (options.adapter_only or len(model.record) == 0):
        raise ModelError(
            f"'{options.model}' is a plain model, not an adapter; there is nothing to merge. Expected "
            "adapter_config.json, or for a model whose weights were all trained the text2sql_r1.json of its run."
        )


def _write_adapter(folder: Path, model: TrainedModel, facts: CardFacts) -> str:
    for name, content in bundle_of(model, model_card(facts)).files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            shutil.copyfile(content, folder / name)
    (folder / TRAINING_RECORD).write_bytes(json_bytes(exported_record(model, dtype=None)))
    return f"the adapter '{model.folder}' without its base '{facts.model.base.name if facts.model.base else ''}'"


def _write_plain(
    folder: Path, model: TrainedModel, facts: CardFacts, options: ExportOptions, on_stage: OnStage
) -> str:
    source = find_policy(str(model.folder), base_model=options.base_model if model.kind == "adapter" else None)
    quantised = model.over_nf4 and not options.original_base and model.kind == "adapter"
    kind = "its base as NF4 made it" if quantised else "its base"
    merged = model.kind == "adapter"
    on_stage(f"reading '{source.base}' in float32" + (f" and merging '{model.folder}' into it" if merged else ""))
    plain = plain_model(source, options.dtype, trained_in=model.record["dtype"] if quantised else None)
    on_stage(f"writing {sum(weight.numel() for weight in plain.parameters()):,} weights in {options.dtype}")
    plain.save_pretrained(folder)
    _write_tokenizer(folder, source)
    record = exported_record(model, options.dtype)
    facts = replace(facts, kind=record[EXPORTED]["kind"], dtype=options.dtype)
    if merged and model.over_nf4 and not quantised:  # another policy than the one that was trained and measured
        record["execution_accuracy"] = None
        unmeasured = replace(facts.model, record=dict(facts.model.record, execution_accuracy=None))
        facts = replace(facts, model=unmeasured, measured=None, original_base=True)
    (folder / TRAINING_RECORD).write_bytes(json_bytes(record))
    (folder / CARD).write_text(model_card(facts), encoding="utf-8")
    if not merged:
        return f"the model '{model.folder}', all of whose weights were trained, {options.dtype}"
    return f"the adapter '{source.adapter}' merged into {kind} '{source.base}', {options.dtype}"


def _write_tokenizer(folder: Path, source: PolicySource) -> None:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source.tokenizer)
    except Exception as error:  # the tokenizers library raises nothing narrower for a damaged file
        raise ModelError(f"Cannot load the tokenizer '{source.tokenizer}': {error}. Save it again.") from error
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_bytes(json_bytes({key: value for key, value in settings.items() if key != "name_or_path"}))

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The model card: metadata for the hub, and a page that says what the model is, how to ask it and what is known of it.

Everything in it comes from the training record, from evaluations of these very weights and from the run's curves;
what is not known is left out or said to be unknown. Sections are in `card_sections.py`, how to ask the model in
`card_usage.py`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.publishing.card_sections import accuracy_text
from arctic_text2sql_r1.publishing.card_sections import data_lines
from arctic_text2sql_r1.publishing.card_sections import decoding_text
from arctic_text2sql_r1.publishing.card_sections import inline
from arctic_text2sql_r1.publishing.card_sections import limit_lines
from arctic_text2sql_r1.publishing.card_sections import measured_lines
from arctic_text2sql_r1.publishing.card_sections import training_lines
from arctic_text2sql_r1.publishing.card_usage import title
from arctic_text2sql_r1.publishing.card_usage import usage_lines
from arctic_text2sql_r1.publishing.measured import Curve
from arctic_text2sql_r1.publishing.measured import Measured
from arctic_text2sql_r1.publishing.trained import Kind
from arctic_text2sql_r1.publishing.trained import TrainedModel

_LICENSE_KEYS = ("license", "license_name", "license_link")


@dataclass(frozen=True)
class CardFacts:
    """What a card is made of. `name` is the folder's or repository's; `dtype` None for an adapter as it was saved.

    `license` holds the base model's entries of that name, empty where they are not known. `original_base`: the adapter
    was trained over a base in NF4 and is merged into the unquantised one.
    """

    name: str
    model: TrainedModel
    kind: Kind
    dtype: str | None
    measured: Measured | None
    curve: Curve | None
    license: dict[str, str]
    original_base: bool = False


def model_card(facts: CardFacts) -> str:
    """The whole README.md."""
    from huggingface_hub import ModelCard

    body = [f"---\n{_metadata(facts).to_yaml()}\n---", title(facts.name), *_introduction(facts)]
    body += usage_lines(facts.name, facts.kind, facts.model)
    body += measured_lines(facts.measured, facts.model, facts.kind, facts.dtype)
    body += training_lines(facts.model, facts.curve)
    body += data_lines(facts.model.record.get("data"))
    body += limit_lines(facts.model.record, facts.measured)
    text = ("\n\n".join(body) + "\n").encode("utf-8", errors="replace").decode()  # names of files may be no UTF-8
    ModelCard(text)  # raises where the hub could not read it
    return text


def base_license(base: str) -> dict[str, str]:
    """Licence entries in the card of a base model that lies in a folder or in the hub's cache; nothing is fetched."""
    from huggingface_hub import ModelCard
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = Path(base) / "README.md" if Path(base).is_dir() else try_to_load_from_cache(base, "README.md")
        if not isinstance(found, (str, Path)) or not Path(found).is_file():
            return {}
        metadata = ModelCard(Path(found).read_text(encoding="utf-8", errors="replace"), ignore_metadata_errors=True)
    except (HFValidationError, ValueError):
        return {}
    known = {key: metadata.data.get(key) for key in _LICENSE_KEYS}
    return {key: text for key, text in known.items() if isinstance(text, str)}


def _metadata(facts: CardFacts) -> Any:
    from huggingface_hub import ModelCardData

    base, adapter = facts.model.base, facts.kind == "adapter"
    tags = ["text-to-sql", "text2sql", "sqlite", "arctic-text2sql-r1"]
    if "training" in facts.model.record:
        tags.insert(2, "grpo")
    results = _results(facts)
    return ModelCardData(
        base_model=base.name if base is not None and base.on_hub else None,
        datasets=_hub_datasets(facts.model.record.get("data")) or None,
        language=["en"],  # of the prompt
        library_name="peft" if adapter else "transformers",
        pipeline_tag="text-generation",
        tags=[*tags, "lora"] if adapter else tags,
        eval_results=results if len(results) > 0 else None,
        model_name=_plain(facts.name) if len(results) > 0 else None,
        license=facts.license.get("license"),
        license_name=facts.license.get("license_name"),
        license_link=facts.license.get("license_link"),
    )


def _hub_datasets(data: dict[str, Any] | None) -> list[str]:
    origins = [source.get("origin") or {} for source in (data or {}).get("sources", [])]
    named = [origin.get("hub") or origin.get("name") or "" for origin in origins]
    return sorted({name for name in named if name.count("/") == 1})


def _results(facts: CardFacts) -> list[Any]:
    from huggingface_hub import EvalResult

    if facts.measured is None:
        return []
    about = facts.measured.evaluation
    return [
        EvalResult(
            task_type="text-generation",
            task_name="text-to-SQL",
            dataset_type=_plain(figure.dataset),
            dataset_name=_plain(figure.dataset),
            metric_type="execution_accuracy",
            metric_name=f"execution accuracy, comparison mode {about['mode']}, {decoding_text(about)}",
            metric_value=round(figure.model["ex"], 4),
            metric_args=dict(questions=figure.model["n"], ci95=[round(bound, 4) for bound in figure.model["ci95"]]),
        )
        for figure in facts.measured.figures
        if figure.model["ex"] is not None
    ]


def _introduction(facts: CardFacts) -> list[str]:
    base, record = facts.model.base, facts.model.record
    known = "an unknown base model" if base is None or base.name == "" else inline(base.name)
    where = "" if base is None or base.on_hub else ", a model of its author's that is not named on the hub"
    what = dict(
        adapter=f"A LoRA adapter for {known}{where}.",
        merged=f"A LoRA adapter merged into {known}{where}: plain weights that need no PEFT.",
        full=f"All weights of {known}{where}, trained further.",
    )[facts.kind]
    how = (
        "It writes SQLite queries that answer questions about a database. It was trained with "
        "arctic-text2sql-r1 by reinforcement learning (GRPO) with the rewards named below."
        if "training" in record
        else "How it was trained was not recorded."
    )
    lines = [f"{what} {how}"]
    if facts.original_base:
        lines.append(
            "The adapter was trained over the base in NF4; the sum with the unquantised base was not measured."
        )
    if len(facts.license) == 0:
        lines.append(
            "The licence of the base model is not known here; it holds for this model as well. Look it up before use."
        )
    if facts.measured is not None:
        lines += [accuracy_text(figure, facts.measured.evaluation) for figure in facts.measured.figures[:1]]
    return lines


def _plain(text: str) -> str:
    return " ".join(text.encode("utf-8", errors="replace").decode().split()) or "unnamed"

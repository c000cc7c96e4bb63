# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Sections of a model card, each a list of Markdown paragraphs: figures, training, data, limits.

Values of unknown form (names, file names, options) pass through `inline`, which no text can break out of.
"""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from arctic_text2sql_r1.publishing.measured import Curve
from arctic_text2sql_r1.publishing.measured import Figure
from arctic_text2sql_r1.publishing.measured import Measured
from arctic_text2sql_r1.publishing.trained import Kind
from arctic_text2sql_r1.publishing.trained import TrainedModel

NOT_MEASURED = "No accuracy was measured for this model."


def inline(text: str) -> str:
    """`text` as code within a line or table cell."""
    words = " ".join(text.encode("utf-8", errors="replace").decode().split())
    return f"`{words.replace('`', chr(39)).replace('|', '/')}`" if words != "" else "(no name)"


def decoding_text(evaluation: dict[str, Any]) -> str:
    """How completions of an evaluation were drawn."""
    decoding = evaluation["decoding"]
    drawn = "greedy" if decoding["temperature"] == 0 else f"temperature {decoding['temperature']:g}"
    return f"{drawn}, at most {decoding['max_new_tokens']:,} new tokens"


def accuracy_text(figure: Figure, evaluation: dict[str, Any]) -> str:
    """One figure as a sentence."""
    found = figure.model
    if found["ex"] is None:
        return f"Execution accuracy on {inline(figure.dataset)}: no question counted."
    return (
        f"Execution accuracy on {inline(figure.dataset)}: **{found['ex']:.1%}** ({found['right']:,} of {found['n']:,} "
        f"questions, 95 % interval {_interval(found['ci95'])}; comparison mode {inline(evaluation['mode'])}, "
        f"{decoding_text(evaluation)})."
    )


def measured_lines(measured: Measured | None, model: TrainedModel, kind: Kind, dtype: str | None) -> list[str]:
    """What was measured of these weights, with intervals and how; and what training itself saw of them."""
    lines = ["## What was measured"]
    during = _during_training(model.record)
    if measured is None:
        return [*lines, NOT_MEASURED] if during is None else [*lines, during]
    about, computed = measured.evaluation, measured.figures[0].model.get("dtype")
    rows = [
        ("dataset", "questions", "execution accuracy", "95 % interval", "valid SQL", "baseline", "difference"),
        *(_figure_row(figure) for figure in measured.figures),
    ]
    versions = ", ".join(f"{name} {value}" for name, value in about["versions"].items() if value is not None)
    lines += [
        _table(rows),
        f"Comparison mode {inline(about['mode'])}, template {inline(about['template']['name'])} version "
        f"{about['template']['version']}, parser {inline(about['parser'])}, {decoding_text(about)}, seed "
        f"{about['seed']}, SQL limit {about['timeout_s']:g} s; {about['date']}; {versions}.",
    ]
    if measured.figures[0].baseline is not None:
        named = PurePath(measured.figures[0].baseline["model"]).name
        lines.append(
            f"The baseline is {inline(named)}; the difference is paired, by question, with its 95 % interval."
        )
    if kind == "merged" and measured.figures[0].model["adapter"] is not None:
        lines.append(
            f"The figures are of base and adapter computed in {computed}, before merging; these weights are the sum "
            f"rounded to {dtype}."
        )
    elif kind == "full" and dtype not in (None, computed):
        lines.append(f"The figures are of the weights computed in {computed}; these are rounded to {dtype}.")
    return lines if during is None else [*lines, during]


def _during_training(record: dict[str, Any]) -> str | None:
    accuracy, data = record.get("execution_accuracy"), record.get("data") or {}
    if accuracy is None:
        return None
    asked = data.get("evaluation") or {}
    drawn = "greedily" if asked.get("temperature", 0) == 0 else f"at temperature {asked['temperature']:g}"
    count = data.get("eval_questions")
    questions = "its evaluation questions" if count is None else f"{count:,} evaluation questions"
    mode = (record.get("training") or {}).get("compare")
    how = drawn if mode is None else f"{drawn}, comparison mode {inline(mode)}"
    return (
        f"During training, after update {record.get('global_step')}: execution accuracy {accuracy:.1%} on "
        f"{questions}, {how}. Where a checkpoint was chosen as the best of several by this figure, it is too high."
    )


def _figure_row(figure: Figure) -> tuple[str, ...]:
    found, paired = figure.model, figure.comparison
    before = "-" if figure.baseline is None else _share(figure.baseline["ex"])
    difference = "-"
    if paired is not None and paired["difference"] is not None:
        difference = f"{paired['difference']:+.1%} ({_interval(paired['ci95'], sign='+')})"
    accuracy = f"{_share(found['ex'])} ({found['right']:,} right)"
    interval = "-" if found["ci95"] is None else _interval(found["ci95"])
    return (
        *(inline(figure.dataset), f"{found['n']:,}", accuracy, interval),
        *(_share(found["valid_sql"]), before, difference),
    )


def training_lines(model: TrainedModel, curve: Curve | None) -> list[str]:
    """The recipe as a table, and the run's curve in words."""
    record, training = model.record, model.record.get("training")
    if training is None:
        return []
    rows = [("", "")]
    rows += [(label, value) for label, value in _recipe(record, training) if value is not None]
    lines = ["## Training", _table(rows)]
    if curve is not None:
        lines.append(
            f"Mean reward of the sampled completions: {curve.first[1]:.3f} at step {curve.first[0]}, "
            f"{curve.last[1]:.3f} at step {curve.last[0]}."
        )
        if len(curve.evaluations) > 0:
            points = ", ".join(f"{accuracy:.1%} after update {step}" for step, accuracy in _few(curve.evaluations))
            lines.append(f"Execution accuracy on the evaluation questions of the run: {points}.")
    return lines


def _recipe(record: dict[str, Any], training: dict[str, Any]) -> list[tuple[str, str | None]]:
    peft, versions = training.get("peft"), record.get("versions") or {}
    rewards = ", ".join(
        f"{reward['weight']:g} x {inline(reward['name'])}"
        + (f" {inline(str(reward['options']))}" if reward["options"] else "")
        for reward in training["rewards"]
    )
    lora = None
    if peft is not None:
        settings = {key: value for key, value in peft.items() if key not in ("peft_type", "task_type")}
        lora = ", ".join(f"{key} {inline(_listed(value))}" for key, value in settings.items())
    return [
        ("updates", f"{record['global_step']:,} of {training['scheduled_updates']:,} scheduled"),
        (
            "completions per rollout",
            f"{training['prompts_per_rollout']:,} prompts x {training['num_samples_per_prompt']}",
        ),
        ("updates per rollout", f"{training['updates_per_rollout']}"),
        ("sampling", f"temperature {training['temperature']:g}, at most {record['max_new_tokens']:,} new tokens"),
        ("objective", training["objective"]),
        ("rewards", f"{rewards}; results compared in mode {inline(training['compare'])}"),
        (
            "optimizer",
            f"{training['optimizer']}, learning rate {training['learning_rate']:g}, {training['scheduler']}",
        ),
        ("LoRA", lora),
        ("trained weights", f"{training['trainable_parameters']:,} of {training['parameters']:,}"),
        ("computed in", record["dtype"] + (" over a base in NF4" if record.get("quantization") else "")),
        ("started from adapter", inline(record["starting_adapter"]) if record.get("starting_adapter") else None),
        ("sampled by", inline(training["engine"])),
        ("seed", str(record["seed"])),
        ("hardware", training["hardware"]),
        ("versions", ", ".join(f"{name} {value}" for name, value in versions.items() if value is not None)),
        ("commit", record.get("commit")),
    ]


def _listed(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def data_lines(data: dict[str, Any] | None) -> list[str]:
    """What it was trained on, and what preparing that left out."""
    if data is None:
        return []
    lines = ["## Data", f"Trained on {data['questions']:,} questions whose gold query returns rows, from:"]
    lines.append("\n".join(f"- {_source_text(source)}" for source in data["sources"]))
    if len(data["eval_sources"]) > 0:
        lines.append("Evaluated during training on questions from:")
        lines.append("\n".join(f"- {_source_text(source)}" for source in data["eval_sources"]))
    return lines


def _source_text(source: dict[str, Any]) -> str:
    text = inline(source["name"])
    if source.get("source") is not None:
        places = ", ".join(f"{key} {inline(str(value))}" for key, value in (source.get("origin") or {}).items())
        text += f", prepared from source {inline(source['source'])}" + (f" ({places})" if places != "" else "")
    for split, rows in (source.get("splits") or {}).items():
        out = ", ".join(f"{count:,} {kind}" for kind, count in sorted(rows["left_out"].items()))
        text += f"; {split}: {rows['kept']:,} of {rows['rows']:,} rows over {rows['databases']:,} databases kept"
        text += f" (left out: {out})" if out != "" else ""
    return text


def limit_lines(record: dict[str, Any], measured: Measured | None) -> list[str]:
    """What nobody may expect of it."""
    told = [
        "It writes SQLite; other engines' SQL was neither trained nor measured.",
        "A query that runs may still answer another question. Read it, and run it read-only: nothing in the weights "
        "keeps the model from writing a statement that changes data.",
    ]
    if measured is None:
        told.append(NOT_MEASURED)
    else:
        names = ", ".join(inline(figure.dataset) for figure in measured.figures)
        told.append(f"What was measured holds for the questions of {names}; for other databases nothing is known.")
    length = (record.get("data") or {}).get("max_length")
    if length is not None:
        told.append(f"Prompt and completion together had at most {length:,} tokens in training.")
    return ["## Limits", "\n".join(f"- {line}" for line in told)]


def _few(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most eight of them: the first, the last, and some between at equal distances."""
    if len(points) <= 8:
        return list(points)
    return [points[round(index * (len(points) - 1) / 7)] for index in range(8)]


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *others = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *others))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _interval(bounds: Sequence[float], sign: str = "") -> str:
    return f"{bounds[0]:{sign}.1%} to {bounds[1]:{sign}.1%}"

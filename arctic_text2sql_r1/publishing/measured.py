# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Figures of this very model: from `comparison.json`, and from the curves of its run.

An evaluation belongs to a model when it names the SHA-256 of the model's adapter, or, where there is no adapter, the
same training record. A run's curves belong to it when they show, at its step, the reward that its record notes.
What belongs to other weights is never taken.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.evaluation.record import comparisons_of
from arctic_text2sql_r1.evaluation.record import models_of
from arctic_text2sql_r1.monitor.history import history_path
from arctic_text2sql_r1.publishing.trained import EXPORTED
from arctic_text2sql_r1.publishing.trained import TrainedModel

COMPARISON = "comparison.json"


@dataclass(frozen=True)
class Figure:
    """One dataset's figures: `model` of this model, `comparison` with those of `baseline`; None where there is none.

    The dictionaries are those of `evaluation/record.py`.
    """

    dataset: str
    model: dict[str, Any]
    baseline: dict[str, Any] | None
    comparison: dict[str, Any] | None


@dataclass(frozen=True)
class Measured:
    """An evaluation; `evaluation` is its whole record, for mode, decoding, versions and date."""

    evaluation: dict[str, Any]
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Curve:
    """(step, mean reward) of the run's first and of the model's own step; (step, accuracy) of evaluations up to it."""

    first: tuple[int, float]
    last: tuple[int, float]
    evaluations: tuple[tuple[int, float], ...]


def read_figures(path: Path, model: TrainedModel) -> Measured:
    """The figures of `model` in an evaluation's folder or `comparison.json`. Raises `ModelError` when it has none."""
    path = path / COMPARISON if path.is_dir() else path
    try:
        found = _measured(json.loads(path.read_text(encoding="utf-8")), model)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"Cannot read figures from '{path}': {type(error).__name__}: {error}. Expected a comparison.json that "
            "text2sql-r1 evaluate wrote."
        ) from error
    if found is None:
        sha256 = model.adapter_sha256
        what = "its training record" if sha256 is None else f"an adapter with SHA-256 {sha256[:12]}"
        raise ModelError(
            f"'{path}' holds no figures of '{model.folder}': no model in it has {what}. Evaluate these weights, or "
            "leave out --figures."
        )
    return found


def find_figures(model: TrainedModel) -> Measured | None:
    """The newest evaluation of `model` in its run's folders and theirs; None where there is none."""
    found = []
    for path in _beside(model.folder):
        try:
            found.append(read_figures(path, model))
        except ModelError:  # of other weights, or no evaluation at all
            continue
    return max(found, key=lambda one: str(one.evaluation.get("date")), default=None)


def _beside(folder: Path) -> Iterator[Path]:
    for above in (folder.parent, folder.parent.parent):
        yield from (path for path in (above / COMPARISON, *sorted(above.glob(f"*/{COMPARISON}"))) if path.is_file())


def _measured(evaluation: dict[str, Any], model: TrainedModel) -> Measured | None:
    figures = []
    for section in (evaluation, *evaluation["also"].values()):
        models = models_of(section)
        name = next((name for name, one in models.items() if _is(one, model)), None)
        if name is None:
            return None
        paired = next((one for one in comparisons_of(section) if one["trained"] == name), None)
        baseline = None if paired is None else models[paired["baseline"]]
        figures.append(Figure(section["dataset"]["name"], models[name], baseline, paired))
    return Measured(evaluation, tuple(figures))


def _is(evaluated: dict[str, Any], model: TrainedModel) -> bool:
    if model.adapter_sha256 is not None:
        merged = ((evaluated["trained_with"] or {}).get(EXPORTED) or {}).get("adapter_sha256")
        return model.adapter_sha256 in ((evaluated["adapter"] or {}).get("sha256"), merged)
    known = {key: value for key, value in model.record.items() if key != EXPORTED}
    return evaluated["adapter"] is None and len(known) > 0 and evaluated["trained_with"] == known


def find_curve(model: TrainedModel) -> Curve | None:
    """The curve of the run up to `model`'s step; None where no history shows that it is this run's."""
    step, noted = model.record.get("global_step"), (model.record.get("training") or {}).get("reward_mean")
    if step is None or noted is None:
        return None
    logs = [Path(model.record["metrics_log"])] if "metrics_log" in model.record else []
    logs += [above / "metrics" for above in (model.folder.parent, model.folder.parent.parent)]
    for log in logs:
        curve = _curve(history_path(log), step, noted)
        if curve is not None:
            return curve
    return None


def _curve(path: Path, step: int, noted: float) -> Curve | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rewards = dict(zip(found["steps"]["step"], found["steps"]["reward_mean"], strict=True))
        evaluated = found["evaluations"]
        accuracies = list(zip(evaluated["step"], evaluated.get("execution_accuracy", []), strict=True))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    known = {int(at): float(reward) for at, reward in rewards.items() if reward is not None}
    if not math.isclose(known.get(step, math.nan), noted, rel_tol=1e-9, abs_tol=1e-12):
        return None
    first = min(known)
    kept = [(int(at), float(accuracy)) for at, accuracy in accuracies if accuracy is not None and at <= step]
    return Curve(first=(first, known[first]), last=(step, noted), evaluations=tuple(kept))

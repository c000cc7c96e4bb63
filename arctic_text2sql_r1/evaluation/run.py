# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""An evaluation from options to files: every model asked the same questions, judged, compared, reported.

One model is in memory at a time. `DIR/unfinished/` holds what a model has answered until all files are written, so
that the same command goes on after a kill (`answers.py`). The figures are defined in `metrics.py` and `compare.py`,
their presentation in `report.py`, `changes.py` and `terminal.py`.
"""

import gc
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from arctic_text2sql_r1.data.journal import Journal
from arctic_text2sql_r1.data.jsonl import write_json
from arctic_text2sql_r1.data.jsonl import write_json_lines
from arctic_text2sql_r1.data.jsonl import write_text
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.databases.preview import preview
from arctic_text2sql_r1.evaluation.answers import AccuracyBar
from arctic_text2sql_r1.evaluation.answers import accuracy_progress
from arctic_text2sql_r1.evaluation.answers import answers
from arctic_text2sql_r1.evaluation.answers import open_journal
from arctic_text2sql_r1.evaluation.changes import change_rows
from arctic_text2sql_r1.evaluation.changes import markdown_changes
from arctic_text2sql_r1.evaluation.knowledge import Knowledge
from arctic_text2sql_r1.evaluation.knowledge import general_text
from arctic_text2sql_r1.evaluation.knowledge import measure_knowledge
from arctic_text2sql_r1.evaluation.metrics import Outcome
from arctic_text2sql_r1.evaluation.models import adapter_fingerprint
from arctic_text2sql_r1.evaluation.models import find_policy
from arctic_text2sql_r1.evaluation.options import EvaluationOptions
from arctic_text2sql_r1.evaluation.record import comparison_record
from arctic_text2sql_r1.evaluation.report import markdown_report
from arctic_text2sql_r1.evaluation.results import Dataset
from arctic_text2sql_r1.evaluation.results import EvaluationResult
from arctic_text2sql_r1.evaluation.results import dataset_result
from arctic_text2sql_r1.evaluation.results import read_datasets
from arctic_text2sql_r1.evaluation.samplers import Sampler
from arctic_text2sql_r1.evaluation.samplers import SamplerOptions
from arctic_text2sql_r1.evaluation.samplers import loaded_or_served
from arctic_text2sql_r1.evaluation.samplers import open_sampler
from arctic_text2sql_r1.evaluation.terminal import print_report
from arctic_text2sql_r1.prompts.templates import get_template

UNFINISHED = "unfinished"


@dataclass(frozen=True)
class _Answered:
    """What came of one model: a description, its outcomes for each dataset, and what it can beside SQL."""

    description: dict[str, Any]
    outcomes: list[list[Outcome]]
    knowledge: Knowledge | None


def run_evaluation(options: EvaluationOptions, console: Console | None = None) -> EvaluationResult:
    """Evaluate all models, write the files into `options.out` and print the report.

    Goes on where the same evaluation was killed. Raises `ModelError` for an unusable adapter, `RolloutError` for a
    server that is down and `DataError` for unusable data before any model is loaded.
    """
    template = get_template(options.template)
    chosen = {name: sampler_options(model, options) for name, model in options.models.items()}
    for one in chosen.values():
        refuse_dead_adapter(one.model, base_model=options.base_model)
    datasets = read_datasets(options.data, databases=options.databases, split=options.split, limit=options.limit)
    text = None if options.knowledge is None else general_text(options.knowledge)
    # the judge opens first: a bad mode fails here, and its workers start before any GPU or tokenizer thread exists
    with SQLJudge(num_workers=options.workers, timeout_s=options.timeout_s, compare=options.compare) as judge:
        answered = {name: _ask(name, one, options, datasets, judge, text) for name, one in chosen.items()}
    result = EvaluationResult(
        options=options,
        template=template,
        models={name: one.description for name, one in answered.items()},
        results=[
            dataset_result(dataset, {name: one.outcomes[number] for name, one in answered.items()})
            for number, dataset in enumerate(datasets)
        ],
        knowledge={name: one.knowledge for name, one in answered.items() if one.knowledge is not None},
    )
    _write_files(result)
    shutil.rmtree(options.out / UNFINISHED)
    print_report(result, console=console or Console())
    return result


def sampler_options(model: str, options: EvaluationOptions) -> SamplerOptions:
    """How a model is opened and asked: here, or, for `vllm:URL` and `vllm:URL#MODEL`, through that server."""
    same = ("template", "num_samples", "temperature", "max_new_tokens", "seed", "parser", "long_prompts")
    loading = ("batch_rows", "base_model", "dtype", "device")
    return SamplerOptions(**loaded_or_served(model), **{name: getattr(options, name) for name in (*same, *loading)})


def refuse_dead_adapter(name: str, base_model: str | None) -> None:
    """Raise `ModelError` when `name` is no model, or an adapter without weights of its own."""
    source = find_policy(name, base_model=base_model)
    if source.adapter is not None:
        adapter_fingerprint(source.adapter)


def _ask(
    name: str,
    chosen: SamplerOptions,
    options: EvaluationOptions,
    datasets: Sequence[Dataset],
    judge: SQLJudge,
    text: str | None,
) -> _Answered:
    """One model on everything; its predictions are written with their verdicts."""
    sampler = open_sampler(chosen)
    journal = open_journal(options.out / UNFINISHED / f"{name}.jsonl", sampler)
    with accuracy_progress(Console(stderr=True)) as progress:
        outcomes = [
            answers(sampler, dataset, judge, journal, AccuracyBar(progress, f"{name} on {dataset.name}"))
            for dataset in datasets
        ]
    rows = [
        prediction_row(dataset.name, outcome)
        for dataset, made in zip(datasets, outcomes, strict=True)
        for outcome in made
    ]
    write_json_lines(options.out / f"predictions_{name}.jsonl", rows)
    knowledge = None if text is None else _knowledge(sampler, text, journal)
    description = sampler.description
    del sampler
    _free_memory()
    return _Answered(description, outcomes, knowledge)


def _knowledge(sampler: Sampler, text: str, journal: Journal) -> Knowledge:
    """Measured once, whatever is killed later."""
    part = f"knowledge {hashlib.sha256(text.encode()).hexdigest()}"
    if (found := journal.found(part)) == {}:
        journal.add(part, vars(measure_knowledge(sampler, text)))
        found = journal.found(part)
    return Knowledge(**found)


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _write_files(result: EvaluationResult) -> None:
    out = result.options.out
    record = comparison_record(result)
    changes = change_rows(result)
    write_json_lines(out / "wins_losses.jsonl", changes)
    write_json(out / "comparison.json", record)
    write_text(out / "comparison.md", markdown_report(record) + markdown_changes(changes))


def prediction_row(dataset: str, outcome: Outcome) -> dict[str, Any]:
    """One prediction with its verdict, for `predictions_*.jsonl`."""
    example, verdict = outcome.example, outcome.verdict
    return dict(
        dataset=dataset,
        **vars(outcome.prediction),
        db_id=example.db_id,
        question=example.question,
        gold_sql=example.gold_sql,
        difficulty=example.difficulty,
        correct=verdict.correct,
        status=outcome.status,
        gold_status=verdict.gold.status.value,
        result=preview(verdict.result),
        gold_result=preview(verdict.gold),
    )

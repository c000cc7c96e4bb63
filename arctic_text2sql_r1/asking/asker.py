# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A model ready to be asked about one database: prompt as in training, completions, rows from the sandbox.

    with open_asker(AskOptions(model="runs/demo/run_1/best", db="shop.sqlite")) as asker:
        answer = asker.ask("How many customers are there?")

Nothing but the sandbox's workers runs SQL of a model (`databases/reader.py`). What is returned is `answer.py`; the
command is `command.py`, its interactive mode `session.py`.
"""

import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.asking.answer import NO_SQL
from arctic_text2sql_r1.asking.answer import Answer
from arctic_text2sql_r1.asking.answer import Votes
from arctic_text2sql_r1.asking.answer import told_ending
from arctic_text2sql_r1.asking.answer import told_problem
from arctic_text2sql_r1.asking.options import AskOptions
from arctic_text2sql_r1.data.value_store import cache_folder
from arctic_text2sql_r1.data.values import ValueIndex
from arctic_text2sql_r1.data.values import with_values
from arctic_text2sql_r1.databases.base import JobResult
from arctic_text2sql_r1.databases.engines import locate
from arctic_text2sql_r1.databases.reader import SQLReader
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.evaluation.metrics import Outcome
from arctic_text2sql_r1.evaluation.models import find_policy
from arctic_text2sql_r1.evaluation.models import training_record
from arctic_text2sql_r1.evaluation.predict import PROMPT_TOO_LONG
from arctic_text2sql_r1.evaluation.predict import Prediction
from arctic_text2sql_r1.evaluation.predict import PredictSettings
from arctic_text2sql_r1.evaluation.predict import predict
from arctic_text2sql_r1.evaluation.samplers import Sampler
from arctic_text2sql_r1.evaluation.samplers import SamplerOptions
from arctic_text2sql_r1.evaluation.samplers import loaded_or_served
from arctic_text2sql_r1.evaluation.samplers import open_sampler
from arctic_text2sql_r1.evaluation.voting import shared_results
from arctic_text2sql_r1.prompts.builder import prompt_prefill
from arctic_text2sql_r1.prompts.formats import extract_thought
from arctic_text2sql_r1.prompts.schema import read_schema
from arctic_text2sql_r1.prompts.schema import write_schema
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus
from arctic_text2sql_r1.types import Text2SQLExample
from arctic_text2sql_r1.types import Verdict

_TEMPLATE = "arctic"
_MAX_NEW_TOKENS = 1024
_COMPARE = "default"
_SQLITE_MAGIC = b"SQLite format 3\0"

Stage = Callable[[str], None]  # is told what takes time now


def _untold(stage: str) -> None:
    """For callers who do not watch."""


@contextmanager
def open_asker(options: AskOptions, on_stage: Stage = _untold) -> Iterator["Asker"]:
    """The model of `options`, loaded, over its database. `on_stage` is told what takes time.

    Raises `DataError` for an unusable database before the model is loaded, `ModelError` and `RolloutError` for a model
    or server that cannot be used, ValueError for an unknown template.
    """
    db_path = database_file(options.db)
    read_schema(str(db_path))
    chosen, notes = _sampler_options(options)
    # the workers start before any GPU or tokenizer thread exists
    with SQLReader(timeout_s=options.timeout_s, show_rows=options.max_rows) as reader:
        on_stage(f"loading {options.model}")
        sampler = open_sampler(chosen)
        yield Asker(options, db_path, sampler, reader, notes)


class Asker:
    """See `open_asker`. `notes` say how the model is asked, for people."""

    def __init__(
        self, options: AskOptions, db_path: Path, sampler: Sampler, reader: SQLReader, notes: Sequence[str]
    ) -> None:
        self.options = options
        self.db_path = db_path
        self.notes = tuple(notes)
        self._sampler = sampler
        self._reader = reader
        self._prefill = prompt_prefill(sampler.tokenizer, sampler.settings.template)

    def ask(
        self, question: str, evidence: str | None = None, vote: int | None = None, on_stage: Stage = _untold
    ) -> Answer:
        """What the model makes of `question`, and the rows of its query.

        `evidence` and `vote` are the options' when not given. The database is read anew when its file has changed.
        Raises `DataError` for an empty question and for a database that is gone, damaged or being written.
        """
        started = time.monotonic()
        locate(str(self.db_path))  # a database that is being written is told before the model is asked
        example = self._example(question, self.options.evidence if evidence is None else evidence, on_stage)
        settings = self._settings(self.options.vote if vote is None else vote)
        on_stage("writing SQL")
        predictions = predict(self._sampler.engine, self._sampler.tokenizer, [example], settings)
        on_stage("running SQL")
        outcomes, read = self._run(example, predictions)
        groups = shared_results(outcomes, _COMPARE)
        chosen = outcomes[0] if len(groups) == 0 else groups[0][0]
        votes = None if settings.sampling.num_samples == 1 else _votes(outcomes, groups)
        return self._answer(chosen, read.get(chosen.prediction.prediction or ""), votes, time.monotonic() - started)

    def schema(self, table: str = "") -> str:
        """CREATE TABLE statements of all tables, or of one. Raises `DataError` for a table that is not there."""
        tables = read_schema(str(self.db_path))
        named = [one for one in tables if table == "" or one.name.lower() == table.lower()]
        if len(named) == 0:
            raise DataError(f"No table '{table}' in '{self.db_path}'. Known: {', '.join(one.name for one in tables)}.")
        return write_schema(named, "ddl")

    def _example(self, question: str, evidence: str, on_stage: Stage) -> Text2SQLExample:
        question, evidence = _readable(question), _readable(evidence)
        if question.strip() == "":
            raise DataError("The question is empty. Expected one about the database, in words.")
        path = str(self.db_path)
        example = Text2SQLExample(
            "question", self.db_path.stem, question, gold_sql="", db_path=path, evidence=evidence
        )
        if not self.options.values:
            return example

        def on_progress(done: int, columns: int) -> None:
            on_stage(f"first use: indexing the values of {self.db_path.name}, column {done + 1} of {columns}")

        with ValueIndex.open(path, cache_folder(self.options.cache_dir), on_progress) as index:
            return with_values(example, index)

    def _settings(self, vote: int) -> PredictSettings:
        settings = self._sampler.settings
        sampling = replace(settings.sampling, num_samples=vote, temperature=self.options.temperature_for(vote))
        return replace(settings, sampling=sampling)

    def _run(
        self, example: Text2SQLExample, predictions: Sequence[Prediction]
    ) -> tuple[list[Outcome], dict[str, JobResult]]:
        """Every prediction with what came of it; each distinct statement is run once."""
        statements = list(dict.fromkeys(one.prediction for one in predictions if one.prediction is not None))
        done = dict(zip(statements, self._reader.read(example.db_path, statements), strict=True))
        no_gold = ExecutionResult(ExecutionStatus.NO_RESULT_SET)
        outcomes = []
        for one in predictions:
            result = None if one.prediction is None else done[one.prediction].seen_by(0)
            outcomes.append(Outcome(example, one, Verdict(one.prediction, result, no_gold, correct=None)))
        return outcomes, done

    def _answer(self, chosen: Outcome, read: JobResult | None, votes: Votes | None, seconds: float) -> Answer:
        prediction, template = chosen.prediction, self._sampler.settings.template
        shown = None if read is None else read.shown
        rows = () if shown is None else shown.rows
        row_count = 0 if read is None else read.result.row_count
        status = PROMPT_TOO_LONG if prediction.problem == PROMPT_TOO_LONG else NO_SQL
        return Answer(
            question=chosen.example.question,
            db=str(self.db_path),
            model=self.options.model,
            template=template.name,
            sql=prediction.prediction,
            status=status if read is None else read.result.status.value,
            error=self._no_sql(prediction) if read is None else told_ending(read.result),
            columns=() if shown is None else shown.columns,
            rows=rows,
            row_count=row_count,
            truncated=len(rows) < row_count,
            reasoning=extract_thought(prediction.completion, template.completion_format, self._prefill),
            completion=prediction.completion,
            prompt_tokens=prediction.prompt_tokens,
            completion_tokens=prediction.completion_tokens,
            shortened=prediction.shortened,
            seconds=round(seconds, 3),
            votes=votes,
        )

    def _no_sql(self, prediction: Prediction) -> str:
        settings = self._sampler.settings
        longest = settings.sampling.max_new_tokens
        if prediction.problem != PROMPT_TOO_LONG:
            return told_problem(prediction.problem, cut_at=longest if prediction.truncated else None)
        return (
            f"The prompt has {prediction.prompt_tokens:,} tokens, and is still too long with a shorter schema: the "
            f"model's context holds {settings.context_length:,}, of which {longest:,} are kept for the completion "
            f"(--max-new-tokens)."
        )


def database_file(given: str) -> Path:
    """The SQLite file that is meant, links followed. Raises `DataError` for anything that is no such file."""
    path = Path(given).expanduser()
    if path.is_dir():
        found = sorted(str(file) for suffix in ("sqlite", "db", "sqlite3") for file in path.rglob(f"*.{suffix}"))
        hint = f" It holds {', '.join(found[:3])}{' ...' if len(found) > 3 else ''}." if len(found) > 0 else ""
        raise DataError(f"--db '{path}' is a folder. Expected a SQLite file.{hint}")
    try:
        with open(path, "rb") as file:
            magic = file.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise DataError(f"Cannot read --db '{path}': {error.strerror}. Expected a SQLite file.") from error
    if magic != _SQLITE_MAGIC:
        found_in = "is empty" if magic == b"" else "is no SQLite database, or an encrypted one"
        raise DataError(f"--db '{path}' {found_in}. Expected an unencrypted SQLite file with tables.")
    path = path.resolve()
    locate(str(path))
    return path


def _sampler_options(options: AskOptions) -> tuple[SamplerOptions, list[str]]:
    """How the model is opened, as its training recorded it where the options do not say, and what to tell of that."""
    named = loaded_or_served(str(Path(options.model).expanduser()) if options.model[:1] == "~" else options.model)
    record = training_record(find_policy(named["model"], base_model=options.base_model)) or {}
    trained = record.get("template")
    template = get_template(options.template or trained or _TEMPLATE)
    chosen = SamplerOptions(
        **{**named, **({} if options.engine is None else dict(engine=options.engine))},
        template=template.name,
        num_samples=options.vote,
        temperature=options.temperature_for(options.vote),
        max_new_tokens=options.max_new_tokens or record.get("max_new_tokens") or _MAX_NEW_TOKENS,
        seed=options.seed,
        parser=options.parser or record.get("parser") or "lenient",
        long_prompts="shorten",
        base_model=options.base_model,
        dtype=options.dtype,
        device=options.device,
    )
    if trained is None:
        why = "as asked" if options.template is not None else "the model does not say how it was trained"
        return chosen, [f"template {template.name}: {why}"]
    notes = [f"template {template.name}: " + ("as trained" if template.name == trained else f"trained on {trained}")]
    if template.name == trained and record.get("template_version") != template.version:
        notes.append(
            f"the model was trained on version {record.get('template_version')} of this template; here it has "
            f"version {template.version}, so that prompts differ"
        )
    return chosen, notes


def _votes(outcomes: Sequence[Outcome], groups: Sequence[Sequence[Outcome]]) -> Votes:
    counts = [len(group) for group in groups]
    runner_up: Any = groups[1][0].prediction.prediction if len(groups) > 1 else None
    return Votes(
        samples=len(outcomes),
        voted=sum(counts),
        agreed=counts[0] if len(counts) > 0 else 0,
        runner_up=counts[1] if len(counts) > 1 else 0,
        runner_up_sql=runner_up,
    )


def _readable(text: str) -> str:
    """The text without lone surrogates, which no tokenizer takes: what the terminal sent was no UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")

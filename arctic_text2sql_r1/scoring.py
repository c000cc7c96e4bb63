# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Scores completions or SQL from JSON lines: what `text2sql-r1 score` does.

One output row for each usable input row, in the order of the input. Flags are parsed in `cli.py`; what is paid is in
`rewards/`, how SQL is run in `databases/`.
"""

import sys
import tempfile
from collections import Counter
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from typing import Any

from arctic_text2sql_r1.data.jsonl import encode_line
from arctic_text2sql_r1.data.jsonl import parse_line
from arctic_text2sql_r1.data.jsonl import write_json_lines
from arctic_text2sql_r1.data.readers import GOLD_KEYS
from arctic_text2sql_r1.data.readers import DatabaseFinder
from arctic_text2sql_r1.data.readers import text_field
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.rewards.scorer import RewardScorer
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import ExecutionStatus
from arctic_text2sql_r1.types import Text2SQLExample

CHUNK = 8192  # rows judged together: equal predictions in it run once
STANDARD = Path("-")  # stands for standard input or output
_SHOWN_IDS = 5


@dataclass(frozen=True)
class ScoreRow:
    """One input row; `text` is a whole completion, or bare SQL when `is_sql`. `row_id` is given back as it came."""

    row_id: Any
    example: Text2SQLExample
    text: str
    is_sql: bool
    where: str


def read_rows(path: Path, databases: Path, on_bad: Callable[[DataError], None]) -> list[ScoreRow]:
    """The usable rows of a file of JSON lines, or of standard input for `-`.

    A row has `db_id`, `gold_sql`, either `completion` (text) or `prediction` (SQL), and if it likes `id` (otherwise
    the line's number) and `question`. If both are there, the one that is not null counts. Every line that is not such
    a row is handed to `on_bad`, which may raise.
    """
    finder = DatabaseFinder([databases])
    rows: list[ScoreRow] = []
    for number, line in enumerate(_lines(path), start=1):
        if line.strip() == b"":
            continue
        try:
            rows.append(_row(path, number=number, line=line, finder=finder))
        except DataError as error:
            on_bad(error)
    return rows


def _lines(path: Path) -> list[bytes]:
    try:
        content = sys.stdin.buffer.read() if path == STANDARD else path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read '{path}': {error.strerror}. Expected a readable file of JSON lines.") from error
    return content.removeprefix(b"\xef\xbb\xbf").split(b"\n")


def _row(path: Path, *, number: int, line: bytes, finder: DatabaseFinder) -> ScoreRow:
    where = f"'{path}', line {number}"
    try:
        row = parse_line(path, number=number, line=line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: byte 0x{line[error.start]:02x} is not UTF-8. Save the file as UTF-8.") from error
    if not isinstance(row, dict) or not ("completion" in row or "prediction" in row):
        raise DataError(f"{where}: expected an object with 'completion' or 'prediction'.")
    is_sql = row.get("completion") is None and "prediction" in row
    text = row["prediction"] if is_sql else row["completion"]
    if not isinstance(text, str) and text is not None:
        raise DataError(f"{where}: the {'prediction' if is_sql else 'completion'} is not text. Expected text or null.")
    db_id = text_field(row, keys=("db_id",), where=where)
    row_id = number if row.get("id") is None else row["id"]
    example = Text2SQLExample(
        example_id=str(row_id),
        db_id=db_id,
        question=str(row.get("question") or ""),
        gold_sql=text_field(row, keys=GOLD_KEYS, where=where),
        db_path=finder.find(db_id, where=where),
    )
    return ScoreRow(row_id=row_id, example=example, text=text or "", is_sql=is_sql, where=where)


def drop_unreadable(rows: Sequence[ScoreRow], judge: SQLJudge, on_bad: Callable[[DataError], None]) -> list[ScoreRow]:
    """The rows whose database can be read; each other one is handed to `on_bad`, which may raise."""
    problems = judge.unreadable(row.example.db_path for row in rows)
    for row in rows:
        if row.example.db_path in problems:
            on_bad(DataError(f"{row.where}: {problems[row.example.db_path]}"))
    return [row for row in rows if row.example.db_path not in problems]


def score_rows(
    rows: Sequence[ScoreRow], scorer: RewardScorer, on_progress: Callable[[int, int], None]
) -> list[ScoredCompletion]:
    """Every row scored, in order. `on_progress` is called with (rows judged, all rows)."""
    scored: dict[int, ScoredCompletion] = {}
    for is_sql in (False, True):
        mine = [index for index, row in enumerate(rows) if row.is_sql is is_sql]
        for start in range(0, len(mine), CHUNK):
            chunk = mine[start : start + CHUNK]
            report = _shifted(on_progress, len(scored), len(rows))
            scored.update(zip(chunk, _score_chunk([rows[i] for i in chunk], scorer, is_sql, report), strict=True))
    return [scored[index] for index in range(len(rows))]


def _score_chunk(
    rows: list[ScoreRow], scorer: RewardScorer, is_sql: bool, on_progress: Callable[[int, int], None]
) -> list[ScoredCompletion]:
    examples = [row.example for row in rows]
    if is_sql:
        return scorer.score_sql(examples, [row.text for row in rows], on_progress)
    return scorer.score(examples, [Completion(text=row.text) for row in rows], on_progress)


def _shifted(on_progress: Callable[[int, int], None], done: int, total: int) -> Callable[[int, int], None]:
    return lambda settled, _: on_progress(done + settled, total)


def output_row(row: ScoreRow, scored: ScoredCompletion) -> dict[str, Any]:
    """What is written for one row."""
    verdict, result = scored.verdict, scored.verdict.result
    return dict(
        id=row.row_id,
        reward=scored.reward,
        components=scored.components,
        status=None if result is None else result.status.value,
        gold_status=verdict.gold.status.value,
        prediction=verdict.prediction,
        correct=verdict.correct,
        rows=result.row_count if result is not None and result.status is ExecutionStatus.OK else None,
        elapsed_s=None if result is None else round(result.elapsed_s, 6),
        error=scored.parsed.problem if result is None else result.error,
    )


def check_writable(path: Path) -> None:
    """Raise `DataError` when `path` cannot be written, before any work is done for it; `-` can."""
    if path == STANDARD:
        return
    if path.is_dir():
        raise DataError(f"Cannot write '{path}': it is a folder. Name a file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise DataError(f"Cannot write '{path}': {error.strerror}. Choose a folder that can be written.") from error


def write_rows(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Write the records as JSON lines, to a file in one move or to standard output for `-`."""
    if path != STANDARD:
        write_json_lines(path, records)
        return
    for record in records:
        sys.stdout.buffer.write(encode_line(record))
    sys.stdout.buffer.flush()


def print_summary(rows: Sequence[ScoreRow], scored: Sequence[ScoredCompletion], file: IO[str]) -> None:
    """A table of verdicts, statuses, mean rewards, and right results that look bought, with the first such rows."""
    from rich.console import Console
    from rich.table import Table

    judged = [one.verdict.correct for one in scored if one.verdict.correct is not None]
    table = Table(show_header=False)
    died = sum(_status(one) == ExecutionStatus.WORKER_DIED.value for one in scored if one.verdict.correct is False)
    table.add_row("right", str(sum(judged)))
    table.add_row("wrong", str(len(judged) - sum(judged) - died))
    table.add_row("not scored: gold failed", str(len(scored) - len(judged)))
    if died > 0:
        table.add_row("not scored: worker died twice", str(died))
    table.add_section()
    for status, count in Counter(map(_status, scored)).most_common():
        table.add_row(f"prediction: {status}", str(count))
    table.add_section()
    for name, mean in dict(reward=_mean(one.reward for one in scored), **_component_means(scored)).items():
        table.add_row(f"mean {name}", "none" if mean is None else f"{mean:.4f}")
    table.add_section()
    for sign, ids in _suspicious_ids(rows, scored).items():
        shown = ", ".join(ids[:_SHOWN_IDS]) + (" ..." if len(ids) > _SHOWN_IDS else "")
        table.add_row(f"right but suspicious: {sign}", f"{len(ids)}: {shown}")
    Console(file=file).print(table)


def _status(scored: ScoredCompletion) -> str:
    return "no SQL extracted" if scored.verdict.result is None else scored.verdict.result.status.value


def _suspicious_ids(rows: Sequence[ScoreRow], scored: Sequence[ScoredCompletion]) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = defaultdict(list)
    for row, one in zip(rows, scored, strict=True):
        for sign in one.suspicions:
            ids[sign].append(row.example.example_id)
    return ids


def _component_means(scored: Sequence[ScoredCompletion]) -> dict[str, float | None]:
    values: dict[str, list[float]] = defaultdict(list)
    for one in scored:
        for name, value in one.components.items():
            values[name].append(value)
    return {name: _mean(values[name]) for name in sorted(values)}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) > 0 else None

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The `text2sql-r1` command: evaluate, score, check-data.

Each command parses flags and hands over: `evaluation/run.py` evaluates, `rewards/scorer.py` scores,
`data/check.py` checks. Modules that take time to import are imported by the command that needs them.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.errors import Text2SQLError
from arctic_text2sql_r1.evaluation.options import EvaluationOptions
from arctic_text2sql_r1.evaluation.options import add_evaluation_flags
from arctic_text2sql_r1.evaluation.options import positive_int
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample

if TYPE_CHECKING:
    from rich.progress import Progress

    from arctic_text2sql_r1.data.readers import DatabaseFinder
    from arctic_text2sql_r1.databases.judge import SQLJudge
    from arctic_text2sql_r1.rewards.scorer import ScoredCompletion

SCORE_CHUNK = 2048  # rows judged together: equal predictions in it run once


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 after an error of ours (told in one message), 2 for wrong flags."""
    flags = build_parser().parse_args(arguments)
    return run_command(flags)


def run_command(flags: argparse.Namespace) -> int:
    """Call the chosen command and turn errors that are meant for users into one message on stderr."""
    try:
        flags.command(flags)
    except (Text2SQLError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    parser = argparse.ArgumentParser(prog="text2sql-r1", description="Train, score and evaluate text-to-SQL models.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    evaluation = commands.add_parser("evaluate", help="compare a trained model with its baseline")
    add_evaluation_flags(evaluation)
    evaluation.set_defaults(command=evaluate)
    _add_score_flags(commands.add_parser("score", help="execute and score completions or SQL from a .jsonl file"))
    _add_check_flags(
        commands.add_parser("check-data", help="run every gold query; write the usable rows and the rest")
    )
    return parser


def evaluate(flags: argparse.Namespace) -> None:
    """`text2sql-r1 evaluate`; also what `evaluate_models.py` runs."""
    options = EvaluationOptions.from_flags(flags)
    from arctic_text2sql_r1.evaluation.run import run_evaluation

    run_evaluation(options)


def _add_sql_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout-s", type=float, default=5.0, metavar="S", help="seconds a query may run")
    parser.add_argument("--workers", type=positive_int, default=2, metavar="N", help="processes that run SQL")


def _add_score_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("input", type=Path, help=".jsonl with id, db_id, gold_sql and either completion (text) or prediction (SQL)")
    add("--databases", required=True, type=Path, metavar="DIR", help="holds DB_ID/DB_ID.sqlite or DB_ID.sqlite")
    add("--out", required=True, type=Path, metavar="OUT.jsonl")
    add("--reward", default="execution", metavar="NAME[,NAME...]", help="summed with weight 1 (default: %(default)s)")
    add("--format", default="think_answer", help="how completions carry SQL (default: %(default)s)")
    add("--parser", default="strict", choices=("strict", "lenient"), help="default: %(default)s")
    add(
        "--compare",
        default="default",
        metavar="MODE",
        help="when two results are equal: default, bird, spider or spider_keep_distinct",
    )
    add("--skip-bad", action="store_true", help="leave out unusable lines, naming each, instead of stopping")
    _add_sql_flags(parser)
    parser.set_defaults(command=score)


def score(flags: argparse.Namespace) -> None:
    """`text2sql-r1 score`: one output row per usable input row, in the order of the input."""
    from arctic_text2sql_r1.data.jsonl import write_json_lines
    from arctic_text2sql_r1.databases.judge import SQLJudge

    rows = _score_rows(flags)
    with SQLJudge(num_workers=flags.workers, timeout_s=flags.timeout_s, compare=flags.compare) as judge:
        records = _score_all(rows, judge=judge, flags=flags)
    write_json_lines(flags.out, records)
    _print_score_summary(records, flags)


class ScoreRow(NamedTuple):
    """One input line of `score`; `text` is a whole completion, or bare SQL when `is_sql`."""

    example: Text2SQLExample
    text: str
    is_sql: bool


def _score_rows(flags: argparse.Namespace) -> list[ScoreRow]:
    from arctic_text2sql_r1.data.jsonl import parse_line
    from arctic_text2sql_r1.data.jsonl import read_text
    from arctic_text2sql_r1.data.readers import DatabaseFinder

    finder = DatabaseFinder([flags.databases])
    rows: list[ScoreRow] = []
    for number, line in enumerate(read_text(flags.input).split("\n"), start=1):
        if line.strip() == "":
            continue
        try:
            row = parse_line(flags.input, number=number, line=line)
            rows.append(_score_row(row, where=f"'{flags.input}', line {number}", number=number, finder=finder))
        except DataError as error:
            if not flags.skip_bad:
                raise DataError(f"{error} Use --skip-bad to leave such lines out.") from error
            print(f"skipped: {error}", file=sys.stderr)
    return rows


def _score_row(row: Any, where: str, number: int, finder: "DatabaseFinder") -> ScoreRow:
    from arctic_text2sql_r1.data.readers import GOLD_KEYS
    from arctic_text2sql_r1.data.readers import text_field

    if not isinstance(row, dict) or not ("completion" in row or "prediction" in row):
        raise DataError(f"{where}: expected an object with 'completion' or 'prediction'.")
    is_sql = "completion" not in row
    text = row["prediction"] if is_sql else row["completion"]
    if not isinstance(text, str) and text is not None:
        raise DataError(f"{where}: the {'prediction' if is_sql else 'completion'} is not text. Expected text or null.")
    db_id = text_field(row, keys=("db_id",), where=where)
    example = Text2SQLExample(
        example_id=str(row.get("id", number)),
        db_id=db_id,
        question=str(row.get("question") or ""),
        gold_sql=text_field(row, keys=GOLD_KEYS, where=where),
        db_path=finder.find(db_id, where=where),
    )
    return ScoreRow(example=example, text=text or "", is_sql=is_sql)


def _score_all(rows: list[ScoreRow], judge: "SQLJudge", flags: argparse.Namespace) -> list[dict[str, Any]]:
    from arctic_text2sql_r1.rewards.base import WeightedReward
    from arctic_text2sql_r1.rewards.scorer import RewardScorer

    rewards = [WeightedReward(name.strip()) for name in flags.reward.split(",")]
    scorers = {
        False: RewardScorer(judge, rewards, completion_format=flags.format, parser=flags.parser),
        True: RewardScorer(judge, rewards, completion_format="plain", parser="strict"),
    }
    records: dict[int, dict[str, Any]] = {}
    with progress_bar() as progress:
        task = progress.add_task("scoring", total=len(rows))
        for is_sql, scorer in scorers.items():
            mine = [index for index, row in enumerate(rows) if row.is_sql is is_sql]
            for start in range(0, len(mine), SCORE_CHUNK):
                chunk = mine[start : start + SCORE_CHUNK]
                completions = [Completion(text=rows[index].text) for index in chunk]
                scored = scorer.score([rows[index].example for index in chunk], completions)
                for index, result in zip(chunk, scored, strict=True):
                    records[index] = _score_record(rows[index], result)
                progress.advance(task, len(chunk))
    return [records[index] for index in range(len(rows))]


def _score_record(row: ScoreRow, scored: "ScoredCompletion") -> dict[str, Any]:
    verdict, result = scored.verdict, scored.verdict.result
    return dict(
        id=row.example.example_id,
        reward=scored.reward,
        components=scored.components,
        status=None if result is None else result.status.value,
        gold_status=verdict.gold.status.value,
        prediction=verdict.prediction,
        correct=verdict.correct,
        rows=None if result is None else result.row_count,
        elapsed_s=None if result is None else round(result.elapsed_s, 6),
        error=scored.parsed.problem if result is None else result.error,
    )


def _print_score_summary(records: list[dict[str, Any]], flags: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    rewards = [record["reward"] for record in records if record["reward"] is not None]
    judged = [record["correct"] for record in records if record["correct"] is not None]
    print(f"{flags.input.name}: {len(records)} rows, comparison mode {flags.compare}")
    table = Table()
    table.add_column("")
    table.add_column("rows", justify="right")
    table.add_row("right", str(sum(judged)))
    table.add_row("wrong", str(len(judged) - sum(judged)))
    table.add_row("gold failed, not scored", str(len(records) - len(judged)))
    table.add_section()
    for status, count in Counter(record["status"] or "no SQL extracted" for record in records).most_common():
        table.add_row(f"prediction {status}", str(count))
    Console().print(table)
    if len(rewards) > 0:
        print(f"mean reward {sum(rewards) / len(rewards):.4f} over {len(rewards)} rows ({flags.reward})")


def _add_check_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", type=Path, help=".json, .jsonl or a folder in Spider's layout")
    add("--databases", type=Path, metavar="DIR", help="folder of the SQLite files (default: beside the data)")
    add("--split", default="train", help="file to take from a data folder (default: %(default)s)")
    add("--out", required=True, type=Path, metavar="KEPT.json", help="the usable rows")
    add("--rejects", required=True, type=Path, metavar="REJECTS.jsonl", help="the other rows, each with its reason")
    _add_sql_flags(parser)
    parser.set_defaults(command=check_data)


def check_data(flags: argparse.Namespace) -> None:
    """`text2sql-r1 check-data`."""
    from arctic_text2sql_r1.data.check import check_gold
    from arctic_text2sql_r1.data.jsonl import write_json
    from arctic_text2sql_r1.data.jsonl import write_json_lines
    from arctic_text2sql_r1.data.readers import example_row
    from arctic_text2sql_r1.data.readers import read_examples
    from arctic_text2sql_r1.databases.judge import SQLJudge

    if flags.out.suffix != ".json":
        raise DataError(f"--out '{flags.out}' does not end in .json: the kept rows are written as one JSON list.")
    examples = read_examples(flags.data, databases=flags.databases, split=flags.split)
    with SQLJudge(num_workers=flags.workers, timeout_s=flags.timeout_s) as judge, progress_bar() as progress:
        check = check_gold(examples, judge, on_progress=report_to(progress, label="running golds"))
    write_json(flags.out, [example_row(example) for example in check.kept])
    rejects = (dict(**example_row(item.example), reason=item.reason) for item in check.rejected)
    write_json_lines(flags.rejects, rejects)
    print(check.summary())


def progress_bar() -> "Progress":
    """A progress bar on stderr with count and time left."""
    from rich.console import Console
    from rich.progress import BarColumn
    from rich.progress import MofNCompleteColumn
    from rich.progress import Progress
    from rich.progress import TextColumn
    from rich.progress import TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def report_to(progress: "Progress", label: str) -> Callable[[int, int], None]:
    """An `on_progress` callback that moves a new task of the bar."""
    task = progress.add_task(label, total=None)
    return lambda done, total: progress.update(task, completed=done, total=total)


if __name__ == "__main__":
    sys.exit(main())

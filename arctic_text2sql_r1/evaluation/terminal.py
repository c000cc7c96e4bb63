# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A finished evaluation on the terminal: settings, tables, and a few completions that changed.

What the lines say is decided in `report.py`, which also writes them as JSON and Markdown.
"""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from arctic_text2sql_r1.evaluation.metrics import Outcome
from arctic_text2sql_r1.evaluation.metrics import first_samples
from arctic_text2sql_r1.evaluation.report import comparison_record
from arctic_text2sql_r1.evaluation.report import difficulty_rows
from arctic_text2sql_r1.evaluation.report import settings_lines
from arctic_text2sql_r1.evaluation.report import table_rows
from arctic_text2sql_r1.evaluation.report import verdict_lines
from arctic_text2sql_r1.evaluation.results import DatasetResult
from arctic_text2sql_r1.evaluation.results import EvaluationResult
from arctic_text2sql_r1.types import ExecutionStatus

SHOWN_CHANGES = 5


def print_report(result: EvaluationResult, console: Console) -> None:
    """Settings, one table per dataset, the paired result, and a few completions that changed."""
    record = comparison_record(result)
    for line in settings_lines(record):
        console.print(Text(line, style="dim"))
    for section, item in zip([record, *record["also"].values()], result.results, strict=True):
        console.print(_terminal_table(section))
        for line in verdict_lines(section):
            console.print(Text(line))
        _print_changes(item, console=console)


def _terminal_table(section: dict[str, Any]) -> Table:
    table = Table(title=section["dataset"]["name"], title_justify="left")
    table.add_column("")
    table.add_column("baseline", justify="right")
    table.add_column("trained", justify="right")
    for label, before, after in table_rows(section):
        table.add_row(label, before, after)
    table.add_section()
    for name, questions, before, after in difficulty_rows(section):
        table.add_row(f"{name} ({questions})", before, after)
    return table


def _print_changes(item: DatasetResult, console: Console) -> None:
    """Losses and wins first, then other changed completions, `SHOWN_CHANGES` in all."""
    paired = item.paired
    plain = [name for name in paired.changed if name not in {*paired.wins, *paired.losses}]
    wanted = [*paired.wins[:2], *paired.losses[:2], *plain, *paired.wins[2:], *paired.losses[2:]][:SHOWN_CHANGES]
    before = {outcome.example.example_id: outcome for outcome in first_samples(item.baseline_outcomes)}
    after = {outcome.example.example_id: outcome for outcome in first_samples(item.trained_outcomes)}
    for example_id in wanted:
        console.print(Text(change_text(before[example_id], after[example_id])))


def change_text(before: Outcome, after: Outcome) -> str:
    """One question with gold and both predictions, for people."""
    example = after.example
    return "\n".join(
        [
            f"\n{example.example_id} ({example.db_id}): {example.question}",
            f"  gold      {_one_line(example.gold_sql)}",
            f"  baseline  {_told(before)}",
            f"  trained   {_told(after)}",
        ]
    )


def _told(outcome: Outcome) -> str:
    prediction = outcome.prediction
    text = prediction.prediction
    if text is None:
        text = f"({prediction.problem}) {prediction.completion}"
    return f"[{_standing(outcome)}] {_one_line(text)}"


def _standing(outcome: Outcome) -> str:
    """`right`, `wrong` for SQL that ran, or the status that stopped it."""
    if outcome.correct:
        return "right"
    return "wrong" if outcome.status == ExecutionStatus.OK.value else outcome.status


def _one_line(text: str, width: int = 200) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 3] + "..."

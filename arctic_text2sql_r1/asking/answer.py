# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What came of one question, as a record: SQL, rows, how it ended and in which words that is told.

How it is shown on a terminal is in `screen.py`, in a notebook in `page.py`; how it comes about in `asker.py`.
"""

from dataclasses import asdict
from dataclasses import dataclass
from typing import Any

from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus

OK = ExecutionStatus.OK.value
NO_SQL = "no_sql"

# What is told of a query that yielded no rows; SQLite's or the sandbox's own words follow.
_ENDINGS = {
    ExecutionStatus.NO_RESULT_SET: "The statement yields no result set",
    ExecutionStatus.SYNTAX_ERROR: "SQLite cannot read the query",
    ExecutionStatus.SCHEMA_ERROR: "The query does not fit the database",
    ExecutionStatus.DENIED: "Refused, and the database is as it was: queries may read, and nothing else",
    ExecutionStatus.TIMEOUT: "The query took too long (--timeout-s)",
    ExecutionStatus.LIMIT: "The query or its result is too large",
    ExecutionStatus.MEMORY: "The query needs too much memory",
    ExecutionStatus.WORKER_DIED: "The process that ran the query died, which says nothing about the query",
}


@dataclass(frozen=True)
class Votes:
    """How `samples` completions voted: `voted` of them ran, `agreed` of these returned the rows that are shown.

    `runner_up` is how many returned the next most common result, 0 where there is no other; `runner_up_sql` is the
    likeliest query of these.
    """

    samples: int
    voted: int
    agreed: int
    runner_up: int = 0
    runner_up_sql: str | None = None


@dataclass(frozen=True)
class Answer:
    """What came of one question; `as_json` has the same fields.

    `status` is that of the execution, `no_sql` when the completion held none, `prompt_too_long` when the model was
    not asked; `error` tells in words what went wrong, None for status `ok`. `rows` are at most `max_rows`, in the
    forms of `databases/shown.py`, `row_count` is how many there are, `truncated` whether some are not shown.
    `shortened` is the step that made the prompt fit ("" for none), `seconds` the time from question to rows. Without
    a vote `votes` is None.
    """

    question: str
    db: str
    model: str
    template: str
    sql: str | None
    status: str
    error: str | None
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    row_count: int
    truncated: bool
    reasoning: str
    completion: str
    prompt_tokens: int
    completion_tokens: int
    shortened: str
    seconds: float
    votes: Votes | None

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.status == OK

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """What notebooks show."""
        from arctic_text2sql_r1.asking.page import answer_html

        return answer_html(self)


def told_ending(result: ExecutionResult) -> str | None:
    """In words, why an execution has no rows; None when it has some."""
    if result.status is ExecutionStatus.OK:
        return None
    return f"{_ENDINGS[result.status]}: {(result.error or result.status.value).rstrip('.')}."


def told_problem(problem: str | None, cut_at: int | None) -> str:
    """In words, why a completion holds no SQL; `cut_at`: the tokens it was cut at, None for a whole one."""
    found = (problem or "nothing found").replace("_", " ")
    if cut_at is None:
        return f"The model wrote no SQL that can be run: {found}."
    return f"The model wrote no SQL that can be run: {found}; it was cut after {cut_at} tokens (--max-new-tokens)."


def told_count(answer: Answer) -> str:
    """How many rows there are and how many of them are shown."""
    rows = f"{answer.row_count:,} row{'' if answer.row_count == 1 else 's'}"
    return f"first {len(answer.rows):,} of {rows}" if answer.truncated else rows


def told_votes(votes: Votes) -> str:
    """How a vote went, in one line."""
    line = f"{votes.agreed} of {votes.samples} completions agree on this result"
    failed = votes.samples - votes.voted
    others = votes.voted - votes.agreed - votes.runner_up
    parts = [f"{votes.runner_up} on the next" if votes.runner_up > 0 else ""]
    parts += [f"{others} on others" if others > 0 else "", f"{failed} did not run" if failed > 0 else ""]
    return ", ".join([line, *filter(None, parts)])

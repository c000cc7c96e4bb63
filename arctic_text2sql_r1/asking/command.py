# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`text2sql-r1 ask`: the call. Its flags are in `options.py`, so that `--help` needs neither rich nor torch."""

import argparse
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from typing import TYPE_CHECKING

from arctic_text2sql_r1.asking.options import AskOptions
from arctic_text2sql_r1.asking.options import add_flags
from arctic_text2sql_r1.errors import RolloutError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["add_flags", "run"]


def run(flags: argparse.Namespace) -> int:
    """One question, or all that are typed or piped in; the exit status is 1 where one of them had no result.

    Answers go to stdout, all else to stderr.
    """
    options = AskOptions.from_flags(flags)
    from arctic_text2sql_r1.environment import load_env_file

    load_env_file()  # before the hub's library reads its settings
    from rich.console import Console
    from rich.text import Text

    from arctic_text2sql_r1.asking.asker import open_asker
    from arctic_text2sql_r1.asking.session import Session

    notes = Console(stderr=True, highlight=False)
    with ExitStack() as stack:
        with _waiting(notes) as on_stage:
            asker = stack.enter_context(open_asker(options, on_stage))
        for note in asker.notes:
            notes.print(Text(note, style="dim"), soft_wrap=True)
        session = Session(asker, Console(highlight=False), notes, lambda: _waiting(notes), as_json=flags.json)
        try:
            answered = session.run() if flags.question is None else session.ask(flags.question)
        except RuntimeError as error:  # torch is out of memory
            raise RolloutError(f"The model could not be asked: {error}") from error
    return 0 if answered else 1


@contextmanager
def _waiting(console: "Console") -> Iterator[Callable[[str], None]]:
    """A line that says what takes time and how long it has, gone when it is over; nothing where no terminal is."""
    from rich.progress import Progress
    from rich.progress import SpinnerColumn
    from rich.progress import TextColumn
    from rich.progress import TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda stage: progress.update(task, description=stage)

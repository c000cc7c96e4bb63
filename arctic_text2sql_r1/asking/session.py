# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Questions one after another: typed at a prompt, or one a line from a file.

Nothing but the end of input or `.quit` ends a session: errors are told, and Ctrl-C breaks off the running question
alone, its SQL with it. How a question is answered is in `asker.py`, what an answer looks like in `screen.py`.
"""

import json
import signal
import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import contextmanager
from contextlib import suppress
from types import FrameType

from rich.console import Console
from rich.text import Text

from arctic_text2sql_r1.asking.answer import Answer
from arctic_text2sql_r1.asking.asker import Asker
from arctic_text2sql_r1.asking.screen import harmless
from arctic_text2sql_r1.asking.screen import print_answer
from arctic_text2sql_r1.errors import Text2SQLError

HELP = """\
A line is a question; these are commands:
  .schema [TABLE]   the tables as the file declares them
  .sql              the last query once more
  .vote [K]         draw K completions of each question from now on, the most common result wins; 1: no vote
  .json             JSON for each answer, or the usual view again
  .help             this list
  .quit             end; so does Ctrl-D. Ctrl-C breaks off a question"""

Waiting = Callable[[], AbstractContextManager[Callable[[str], None]]]


class Session:
    """Asks `asker`, prints answers to `console` and all else to `notes`; `waiting` shows what takes time."""

    def __init__(self, asker: Asker, console: Console, notes: Console, waiting: Waiting, as_json: bool) -> None:
        self._asker = asker
        self._console = console
        self._notes = notes
        self._waiting = waiting
        self._as_json = as_json
        self._vote = asker.options.vote
        self._last_sql: str | None = None

    def ask(self, question: str) -> bool:
        """Answer one question; whether there was a result. Raises what `Asker.ask` does."""
        with self._waiting() as on_stage:
            answer = self._asker.ask(question, vote=self._vote, on_stage=on_stage)
        self._last_sql = answer.sql or self._last_sql
        self._print(answer)
        return answer.ok

    def run(self) -> bool:
        """Answer every line of stdin. False where lines were piped in and one of them had no result."""
        interactive = sys.stdin.isatty()
        if interactive:
            self._tell(f"Questions about {self._asker.db_path.name}; .help lists commands, Ctrl-D ends.")
        lines = _typed(f"{harmless(self._asker.db_path.stem)}> ", self._notes) if interactive else _given()
        all_answered = True
        for line in lines:
            if line in (".quit", ".exit"):
                break
            if not interactive and not self._as_json and not line.startswith("."):
                self._console.print(Text(f"> {harmless(line)}"), soft_wrap=True)
            with _one_interrupt():
                all_answered &= self._answered(line, interactive)
            if not self._as_json:
                self._console.print()
        return all_answered or interactive

    def _answered(self, line: str, interactive: bool) -> bool:
        """Do what a line asks for, and tell what went wrong; whether nothing did."""
        try:
            return self._command(line) if line.startswith(".") else self.ask(line)
        except (Text2SQLError, ValueError, OSError, RuntimeError) as error:  # RuntimeError: torch is out of memory
            self._tell(f"error: {error}")
        except KeyboardInterrupt:
            if not interactive:
                raise
            self._tell("broken off")
        return False

    def _command(self, line: str) -> bool:
        """Do what a line with a dot says; whether it made sense."""
        name, _, argument = line.partition(" ")
        argument = argument.strip()
        if name == ".schema":
            self._console.print(Text(harmless(self._asker.schema(argument), keep="\n\t")), soft_wrap=True)
        elif name == ".sql":
            self._console.print(Text(harmless(self._last_sql or "no query yet", keep="\n\t")), soft_wrap=True)
        elif name == ".vote" and (argument == "" or (argument.isdecimal() and int(argument) > 0)):
            self._set_vote(int(argument) if argument != "" else self._vote)
        elif name == ".vote":
            self._tell(f"'{argument}' is no number of completions; expected 1 or more.")
            return False
        elif name == ".json" and argument == "":
            self._as_json = not self._as_json
        elif name == ".help":
            self._tell(HELP)
        else:
            self._tell(f"'{line}' is no command.\n{HELP}")
            return False
        return True

    def _set_vote(self, vote: int) -> None:
        if vote > 1 and self._asker.options.temperature == 0:
            raise ValueError("A vote at temperature 0 would draw one completion many times. Start without it.")
        self._vote = vote
        self._tell(f"{vote} completion{'' if vote == 1 else 's'} for each question")

    def _print(self, answer: Answer) -> None:
        if self._as_json:
            # ASCII alone: characters that steer a terminal stand in no other form of JSON as harmlessly
            print(json.dumps(answer.as_json(), allow_nan=False), flush=True)
        else:
            print_answer(answer, self._console)

    def _tell(self, text: str) -> None:
        self._notes.print(Text(harmless(text, keep="\n"), style="dim"), soft_wrap=True)


@contextmanager
def _one_interrupt() -> Iterator[None]:
    """Inside, the first Ctrl-C raises KeyboardInterrupt and later ones do nothing: what ends then ends in order."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _typed(prompt: str, notes: Console) -> Iterator[str]:
    """What is typed, line by line, blank ones left out; Ctrl-C drops the line that is being typed."""
    with suppress(ImportError):  # not every Python has it; importing it makes input() editable, with a history
        import readline  # noqa: F401
    edited = sys.stdout.isatty()
    while True:
        try:
            if not edited:
                notes.print(Text(prompt), end="")
            line = input(prompt if edited else "").strip()
        except EOFError:
            notes.print()
            return
        except KeyboardInterrupt:
            notes.print()
            continue
        if line != "":
            yield line


def _given() -> Iterator[str]:
    """The lines of stdin that are not blank; bytes that are no UTF-8 are replaced."""
    for raw in sys.stdin.buffer:
        line = raw.decode("utf-8", "replace").strip().removeprefix("\ufeff")
        if line != "":
            yield line

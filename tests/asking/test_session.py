# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Several questions in a row: piped in line by line, and typed in a real pseudo-terminal."""

import json
import os
import pty
import select
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.asking.conftest import RECITE
from tests.asking.conftest import Ask
from tests.asking.conftest import Shown
from tests.asking.conftest import says
from tests.asking.engines import ENDLESS

ONE, TWO = says("SELECT 1 AS one"), says("SELECT 2 AS two")
Piped = Callable[..., Shown]
ENDLESS_SQL = says("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c")


class Stdin:
    """Lines that are piped in, made when they are read."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.buffer = iter(lines)

    def isatty(self) -> bool:
        return False


@pytest.fixture
def piped(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> Piped:
    """`ask` without a question, `given=` being the lines of stdin."""

    def run(*flags: str, given: Iterable[bytes], script: list[str]) -> Shown:
        monkeypatch.setattr(sys, "stdin", Stdin(given))
        return ask(*flags, script=script)

    return run


def test_piped_lines_are_questions_and_each_answer_is_one_json_object(piped: Piped) -> None:
    shown = piped("--json", given=[b"first?\n", b"\n", b"  second? \r\n", b"th\xff"], script=[ONE, TWO])
    found = [json.loads(line) for line in shown.out.splitlines()]
    assert [one["question"] for one in found] == ["first?", "second?", "th\ufffd"]
    assert [one["rows"] for one in found] == [[[1]], [[2]], [[1]]]
    assert shown.code == 0


def test_one_question_without_a_result_makes_the_status_1_and_the_rest_is_answered(piped: Piped) -> None:
    shown = piped("--json", given=[b"a\n", b"b\n", b"c\n"], script=[ONE, says("DROP TABLE singer"), TWO])
    assert [json.loads(line)["status"] for line in shown.out.splitlines()] == ["ok", "denied", "ok"]
    assert shown.code == 1


def test_piped_questions_stand_above_their_answers(piped: Piped) -> None:
    shown = piped(given=[b"first\x1b[2J?\n", b"second?\n"], script=[ONE, TWO])
    assert [line for line in shown.out.splitlines() if line.startswith(">")] == ["> first\\x1b[2J?", "> second?"]


def test_commands_work_in_a_file_too(piped: Piped) -> None:
    shown = piped(given=[b"q", b".sql", b".schema stadium", b".vote 3", b".json", b"q", b".quit", b"q"], script=[ONE])
    assert shown.out.count("SELECT 1 AS one\n") == 2
    assert "CREATE TABLE stadium (" in shown.out and "CREATE TABLE singer" not in shown.out
    assert json.loads(shown.out.splitlines()[-1])["votes"]["agreed"] == 3
    assert shown.code == 0


@pytest.mark.parametrize("line", [".nonsense", ".vote none", ".vote 0", ".schema absent", ".json x"])
def test_a_command_that_makes_no_sense_is_told_and_ends_nothing(piped: Piped, line: str) -> None:
    shown = piped("--json", given=[line.encode(), b"q"], script=[ONE])
    assert shown.code == 1 and len(shown.out.splitlines()) == 1
    assert line.split()[-1] in shown.err


def test_a_changed_database_is_read_anew_within_a_session(piped: Piped, concert_db: Path) -> None:
    def given() -> Iterator[bytes]:
        yield b".schema late\n"
        yield b"q\n"
        with closing(sqlite3.connect(concert_db)) as writer:
            writer.executescript("CREATE TABLE late (x); INSERT INTO late VALUES (7)")
        yield b".schema late\n"
        yield b"q\n"

    shown = piped(given=given(), script=[says("SELECT x FROM late")])
    assert "No table 'late'" in shown.err and "no such table: late" in shown.out
    assert "CREATE TABLE late" in shown.out and shown.out.rstrip().endswith("| 7 |\n1 row")


class Terminal:
    """A command in a pseudo-terminal of 80 columns."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self.screen = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            code = "import sys; from arctic_text2sql_r1.cli import main; sys.exit(main(sys.argv[1:]))"
            os.execve(sys.executable, [sys.executable, "-c", code, *arguments], {**os.environ, **environment})

    def wait_for(self, text: str, limit_s: float = 40.0) -> bytes:
        """Read until `text` comes; what came up to it, which later calls do not see again."""
        end = time.monotonic() + limit_s
        while text.encode() not in self.screen:
            assert time.monotonic() < end, f"no {text!r} in {self.screen!r}"
            if len(select.select([self._fd], [], [], 0.1)[0]) > 0:
                self.screen += os.read(self._fd, 65536)
        before, found, self.screen = self.screen.partition(text.encode())
        return before + found

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def end(self) -> int:
        """Its exit status, once it has ended."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if len(select.select([self._fd], [], [], 0.1)[0]) > 0:
                try:
                    os.read(self._fd, 65536)
                except OSError:  # what reading gives once the other side is gone
                    break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(voice: Path, concert_db: Path, tmp_path: Path) -> Iterator[Callable[[list[str]], Terminal]]:
    opened: list[Terminal] = []

    def start(script: list[str]) -> Terminal:
        flags = ["ask", "--model", str(voice), "--db", str(concert_db), "--engine", RECITE, "--timeout-s", "60"]
        environment = dict(SCRIPT=json.dumps(script), TERM="xterm-256color", XDG_CACHE_HOME=str(tmp_path))
        opened.append(Terminal(flags, environment))
        return opened[-1]

    yield start
    for one in opened:
        try:
            os.kill(one.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


@pytest.mark.slow
def test_ctrl_c_breaks_off_model_and_sql_and_ctrl_d_ends_the_session(
    terminal: Callable[[list[str]], Terminal],
) -> None:
    session = terminal([ENDLESS, ENDLESS_SQL, ONE, says("DROP TABLE singer")])
    session.wait_for("concert> ")
    for stage in ("writing SQL", "running SQL"):
        session.type("How many?\r")
        session.wait_for(stage)
        time.sleep(0.5)
        session.type("\x03\x03\x03")
        session.wait_for("broken off", limit_s=5)
        session.wait_for("concert> ", limit_s=5)
    time.sleep(0.5)  # Python's own line editor may sleep through a signal that comes before it waits for keys
    session.type("half a question\x03")
    session.wait_for("concert> ", limit_s=5)
    session.type("One?\r")
    assert b"\x1b[1;49mSELECT" in session.wait_for("1 row, ")
    session.wait_for("concert> ")
    session.type("\x1b[A\r")  # the line before once more, from the history
    session.wait_for("Refused")
    session.wait_for("concert> ")
    session.type("\x04")
    assert session.end() == 0

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A rank that ends in disorder is named with its cause; one that ends in order is not. Ranks are processes here."""

import subprocess
import sys

import pytest

LAST_WORDS = "from arctic_text2sql_r1.monitor.last_words import LastWords\nwords = LastWords(3)\n"


def stderr_of(ending: str) -> list[str]:
    """What a process with last words says when it ends so."""
    done = subprocess.run([sys.executable, "-c", LAST_WORDS + ending], capture_output=True, text=True, timeout=60)
    return done.stderr.splitlines()


@pytest.mark.parametrize("ending", ["import os; os.kill(os.getpid(), 9)", "import os; os._exit(0)"])
def test_rank_that_cannot_speak_is_named_by_its_witness(ending: str) -> None:
    (line,) = stderr_of(ending)
    assert line.startswith("[rank 3] died without a word: killed by a signal")


def test_exception_is_named_in_one_line_after_its_traceback() -> None:
    lines = stderr_of("raise ValueError('first\\nsecond')")
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "[rank 3] died of ValueError: first second"


@pytest.mark.parametrize("ending", ["", "raise SystemExit(2)", "words.close(); import os; os._exit(1)"])
def test_orderly_end_is_silent(ending: str) -> None:
    assert stderr_of(ending) == []

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A model that says what a test wants it to, asked through the real command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import NamedTuple

import pytest

from arctic_text2sql_r1.cli import main
from tests.evaluation.conftest import character_tokenizer

RECITE = "tests.asking.engines:recite"


def says(sql: str, thought: str = "so") -> str:
    return f"<think>{thought}</think><answer>{sql}</answer>"


class Shown(NamedTuple):
    """What a command left: its exit status and both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder without weights: a tokenizer, and what tells that it is a model."""
    folder = tmp_path_factory.mktemp("voice")
    character_tokenizer().save_pretrained(folder)
    (folder / "config.json").write_text("{}")
    return folder


Ask = Callable[..., Shown]


@pytest.fixture
def ask(
    voice: Path, concert_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Ask:
    """`ask(FLAGS..., script=[...])`: the command over the concert database, the script's completions in turn."""

    def run(*flags: str, script: list[str], db: Path | str = concert_db, model: Path = voice) -> Shown:
        monkeypatch.setenv("SCRIPT", json.dumps(script))
        capsys.readouterr()
        how = ["--model", str(model), "--db", str(db), "--engine", RECITE, "--cache-dir", str(tmp_path / "cache")]
        code = main(["ask", *how, *flags])
        return Shown(code, *capsys.readouterr())

    return run

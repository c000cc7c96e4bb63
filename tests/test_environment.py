# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`.env`: found where it belongs, never stronger than the environment, never told."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from arctic_text2sql_r1.environment import load_env_file

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)


def load(content: str, folder: Path) -> None:
    (folder / ".env").write_text(content)
    load_env_file()


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("T2S=plain", "plain"),
        ("export T2S='single # quoted'", "single # quoted"),
        ('T2S = "double"  # comment', "double"),
        ("T2S=a$HOME${HOME}", "a$HOME${HOME}"),
        ("\ufeffT2S=mark", "mark"),
    ],
)
def test_values_are_read(line: str, value: str, tmp_path: Path) -> None:
    load(f"# comment\n\n{line}\n" if line[0] != "\ufeff" else line, tmp_path)
    assert os.environ["T2S"] == value


def test_what_is_set_stays_and_an_empty_value_sets_nothing(tmp_path: Path) -> None:
    os.environ["T2S_SET"] = "mine"
    load("T2S_SET=other\nT2S_EMPTY=\n", tmp_path)
    assert os.environ["T2S_SET"] == "mine"
    assert "T2S_EMPTY" not in os.environ


def test_file_is_looked_for_up_to_the_repositorys_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "repository"
    (repository / "projects" / "one").mkdir(parents=True)
    (repository / ".git").mkdir()
    (tmp_path / ".env").write_text("T2S=outside\n")
    monkeypatch.chdir(repository / "projects" / "one")
    load_env_file()
    assert "T2S" not in os.environ
    load("T2S=root\n", repository)
    assert os.environ["T2S"] == "root"


def test_outside_a_repository_only_the_current_folder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / ".env").write_text("T2S=above\n")
    monkeypatch.chdir(tmp_path / "below")
    load_env_file()
    assert "T2S" not in os.environ


@pytest.mark.parametrize("bad", ["hf_secret", "HF_TOKEN: hf_secret x", "T='hf_secret", "=hf_secret"])
def test_bad_line_is_told_by_number_and_never_echoed(
    bad: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(f"T2S_A=1\n{bad}\nT2S_B=2\n", tmp_path)
    told = capsys.readouterr()
    assert "note: line 2 of" in told.err and "hf_secret" not in told.out + told.err
    assert os.environ["T2S_A"] == "1"


def test_example_names_each_variable_once_and_sets_none() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if re.fullmatch(r"[A-Z_]+=", line)] == ["HF_TOKEN=", "WANDB_API_KEY="]
    assert not [line for line in lines if not line.startswith("#") and re.search("=.", line)]
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The Colab notebook: every cell runs in a real kernel, on a CPU with a tiny model, and leaves what it promises.

What it installs is tried in `test_colab_requirements.py`.
"""

import ast
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.arctic.toy_project import PROJECT
from tests.arctic.toy_project import REPOSITORY

NOTEBOOK = PROJECT / "grpo_colab.ipynb"
ALARMING = re.compile(r"Traceback|\w*Warning\b|\bERROR\b")


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def run(notebook: Any, folder: Path) -> Any:
    from nbclient import NotebookClient

    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=dict(metadata=dict(path=folder))).execute()
    return notebook


def outputs(notebook: Any, cell_id: str) -> list[Any]:
    [cell] = [cell for cell in notebook.cells if cell.id == cell_id]
    return list(cell.outputs)


def text(outputs_of_a_cell: list[Any]) -> str:
    return "".join(o.get("text", "") + o.get("data", {}).get("text/plain", "") for o in outputs_of_a_cell)


@pytest.fixture
def tiny_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two small updates of whatever model the notebook takes without a GPU; the folder it writes to."""
    more = "micro_batch_size=4 num_samples_per_prompt=4 max_new_tokens=16 sql.workers=1"
    chosen = dict(MODEL="", OUTPUT=tmp_path / "out", MORE=more)
    chosen.update(UPDATES=2, TEST_QUESTIONS=6)
    for name, value in chosen.items():
        monkeypatch.setenv(f"TEXT2SQL_{name}", str(value))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    return tmp_path / "out"


@pytest.mark.slow
def test_every_cell_runs_and_running_all_again_continues(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(read(), tmp_path)
    told = {cell.id: text(cell.outputs) for cell in done.cells if cell.cell_type == "code"}
    assert {name: found[0] for name, said in told.items() if (found := ALARMING.findall(said))} == {}
    assert "computes in fp32" in told["plan"] and "step 2/2 | reward" in told["train"]
    assert [o.data["image/png"] != "" for o in outputs(done, "curves")] == [True]
    assert "execution accuracy" in told["compare"].lower() and "p = " in told["compare"]
    comparison = json.loads((tiny_run / "comparison" / "comparison.json").read_text())
    assert (comparison["n"], comparison["trained"]["adapter"]["path"]) == (6, str(tiny_run / "run_1" / "last"))
    assert [o.data["text/html"].startswith("<pre>") for o in outputs(done, "ask")] == [True]
    saved = zipfile.ZipFile(tiny_run / "adapter.zip").namelist()
    assert {"adapter_model.safetensors", "tokenizer.json", "text2sql_r1.json"} <= set(saved)
    monkeypatch.setenv("TEXT2SQL_UPDATES", "3")
    again = read()
    again.cells = [cell for cell in again.cells if cell.id in ("settings", "install", "plan", "train")]
    resumed = text(outputs(run(again, tmp_path), "train"))
    assert "continuing after update 2" in resumed and "step 3/3 | reward" in resumed and "step 2/" not in resumed


def test_the_notebook_is_committed_without_outputs() -> None:
    notebook = read()
    nbformat.validate(notebook)
    kept = [cell.id for cell in notebook.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)]
    assert kept == []


def test_every_setting_of_the_form_can_be_set_by_a_variable() -> None:
    [source] = [cell.source for cell in read().cells if cell.id == "settings"]
    assigned = {
        target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert assigned == set(re.search(r'in \("([A-Z_ ]+)"\)', source)[1].split())  # type: ignore[index]

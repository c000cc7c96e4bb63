# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`push_to_hub` in a recipe: refused before training where it cannot work, never a reason to lose a run behind it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from tests.arctic.toy_project import ToyRun
from tests.arctic.toy_project import few_questions
from tests.arctic.toy_project import run_checkpoint
from tests.publishing.hub_server import TOKEN
from tests.publishing.hub_server import Fault
from tests.publishing.hub_server import HubServer


def checkpoint_config(**keys: Any) -> Any:
    from arctic_text2sql_r1.arctic.checkpoint import RunCheckpointConfig

    return RunCheckpointConfig(type="run", output_dir="out", **keys)


@pytest.mark.parametrize(
    ("repo", "token", "offline", "told"),
    [
        ("ada/model", None, False, "there is no token for the hub. Set HF_TOKEN"),
        ("ada/model", TOKEN, True, "offline mode is on"),
        ("model", TOKEN, False, "Expected USER/NAME"),
    ],
)
def test_upload_that_cannot_begin_is_told_before_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repo: str, token: str | None, offline: bool, told: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ValueError, match=told):
        checkpoint_config(push_to_hub=repo)


def test_best_step_is_uploaded_before_last_and_merged_only_when_asked(tmp_path: Path) -> None:
    from arctic_text2sql_r1.run_folders import RunFolder
    from arctic_text2sql_r1.training.publishing import push_commands

    for name in ("step_000002", "step_000004"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_config.json").write_text("{}")
    (tmp_path / "last").symlink_to("step_000004")
    config = checkpoint_config(push_merged=True, push_private=True)
    config.push_to_hub = "ada/model"
    last = [str(tmp_path / "step_000004"), str(tmp_path / "merged_step_000004")]
    assert push_commands(config, RunFolder(tmp_path)) == [
        ["push", last[0], "ada/model", "--private"],
        ["export", "--adapter", last[0], "--out", last[1]],
        ["push", last[1], "ada/model-merged", "--private"],
    ]
    (tmp_path / "best").symlink_to("step_000002")
    config.push_merged = False
    assert push_commands(config, RunFolder(tmp_path)) == [
        ["push", str(tmp_path / "step_000002"), "ada/model", "--private"]
    ]


def test_upload_that_fails_prints_what_would_do_it_later(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from arctic_text2sql_r1.training.publishing import upload_all

    upload_all([["push", str(tmp_path / "no"), "ada/a"], ["push", "x y", "ada/b"]])
    told = capfd.readouterr()
    assert "error: No folder" in told.err
    assert f"To do it later:\n    text2sql-r1 push {tmp_path}/no ada/a\n    text2sql-r1 push 'x y' ada/b\n" in told.out


@pytest.mark.slow
def test_recipe_uploads_its_run(
    toy_recipe: dict[str, Any],
    run_recipe: Callable[..., ToyRun],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    toy_recipe["checkpoint"] = run_checkpoint(tmp_path / "runs", save_end_of_training=True, push_to_hub="ada/toy")
    toy_recipe["rewards"] = ["toy_rewards:share_of_letter_e"]
    toy_recipe["data"]["sources"] = [few_questions(tmp_path, 16)]
    with HubServer() as hub:
        hub.faults = [Fault("ada/toy/preupload", 503)]
        for name, value in dict(HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0", HF_TOKEN=TOKEN).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        run = run_recipe(toy_recipe)
    assert run.code == 0, run.output[-3000:]
    assert "ada/toy" in hub.repositories, run.output[-3000:]
    files = hub.repositories["ada/toy"].files
    step = tmp_path / "runs" / "run_1" / "step_000002"
    assert files["adapter_model.safetensors"] == (step / "adapter_model.safetensors").read_bytes()
    card = ModelCard(files["README.md"].decode()).text
    reward = json.loads((step / "text2sql_r1.json").read_text())["training"]["reward_mean"]
    assert reward == run.metrics[-1]["reward_mean"]
    for told in ("| 2 of 2 scheduled |", "8 prompts x 4", f"{reward:.3f} at step 2", "Trained on 16 questions"):
        assert told in card
    assert str(tmp_path) not in b"".join(files.values()).decode(errors="replace")
    assert TOKEN not in run.output

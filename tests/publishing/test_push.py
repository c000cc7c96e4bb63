# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`text2sql-r1 push` as users call it: what belongs arrives, nothing of this machine does, and never the token."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from arctic_text2sql_r1.adapters import adapter_sha256
from arctic_text2sql_r1.cli import main
from arctic_text2sql_r1.publishing.bundle import _without_named_paths
from arctic_text2sql_r1.publishing.export import ExportOptions
from arctic_text2sql_r1.publishing.export import export
from tests.publishing.hub_server import TOKEN
from tests.publishing.hub_server import Fault
from tests.publishing.hub_server import HubServer

pytestmark = pytest.mark.slow


def test_step_arrives_with_its_card_and_without_what_stays_here(
    step: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(step.parent / "last"), "ada/model"]) == 0
    files = hub.repositories["ada/model"].files
    assert set(files) >= {"README.md", "adapter_config.json", "adapter_model.safetensors", "text2sql_r1.json"}
    assert not [name for name in files if name.startswith(("resume", "optimizer", ".env", "manifest"))]
    assert files["adapter_model.safetensors"] == (step / "adapter_model.safetensors").read_bytes()
    assert 'MODEL = "ada/model"' in files["README.md"].decode()
    told = capsys.readouterr()
    assert told.out.startswith(f"{hub.url}/ada/model: ") and "commit" in told.out
    assert "the base model 'base' is a folder of yours" in told.err
    assert hub.repositories["ada/model"].commits[0]["summary"] == "Upload adapter after update 20"


def test_no_path_of_this_machine_and_no_token_arrives(
    step: Path, base_model: Path, hub: HubServer, tmp_path: Path
) -> None:
    main(["push", str(step), "ada/model"])
    sent = b"".join(hub.repositories["ada/model"].files.values())
    assert not [path for path in (tmp_path, base_model.parent, "/somewhere") if str(path).encode() in sent]
    assert "metrics_log" not in json.loads(hub.repositories["ada/model"].files["text2sql_r1.json"])
    assert TOKEN.encode() not in sent


def test_exported_folder_keeps_the_card_that_its_author_edited(step: Path, hub: HubServer, tmp_path: Path) -> None:
    export(ExportOptions(step, tmp_path / "out"))
    card = tmp_path / "out" / "README.md"
    card.write_text(card.read_text() + "\nWritten by hand.\n")
    assert main(["push", str(tmp_path / "out"), "ada/merged", "--commit-message", "First"]) == 0
    sent = hub.repositories["ada/merged"].files
    assert sent["README.md"].decode().endswith("Written by hand.\n")
    assert 'MODEL = "ada/merged"' in sent["README.md"].decode()
    assert sent["model.safetensors"] == (tmp_path / "out" / "model.safetensors").read_bytes()
    assert hub.repositories["ada/merged"].commits[0]["summary"] == "First"


def test_same_command_again_has_nothing_to_do(step: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["push", str(step), "ada/model"]
    assert main(command) == 0
    capsys.readouterr()
    assert main(command) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert len(hub.repositories["ada/model"].commits) == 1


def test_dry_run_tells_all_and_asks_nothing(step: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(step), "ada/model", "--dry-run", "--private"]) == 0
    told = capsys.readouterr().out
    for text in ("nothing is sent", f"ada/model at {hub.url} (private", "token  found", "adapter_model.safetensors"):
        assert text in told
    assert "stays here: .env, optimizer.pt, resume/" in told
    assert TOKEN not in told
    assert hub.log == []


def test_folder_that_is_not_whole_is_not_sent(
    step: Path, hub: HubServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    half = step.rename(step.with_name("step_000020.incomplete"))
    for folder, told in (
        (tmp_path / "empty", "holds no model"),
        (tmp_path / "no", "No folder"),
        (half, "not a whole"),
    ):
        assert main(["push", str(folder), "ada/model"]) == 1
        assert told in capsys.readouterr().err
    assert hub.log == []


def test_model_whose_index_names_a_missing_file_is_not_sent(
    step: Path, hub: HubServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    export(ExportOptions(step, tmp_path / "out"))
    index = dict(weight_map=dict(a="model.safetensors", b="model-00002.safetensors"))
    (tmp_path / "out" / "model.safetensors.index.json").write_text(json.dumps(index))
    assert main(["push", str(tmp_path / "out"), "ada/model"]) == 1
    assert "lacks 1 of 2 weight files, first 'model-00002.safetensors'" in capsys.readouterr().err


def test_weights_that_were_altered_after_export_are_not_sent(
    step: Path, hub: HubServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    export(ExportOptions(step, tmp_path / "out", adapter_only=True))
    weights = tmp_path / "out" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert main(["push", str(tmp_path / "out"), "ada/model"]) == 1
    assert "is damaged: 'adapter_model.safetensors' has" in capsys.readouterr().err
    assert hub.log == []


def test_card_of_a_step_quotes_the_evaluation_beside_its_run(
    step: Path, hub: HubServer, evaluation_of: object
) -> None:
    assert callable(evaluation_of)
    (step.parent.parent / "comparison.json").write_text(json.dumps(evaluation_of(adapter_sha256(step))))
    main(["push", str(step), "ada/model"])
    (result,) = ModelCard(hub.repositories["ada/model"].files["README.md"].decode()).data.eval_results
    assert result.metric_value == 0.75


@pytest.mark.slow
def test_command_in_a_process_of_its_own_reads_env_and_never_tells_the_token(step: Path, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    here = tmp_path / "project" / "below"
    here.mkdir(parents=True)
    with HubServer() as hub:
        hub.faults = [Fault("preupload", 503), Fault("/commit/")]
        (tmp_path / ".env").write_text(f"HF_TOKEN={TOKEN}\nHF_ENDPOINT='{hub.url}'\nno assignment {TOKEN}\n")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment = dict(kept, HF_HOME=str(tmp_path / "home"), PYTHONPATH=os.getcwd())
        command = [sys.executable, "-m", "arctic_text2sql_r1.cli", "push", str(step), "ada/model"]
        ended = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, ended.stderr
        assert "adapter_model.safetensors" in hub.repositories["ada/model"].files
    assert "note: line 3 of" in ended.stderr and "trying again in" in ended.stderr
    assert TOKEN not in ended.stdout + ended.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".env"]
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


def test_user_and_password_of_the_hubs_address_are_not_told(
    step: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://ada:secret@hub.example:9/x")
    assert main(["push", str(step), "ada/model", "--dry-run"]) == 0
    told = capsys.readouterr()
    assert "at http://hub.example:9/x " in told.out
    assert "secret" not in told.out + told.err


def test_paths_in_sections_of_a_configuration_are_cut_to_names() -> None:
    content = dict(_name_or_path="/data/a", text_config=dict(_name_or_path="/data/secret/base", layers=2))
    public = dict(_name_or_path="a", text_config=dict(_name_or_path="base", layers=2))
    assert _without_named_paths(content) == public

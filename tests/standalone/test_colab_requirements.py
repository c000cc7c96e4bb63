# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""requirements-colab.txt: the tested versions, no framework, and enough to train in an environment of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from tests.arctic.toy_project import PROJECT
from tests.arctic.toy_project import REPOSITORY
from tests.fresh_debian import pip_settings
from tests.fresh_debian import write_uv_settings

REQUIREMENTS = PROJECT / "requirements-colab.txt"


def listed(path: Path) -> dict[str, str]:
    """Distribution name -> specifier of a requirements file."""
    lines = (line.partition(";")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    requirements = [Requirement(line) for line in lines if line != "" and not line.startswith(("#", "-"))]
    return {requirement.name: str(requirement.specifier) for requirement in requirements}


def test_every_pin_is_the_tested_one_and_every_range_the_packages() -> None:
    constraints, ranges = listed(REPOSITORY / "constraints.txt"), listed(PROJECT / "requirements.txt")
    found = listed(REQUIREMENTS)
    assert {name: text for name, text in found.items() if text not in (constraints[name], ranges.get(name))} == {}


def test_the_list_is_the_packages_own_without_the_frameworks() -> None:
    left_out = {"arctic-training", "datasets", "deepspeed", "ninja", "torch"}
    beside = {"accelerate", "bitsandbytes"}  # device placement in transformers, NF4
    assert set(listed(REQUIREMENTS)) == set(listed(PROJECT / "requirements.txt")) - left_out | beside


def index_variables(folder: Path) -> dict[str, str]:
    """Variables for uv that stand for pip's configuration of this machine; a settings file goes into `folder`."""
    settings = pip_settings()
    write_uv_settings(settings, folder / "uv.toml")
    default = dict(UV_DEFAULT_INDEX=settings["index-url"][0]) if "index-url" in settings else {}
    return dict(default, UV_CONFIG_FILE=str(folder / "uv.toml"))


@pytest.mark.slow
def test_the_list_suffices_in_a_fresh_environment(toy_recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe, python = tmp_path / "recipe.yaml", tmp_path / "env" / "bin" / "python"
    recipe.write_text(yaml.safe_dump({**toy_recipe, "exit_iteration": 1}))
    variables = dict(os.environ, **index_variables(tmp_path), UV_PYTHON_DOWNLOADS="never")
    variables.pop("PYTHONPATH", None)

    def uv(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "uv", "--quiet", *map(str, arguments)]
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=400)

    torch = f"torch{listed(REPOSITORY / 'constraints.txt')['torch']}"
    assert uv("venv", "--python", sys.executable, tmp_path / "env").returncode == 0
    installed = uv("pip", "install", "--python", python, "-r", REQUIREMENTS, torch)
    if installed.returncode != 0 and "error sending request" in installed.stderr:
        pytest.skip("no package index can be reached")
    assert installed.returncode == 0, installed.stderr
    assert uv("pip", "install", "--python", python, "--no-deps", "-e", REPOSITORY).returncode == 0
    trained = subprocess.run(
        [python, "-m", "arctic_text2sql_r1.standalone", "recipe.yaml"],
        **dict(cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=200),
    )
    assert trained.returncode == 0 and "step 1/1 | reward" in trained.stdout, trained.stdout + trained.stderr

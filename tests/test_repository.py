# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What holds for the repository as a whole: licence headers, no machine paths, pins that agree with each other.

Files are found by walking the folder, because a clone may come without git.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Copyright 2026 The arctic-text2sql-r1 authors\n# SPDX-License-Identifier: Apache-2.0\n"
MADE_HERE = {".hypothesis", ".git", ".venv", ".cache", "runs", "wandb", "build", "dist", "__pycache__"}
TEXT_SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".json", ".jsonl", ".ipynb", ".sh", ".cfg", ""}
# Built from pieces so that this file does not contain what it forbids.
MACHINE_PATH = re.compile("(?<![\\w.~])/(?:" + "|".join(["home/", "Users/", "root/", "work/", "opt/"]) + r")\w")
PROJECT = ROOT / "projects" / "arctic_text2sql_r1"


def repository_files() -> Iterator[Path]:
    for folder, names, files in os.walk(ROOT):
        names[:] = [n for n in names if n not in MADE_HERE and not n.endswith((".egg-info", "_cache"))]
        yield from (Path(folder) / name for name in files)


def pins() -> dict[str, str]:
    """Distribution name -> exact version, from constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return {canonicalize_name(r.name): str(r.specifier) for r in requirements}


def declared(section: str) -> list[Requirement]:
    tomllib = pytest.importorskip("tomllib", reason="reading pyproject.toml needs Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] if section == "dependencies" else project["optional-dependencies"][section]
    requirements = [Requirement(line) for line in lines]
    return [requirement for requirement in requirements if requirement.name != project["name"]]  # an extra of our own


def test_every_python_file_opens_with_the_licence_header() -> None:
    python = [path for path in repository_files() if path.suffix == ".py"]
    bare = [str(p.relative_to(ROOT)) for p in python if not p.read_text(encoding="utf-8").startswith(HEADER)]
    assert bare == []


def test_no_text_file_names_a_path_of_somebodys_machine() -> None:
    found = []
    for path in repository_files():
        if path.suffix in TEXT_SUFFIXES and MACHINE_PATH.search(path.read_text(encoding="utf-8", errors="replace")):
            found.append(str(path.relative_to(ROOT)))
    assert found == []


def test_a_machine_path_is_recognised_and_a_relative_one_is_not() -> None:
    assert MACHINE_PATH.search("model: " + "/home" + "/ada/qwen")
    assert not MACHINE_PATH.search("data: ../data/spider, https://example.org/home/page, ~/opt/x")


def test_torch_is_pinned_exactly_and_without_a_build_suffix() -> None:
    assert pins()["torch"] == "==2.13.0"


def test_constraints_hold_exact_versions_and_nothing_else() -> None:
    loose = {name: version for name, version in pins().items() if not re.fullmatch(r"==[\w.]+", version)}
    assert loose == {}


@pytest.mark.parametrize("section", ["dependencies", "quantized", "dev"])
def test_every_declared_dependency_is_pinned_inside_its_range(section: str) -> None:
    pinned = pins()
    for requirement in declared(section):
        version = pinned[canonicalize_name(requirement.name)].removeprefix("==")
        assert requirement.specifier.contains(version), requirement


def test_project_requirements_repeat_the_packages_dependencies() -> None:
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    repeated = {str(Requirement(line)) for line in lines if line.strip() and not line.startswith(("#", "-"))}
    assert repeated == {str(requirement) for requirement in declared("dependencies")}


def test_the_plugin_file_of_the_project_imports_the_package_and_reads_env_and_defines_nothing() -> None:
    lines = (PROJECT / "train.py").read_text(encoding="utf-8").split('"""')[2].split("\n")
    assert [line for line in lines if line != ""] == [
        "import arctic_text2sql_r1.arctic  # noqa: F401",
        "from arctic_text2sql_r1.environment import load_env_file",
        "load_env_file()",
    ]

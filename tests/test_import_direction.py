# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Imports run one way only, and preparing data or paying rewards never loads torch.

The package is read as source (`ast`), so imports inside functions and under TYPE_CHECKING count as well. A *room* is
a subpackage or a module directly below the package. Where a new room belongs is decided here, in ROOMS.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "arctic_text2sql_r1"
ROOT = Path(__file__).resolve().parent.parent / PACKAGE
FOUNDATION = {"types", "errors", "registry"}
MATHS = {"advantages", "kl", "importance", "losses", "logprobs", "batch"}
MODELS = {"adapters", "quantized", "run_folders"}
ROOMS_OF_A_RUN = {"rollout", "rewards", "data", "evaluation", "monitor", "prompts", "databases"}
TRAINING = ROOMS_OF_A_RUN | {"lora", "packed"} | MODELS | MATHS

# room -> rooms it may import, besides the foundation. What is missing here may not exist.
ROOMS: dict[str, set[str]] = {
    "types": set(),
    "errors": set(),
    "registry": set(),
    "run_folders": set(),
    "prompts": set(),
    "databases": set(),
    "advantages": set(),
    "kl": set(),
    "importance": {"kl"},
    "losses": {"advantages", "kl", "importance"},  # a preset is a row of advantage x ratio level x clip x aggregation
    "logprobs": set(),
    "batch": set(),
    "attention": set(),
    "lora": set(),
    "packed": {"attention", "batch", "logprobs"},
    "rollout": {"attention", "lora"},
    "adapters": set(),
    "quantized": set(),
    "data": {"databases", "prompts"},
    "rewards": {"databases", "prompts"},
    "evaluation": {"rollout", "prompts", "databases", "data", "adapters", "quantized", "run_folders"},
    "asking": {"environment", "rollout", "prompts", "databases", "data", "evaluation"},
    "monitor": {"rollout", "prompts", "databases", "data", "evaluation"},
    "scoring": {"rewards", "prompts", "databases", "data"},
    "environment": set(),
    "publishing": {"environment", "evaluation", "monitor", "data", "prompts"} | MODELS,
    "training": TRAINING | {"publishing"},
    "arctic": TRAINING | {"training"},
    "standalone": TRAINING | {"training", "environment"},
    "cli": TRAINING | {"training", "arctic", "standalone", "scoring", "publishing", "environment", "asking"},
}
HOST = {"arctic_training", "deepspeed"}
HEAVY = {"torch", "transformers", "peft", "bitsandbytes", "datasets", "vllm", "matplotlib"} | HOST
TORCH_FREE = ("prompts", "databases", "rewards", "data")


class Import(NamedTuple):
    """One imported module: who imports it, on which line, its dotted name, and whether at the module's top level."""

    path: Path
    line: int
    target: str
    at_top: bool

    @property
    def room(self) -> str:
        """The room that imports; '' for the package's own __init__.py."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return "" if parts == ("__init__",) else parts[0]

    @property
    def target_room(self) -> str | None:
        """The room that is imported, None for a module of another package, '' for the package itself."""
        head, _, tail = self.target.partition(".")
        return tail.partition(".")[0] if head == PACKAGE else None

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT.parent)}:{self.line} imports {self.target}"


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of one file. `from arctic_text2sql_r1 import x` names the room x."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    inside = {id(node) for scope in ast.walk(tree) if isinstance(scope, _FUNCTIONS) for node in ast.walk(scope)}
    for node in ast.walk(tree):
        for target in _targets(node, path):
            yield Import(path=path, line=node.lineno, target=target, at_top=id(node) not in inside)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _targets(node: ast.AST, path: Path) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    module = node.module or ""
    if node.level > 0:
        parents = path.relative_to(ROOT.parent).parts[: -node.level]
        module = ".".join([*parents, *filter(None, [module])])
    return [f"{module}.{alias.name}" for alias in node.names] if module == PACKAGE else [module]


def all_imports() -> list[Import]:
    return [found for path in sorted(ROOT.rglob("*.py")) for found in imports_of(path)]


IMPORTS = all_imports()


def listed(offences: list[Import]) -> str:
    return "\n".join(str(offence) for offence in offences)


def test_every_room_of_the_package_has_a_row_in_the_table() -> None:
    rooms = {path.stem for path in ROOT.glob("*.py")} - {"__init__"}
    rooms |= {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert rooms - set(ROOMS) == set(), "say in ROOMS what the new module may import"


def test_the_table_itself_has_no_cycle() -> None:
    graph = {room: allowed if room in FOUNDATION else allowed | FOUNDATION for room, allowed in ROOMS.items()}
    assert set(TopologicalSorter(graph).static_order()) == set(ROOMS)  # raises CycleError on a cycle


def test_rooms_import_only_what_the_table_allows() -> None:
    own = [found for found in IMPORTS if found.target_room not in (None, found.room)]
    offences = [found for found in own if found.target_room not in ROOMS.get(found.room, set()) | FOUNDATION]
    assert offences == [], listed(offences)


def test_the_maths_imports_torch_and_the_standard_library_only() -> None:
    theirs = [found for found in IMPORTS if found.room in MATHS and found.target_room is None]
    offences = [found for found in theirs if found.target.partition(".")[0] not in sys.stdlib_module_names | {"torch"}]
    assert offences == [], listed(offences)


def test_only_the_plugin_imports_arctic_training_or_deepspeed() -> None:
    hosted = [found for found in IMPORTS if found.target.partition(".")[0] in HOST]
    offences = [found for found in hosted if found.room != "arctic"]
    assert offences == [], listed(offences)


def test_torch_free_rooms_have_no_heavy_import_at_module_top() -> None:
    top = [found for found in IMPORTS if found.room in TORCH_FREE and found.at_top]
    offences = [found for found in top if found.target.partition(".")[0] in HEAVY]
    assert offences == [], listed(offences)


@pytest.mark.parametrize("room", TORCH_FREE)
def test_importing_every_module_of_a_torch_free_room_leaves_torch_unloaded(room: str) -> None:
    names = [f"{PACKAGE}.{room}.{path.stem}" for path in (ROOT / room).glob("*.py") if path.stem != "__init__"]
    code = f"import importlib, sys\nfor n in {names!r}: importlib.import_module(n)\nprint('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, timeout=60)
    assert (ended.stdout.strip(), ended.stderr) == ("False", "")


def test_relative_imports_are_resolved_to_their_room() -> None:
    node = ast.parse("from ..rollout import base").body[0]
    assert _targets(node, ROOT / "rewards" / "execution.py") == [f"{PACKAGE}.rollout"]

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""README.md and docs/ against the code: commands parse, metrics are the logged ones, files they name exist.

Commands are parsed by the real parsers here; `test_documented_commands.py` runs them.
"""

import argparse
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from arctic_text2sql_r1.cli import build_parser
from arctic_text2sql_r1.evaluation.options import EvaluationOptions
from arctic_text2sql_r1.evaluation.options import add_evaluation_flags
from arctic_text2sql_r1.losses import OBJECTIVES
from arctic_text2sql_r1.losses import Objective
from arctic_text2sql_r1.monitor.step_report import METRICS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = ("text2sql-r1", "python evaluate_models.py")
TREE_LINE = re.compile(r"(?P<indent>(?:│   |    )*)(?P<branch>[├└]── )?(?P<names>\S+(?: \S+)*)(?:  +(?P<text>.*))?")


def commands(markdown: str) -> list[str]:
    """Command lines of our programs, in blocks (continued lines joined) and in backticks; bare names are left out."""
    blocks = [re.sub(r"\\\n\s*", " ", block).splitlines() for block in FENCE.findall(markdown)]
    inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", FENCE.sub("", markdown))]
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block]
    lines += [code for code in inline if len(code.split()) > 2]
    return [line for line in lines if line.startswith(tuple(f"{program} " for program in PROGRAMS))]


def parse(command: str) -> argparse.Namespace:
    """The flags of one command line, from the parser that would read it."""
    if command.startswith("text2sql-r1 "):
        return build_parser().parse_args(shlex.split(command, comments=True)[1:])
    parser = argparse.ArgumentParser()
    add_evaluation_flags(parser)
    return parser.parse_args(shlex.split(command, comments=True)[2:])


def layout_files(markdown: str) -> Iterator[Path]:
    """Every file and folder in the tree below `## Layout`, and file names within its explanations."""
    tree = FENCE.findall(markdown.partition("\n## Layout\n")[2])[0]
    parents: list[Path] = []
    for line in tree.splitlines():
        found = TREE_LINE.fullmatch(line)
        assert found is not None, f"not a line of a tree: {line!r}"
        depth = len(found["indent"]) // 4 + (found["branch"] is not None)
        folder = parents[depth - 1] if depth > 0 else ROOT
        names = [folder / name for name in found["names"].split()]
        parents[depth:] = names[:1]
        yield from names
        yield from (names[0] / name for name in re.findall(r"\b[\w-]+\.(?:md|py|yaml|json)\b", found["text"] or ""))


def linked_files(markdown: str) -> list[str]:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", FENCE.sub("", markdown))
    return [target for target in targets if "://" not in target]


def test_commands_are_found_in_blocks_and_in_backticks() -> None:
    text = "```\ntext2sql-r1 score a \\\n    --out b\n```\n`text2sql-r1\ncheck-data c` by `text2sql-r1 evaluate`"
    assert commands(text) == ["text2sql-r1 score a  --out b", "text2sql-r1 check-data c"]


def test_documents_show_how_to_check_data_and_to_evaluate() -> None:
    shown = " ".join(commands(SHOWN))
    assert "text2sql-r1 check-data " in shown
    assert "python evaluate_models.py " in shown


@pytest.mark.parametrize("command", commands(SHOWN))
def test_documented_command_is_accepted_by_the_real_parser(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        flags = parse(command)
    except SystemExit:
        pytest.fail(f"the documents show `{command}`: {capsys.readouterr().err}")
    if hasattr(flags, "baseline"):
        EvaluationOptions.from_flags(flags)  # raises where flags contradict each other
    if hasattr(flags, "rejects"):
        assert flags.out.suffix == ".json", "check-data writes the kept rows as one JSON list"


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_explained(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*OBJECTIVES, *(cell.name for cell in fields(Objective) if cell.name != "source")])
def test_every_objective_and_every_cell_is_explained(name: str) -> None:
    section = (ROOT / "docs" / "objectives.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    assert any(f"`{name}`" in row for row in rows)


def test_every_file_of_the_readmes_layout_exists() -> None:
    named = list(layout_files(README))
    assert len(named) > 10
    assert [str(path.relative_to(ROOT)) for path in named if not path.exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_linked_to_exists(document: Path) -> None:
    links = linked_files(document.read_text(encoding="utf-8"))
    assert [target for target in links if not (document.parent / target.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_every_document_is_reached_from_the_readme(document: Path) -> None:
    assert f"docs/{document.name}" in linked_files(README)


def test_every_described_system_is_one_command_with_its_test() -> None:
    section = README.partition("## Five systems, one command each\n")[2].partition("\n## ")[0]
    rows = [
        line.split("|")[1:4] for line in section.splitlines() if line.startswith("| ") and "arctic_training" in line
    ]
    assert len(rows) == 5
    tests = (ROOT / "tests" / "arctic" / "test_seed_recipes.py").read_text(encoding="utf-8")
    for _, command, test in rows:
        recipes = re.findall(r"arctic_training (\S+\.yaml)", command)
        assert len(recipes) > 0
        assert all((ROOT / "projects" / "arctic_text2sql_r1" / recipe).is_file() for recipe in recipes)
        assert f"def {test.strip(' `')}(" in tests

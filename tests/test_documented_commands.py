# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Every command block of README.md and docs/, run as a new user would: in order, in a clone, by a shell.

A block of the kind `bash` runs in the clone's root; one whose first line is `# needs a GPU` is not run. What a reader
is told to bring (a database, questions about it, Spider, a reward) lies in the clone beforehand. `make demo` ends both
of its trainings after a few updates and finds the environment built; with `DOCUMENTED_IN_FULL=1`, which is what
`make test-docs` sets, it builds its own and takes its time. That flags shown anywhere exist is `test_readme.py`'s
affair.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.data.layouts import spider
from tests.test_repository import repository_files

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "projects" / "arctic_text2sql_r1" / "training_data"
IN_FULL = os.environ.get("DOCUMENTED_IN_FULL") == "1"
FENCE = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
NEEDS_GPU = "# needs a GPU"
# Their exit status is a finding, or a question without a result, and a short demo gives reason for both.
SAY_WHETHER = ("text2sql-r1 doctor ", "text2sql-r1 ask ")
SHORT_DEMO = 'make demo -o .venv/.installed -o .cache/torch_extensions/.compiled DEMO_FLAGS="--short"'


@dataclass(frozen=True)
class Block:
    """One command block and where it stands."""

    document: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [Block(document, text.count("\n", 0, found.start()) + 1, found[1]) for found in FENCE.finditer(text)]


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = [block for document in DOCUMENTS for block in blocks(document) if not block.text.startswith(NEEDS_GPU)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a reader clones, beside what can be cloned: this checkout as it is, committed or not."""
    folder = tmp_path_factory.mktemp("documented")
    published = folder / "published"
    for file in repository_files():
        copy = published / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    who = ("-c", "user.name=reader", "-c", "user.email=reader@example.org")
    for command in (("init", "-q"), ("add", "-A"), (*who, "commit", "-qm", "as it is")):
        subprocess.run(["git", *command], cwd=published, check=True)
    (folder / "imports").mkdir()
    (folder / "imports" / "arctic_text2sql_r1").symlink_to(folder / "arctic-text2sql-r1" / "arctic_text2sql_r1")
    return folder


def lend_environment(clone: Path) -> None:
    """This interpreter's environment and the compiled operators, so that nothing is installed or compiled again."""
    (clone / ".venv").symlink_to(sys.prefix)
    (clone / ".cache").mkdir()
    compiled = os.environ.get("TORCH_EXTENSIONS_DIR", str(ROOT / ".cache" / "torch_extensions"))
    (clone / ".cache" / "torch_extensions").symlink_to(compiled)


def bring_along(clone: Path) -> None:
    """What the documents tell a reader to have."""
    shutil.copy(DATA / "databases" / "shop" / "shop.sqlite", clone / "shop.db")
    shutil.copytree(DATA / "databases", clone / "my_databases")
    rows = json.loads((DATA / "rl.json").read_text())
    (clone / "my_questions.json").write_text(json.dumps([row for row in rows if row["db_id"] == "shop"][:10]))
    (clone / "more_questions.json").write_text(json.dumps(rows[:40]))
    (clone / "my_rewards.py").write_text(
        "from arctic_text2sql_r1.rewards.base import RewardOutput\n\n\n"
        "def score(record):\n    return RewardOutput(score=0.0, components={})\n"
    )
    spider(clone / "spider_data")


def shell(script: str, folder: Path, place: Path) -> "subprocess.CompletedProcess[str]":
    own = {} if IN_FULL else dict(PYTHONPATH=str(place / "imports"))
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "DS_ACCELERATOR", "DOCUMENTED_IN_FULL")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**environment, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=3600 if IN_FULL else 600,
    )


@pytest.mark.parametrize("block", RUN, ids=str)
def test_a_documented_block_runs_as_it_stands(block: Block, place: Path) -> None:
    clone = place / "arctic-text2sql-r1"
    if "git clone" in block.text:
        cloning, _, rest = block.text.partition("cd arctic-text2sql-r1\n")
        done = shell(cloning.replace("<this repository>", "published arctic-text2sql-r1"), place, place)
        assert done.returncode == 0, done.stdout
        bring_along(clone)
        if not IN_FULL:
            lend_environment(clone)
        script = rest if IN_FULL else rest.replace("make demo", SHORT_DEMO)
    else:
        script = f"source .venv/bin/activate\n{block.text}"
    done = shell(script, clone, place)
    allowed = {0, 1} if block.text.startswith(SAY_WHETHER) and not IN_FULL else {0}
    assert done.returncode in allowed, done.stdout[-4000:]
    assert re.search(r"^(Traceback|error: )", done.stdout, re.MULTILINE) is None


def test_a_block_that_is_not_run_says_why() -> None:
    bare = re.compile(r"^```(?:\w*)\n\s*(?:\$ )?(?:text2sql-r1|arctic_training|python|make|pip|docker) ", re.MULTILINE)
    texts = {path.name: FENCE.sub("", path.read_text(encoding="utf-8")) for path in DOCUMENTS}
    hidden = [name for name, text in texts.items() if bare.search(text) is not None]
    assert hidden == [], "commands in blocks that are not of the kind `bash`"

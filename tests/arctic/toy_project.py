# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What the plugin's tests share and is not a fixture: committed recipes, and the real command line around them."""

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from arctic_text2sql_r1.monitor.history import EVALUATION

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PROJECT = REPOSITORY / "projects" / "arctic_text2sql_r1"
TRAINING_DATA = PROJECT / "training_data"

TOY_REWARDS = '''
import os

from arctic_text2sql_r1.rewards.base import RewardOutput


def share_of_letter_e(record):
    """Pays for the letter e: something a random model can learn without knowing SQL."""
    text = record.completion.text
    return RewardOutput(score=text.count("e") / max(1, len(text)), components={})


def share_of_letter_e_on_rank_0(record):
    """The same, but rank 1 earns nothing: none of its groups teaches."""
    return share_of_letter_e(record) if os.environ["RANK"] == "0" else RewardOutput(score=0.0, components={})
'''


@dataclass(frozen=True)
class ToyRun:
    """What one `arctic_training` command left behind."""

    folder: Path
    output: str
    code: int
    port: str = ""

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of steps, without those of evaluations."""
        return [row for row in _json_lines(self.folder / "metrics.jsonl") if EVALUATION not in row]

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        return [row for row in _json_lines(self.folder / "metrics.jsonl") if EVALUATION in row]

    @property
    def rollouts(self) -> list[dict[str, Any]]:
        return _json_lines(self.folder / "rollouts.jsonl")


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def build_toy_model(folder: Path, hidden_size: int = 32) -> Path:
    """Writes a random Qwen2 whose completions end after a dozen tokens: a tenth of its vocabulary ends them."""
    sys.path.insert(0, str(PROJECT))
    import tiny_model
    import torch
    from transformers import AutoModelForCausalLM
    from transformers import GenerationConfig

    questions = json.loads((TRAINING_DATA / "rl.json").read_text())
    corpus = [text for row in questions[:400] for text in (row["question"], row["gold_sql"])]
    tiny_model.build_tiny_model(corpus, folder, seed=0, hidden_size=hidden_size, layers=2)
    # Embeddings of std 0.02 hold the logits near 0 whatever the layers do; a policy must be able to prefer something.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(8.0)
    model.save_pretrained(folder)
    generation = GenerationConfig.from_pretrained(folder)
    generation.eos_token_id = [*generation.eos_token_id, *range(500, 500 + tiny_model.VOCABULARY // 10)]
    generation.save_pretrained(folder)
    return folder


def load_recipe(name: str, folder: Path, data: Path | None = None) -> dict[str, Any]:
    """A committed recipe as a dictionary, its outputs redirected to `folder` and its paths made absolute.

    What `prepare` writes into `../../data` is expected in `data`, unset: in `folder`.
    """
    text = (PROJECT / name).read_text().replace("../../data", str(data or folder))
    text = re.sub(r"\.\./\.\./runs/[\w-]+", str(folder), text)
    recipe: dict[str, Any] = yaml.safe_load(text.replace("training_data/", f"{TRAINING_DATA}/"))
    recipe["code"] = str(PROJECT / "train.py")
    return recipe


def run_checkpoint(folder: Path, **keys: Any) -> list[dict[str, Any]]:
    """A recipe's `checkpoint:` section of `type: run`, which continues the newest run below `folder`."""
    return [{"type": "run", "output_dir": str(folder), "auto_resume": True, **keys}]


def few_questions(folder: Path, count: int) -> dict[str, Any]:
    """A data source of the first `count` training questions, in a file of its own."""
    path = folder / f"questions-{count}.json"
    path.write_text(json.dumps(json.loads((TRAINING_DATA / "rl.json").read_text())[:count]))
    return dict(type="text2sql", path=str(path), databases=str(TRAINING_DATA / "databases"))


def start_recipe(recipe: dict[str, Any], folder: Path, ranks: int = 1) -> "subprocess.Popen[str]":
    """Starts `arctic_training` on `recipe` in a process group of its own."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return subprocess.Popen(
        ["arctic_training", str(path), "--num_gpus", str(ranks), "--master_port", str(port)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # this checkout's package, whatever is installed
        env=dict(os.environ, DS_ACCELERATOR="cpu", PYTHONPATH=os.pathsep.join([str(folder), str(REPOSITORY)])),
    )

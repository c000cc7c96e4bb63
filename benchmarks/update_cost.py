# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""CPU seconds of one update by phase, as a function of group size, prompt length, completion length and ranks.

    python benchmarks/update_cost.py [--layers 4] [--width 256] [--updates 3] [--only NAME ...]

Runs the real `arctic_training` command on a random Qwen2 with LoRA (r 16), float32, one thread for each rank, KL
0.001, one update per rollout. One setting is changed at a time. The first update, which also warms caches, is left
out; of the others the cheapest counts. With two ranks each has half of the prompts, and what both spent is added up.
Completions end by chance about once in a thousand tokens. Their SQL does not parse: what executing costs is in
`reward_throughput.py`. One JSON line for each setting on stdout.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from arctic_text2sql_r1.rewards.base import RewardOutput
from arctic_text2sql_r1.rewards.base import RewardRecord

BENCHMARKS = Path(__file__).resolve().parent
REPOSITORY = BENCHMARKS.parent
PROJECT = REPOSITORY / "projects" / "arctic_text2sql_r1"


@dataclass(frozen=True)
class Setting:
    """Work of one update: `prompts` of `prompt` tokens in all, `samples` completions of `completion` tokens each."""

    prompts: int = 8
    samples: int = 8
    prompt: int = 256
    completion: int = 96
    ranks: int = 1


SETTINGS = {
    "base": Setting(),
    "G 4": Setting(samples=4),
    "G 16": Setting(samples=16),
    "prompt 64": Setting(prompt=64),
    "prompt 1,024": Setting(prompt=1024),
    "completion 48": Setting(completion=48),
    "completion 192": Setting(completion=192),
    "2 ranks": Setting(ranks=2),
}


def letters(record: RewardRecord) -> RewardOutput:
    """Pays for the letter e, so that groups of a random model have a spread to learn from."""
    return RewardOutput(score=float(record.completion.text.count("e")), components={})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON line for each setting."""
    parser = argparse.ArgumentParser(description="CPU seconds of one update, by phase.")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256, help="hidden size")
    parser.add_argument("--updates", type=int, default=3, help="at least 2")
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS), metavar="NAME")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        model = build_model(Path(scratch) / "model", options.layers, options.width)
        for number, name in enumerate(options.only):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            print(json.dumps(measure(name, model, folder, options)), flush=True)


def build_model(folder: Path, layers: int, width: int) -> Path:
    """A random model with the demo's tokenizer."""
    sys.path.insert(0, str(PROJECT))
    import tiny_model

    questions = json.loads((PROJECT / "training_data" / "rl.json").read_text())
    corpus = [text for row in questions[:400] for text in (row["question"], row["gold_sql"])]
    tiny_model.build_tiny_model(corpus, folder, seed=0, hidden_size=width, layers=layers)
    return folder


def measure(name: str, model: Path, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds by phase, added up over ranks."""
    setting = SETTINGS[name]
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe(setting, model, folder, options.updates)))
    environment = dict(os.environ, OMP_NUM_THREADS="1", PROMPT_TOKENS=str(setting.prompt))
    environment["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), str(BENCHMARKS)])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = ["arctic_training", "recipe.yaml", "--num_gpus", str(setting.ranks), "--master_port", port]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"Setting '{name}': arctic_training ended with {done.returncode}:\n{done.stderr[-3000:]}")
    ranks = [[json.loads(line) for line in path.read_text().splitlines()] for path in folder.glob("cpu-*.jsonl")]
    updates = [{key: sum(rank[key] for rank in shares) for key in shares[0]} for shares in zip(*ranks, strict=True)]
    best = min(updates[1:], key=lambda update: update["generate"] + update["train"])
    seconds = {phase: round(best[phase], 2) for phase in ("generate", "reward", "train")}
    return dict(result="update_cost", setting=name, **asdict(setting), cpu_s=seconds, tokens=best["tokens"])


def recipe(setting: Setting, model: Path, folder: Path, updates: int) -> dict[str, Any]:
    """grpo-tiny.yaml with this work, everything written below `folder`."""
    text = (PROJECT / "grpo-tiny.yaml").read_text().replace("training_data/", f"{PROJECT / 'training_data'}/")
    changed: dict[str, Any] = yaml.safe_load(text.replace("../../runs/grpo-tiny", str(folder)))
    changed["model"].update(name_or_path=str(model), disable_activation_checkpoint=True)
    changed["model"]["peft_config"].update(r=16, lora_alpha=32)
    changed["data"]["max_length"] = 512
    changed["data"]["cache_dir"] = str(model.parent / "cache")
    changed.update(
        type="grpo_timed",
        code=str(BENCHMARKS / "timed_trainer.py"),
        micro_batch_size=setting.prompts // setting.ranks,
        num_samples_per_prompt=setting.samples,
        max_new_tokens=setting.completion,
        exit_iteration=updates,
        rewards=["execution", "update_cost:letters"],
        checkpoint=[],
    )
    return changed


if __name__ == "__main__":
    main()

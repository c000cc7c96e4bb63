# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Measures one GRPO update of this package against one of TRL's trainer on equal work, as a ratio of CPU seconds.

    python benchmarks/grpo_step.py [--layers 4] [--width 256] [--prompts 8] [--samples 8] [--prompt-tokens 256]
                                   [--new-tokens 96] [--mean-tokens N] [--updates 3] [--trl-batch 16]

Needs TRL in an environment of its own, which `make trl` builds (another one: --trl-python). Each side is a process of
one thread with the same random Qwen2 in float32, LoRA r 16 on every linear layer, the same prompts and the same
SQLite reward. They take turns: one update warms up, the mean of the others counts. CPU seconds, user and system, are
those of the process and of the SQL worker below it. Before and after, what both did is compared: prompts, trainable
parameters, rewards of given statements, tokens generated and trained. Unequal work is an error, ragged completions
aside, whose lengths are drawn. One JSON line on stdout.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import fields
from pathlib import Path
from typing import Any

from grpo_step_work import Work
from grpo_step_work import build_work

HERE = Path(__file__).resolve().parent
TRL_PYTHON = HERE.parent / ".cache" / "trl" / "bin" / "python"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description="Cost of one GRPO update, against TRL's.")
    for field in fields(Work):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, default=field.default)
    parser.add_argument("--updates", type=int, default=3, help="that count, after one that does not")
    parser.add_argument("--trl-batch", type=int, default=16, help="completions of one of TRL's backward passes")
    parser.add_argument("--trl-python", type=Path, default=TRL_PYTHON)
    options = parser.parse_args(arguments)
    if not options.trl_python.exists():
        raise SystemExit(f"No Python with TRL at '{options.trl_python}'. Build it with: make trl")
    work = Work(**{field.name: getattr(options, field.name) for field in fields(Work)})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "work"
        build_work(work, folder)
        print(json.dumps(measure(work, folder, options)), flush=True)


def measure(work: Work, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Mean cost of an update on either side, and their ratio. Raises SystemExit for unequal work."""
    rounds = 1 + options.updates
    ours = [sys.executable, str(HERE / "grpo_step_ours.py"), str(folder), str(rounds)]
    trl = [str(options.trl_python), str(HERE / "grpo_step_trl.py"), str(folder), str(rounds), str(options.trl_batch)]
    sides = dict(ours=Side("ours", ours, folder), trl=Side("trl", trl, folder))
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    try:
        require_equal({name: side.read() for name, side in sides.items()}, ("prompts", "trainable", "rewards"))
        for _ in range(rounds):
            for name, side in sides.items():
                turns[name].append(side.turn())
            drawn = work.mean_tokens is not None
            latest = {name: answers[-1] for name, answers in turns.items()}
            require_equal(latest, () if drawn else ("generated_tokens", "trained_tokens"))
    finally:
        for side in sides.values():
            side.close()
    costs = {name: summary(answers[1:]) for name, answers in turns.items()}
    ratio = round(costs["trl"]["cpu_s"] / costs["ours"]["cpu_s"], 2)
    settings = dict(asdict(work), updates=options.updates, trl_batch=options.trl_batch)
    return dict(result="grpo_step", **settings, ratio=ratio, **costs, load=round(os.getloadavg()[0], 1))


class Side:
    """One side's process, and what it answers."""

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        path = os.pathsep.join([str(HERE), str(HERE.parent)])
        environment = dict(os.environ, PYTHONPATH=path, OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
        environment["HF_HUB_OFFLINE"] = "1"
        pipes: dict[str, Any] = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log, cwd=folder, env=environment, **pipes)

    def turn(self) -> dict[str, Any]:
        """Lets it make one update; what that cost."""
        print(file=self.process.stdin, flush=True)
        return self.read()

    def read(self) -> dict[str, Any]:
        """Its next answer. Raises SystemExit with the end of its log when there is none."""
        line = self.process.stdout.readline()
        if line == "":
            raise SystemExit(f"The side '{self.name}' ended without an answer:\n{self.log.read_text()[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Ends the process, which waits for its next turn, whatever state it is in."""
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def require_equal(facts: dict[str, dict[str, Any]], names: Sequence[str]) -> None:
    """Raises SystemExit for a fact that differs between the sides."""
    for name in names:
        values = {side: found[name] for side, found in facts.items()}
        if len(set(map(json.dumps, values.values()))) > 1:
            raise SystemExit(f"The two sides do unequal work: {name} is {values}.")


def summary(turns: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over updates: CPU seconds, in all and by phase, tokens and reward; the highest peak memory."""
    means = {name: mean([turn[name] for turn in turns]) for name in ("cpu_s", "wall_s", "mean_reward")}
    phases = {name: mean([turn["phases"][name] for turn in turns]) for name in ("generate", "reward")}
    phases["train"] = round(means["cpu_s"] - sum(phases.values()), 2)
    tokens = {name: mean([turn[name] for turn in turns]) for name in ("generated_tokens", "trained_tokens")}
    return dict(means, phases=phases, **tokens, peak_mb=max(turn["peak_mb"] for turn in turns))


def mean(values: Sequence[float]) -> float:
    """The mean, rounded to two places."""
    return round(sum(values) / len(values), 2)


if __name__ == "__main__":
    main()

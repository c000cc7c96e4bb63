# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The whole story on a CPU: build a tiny model, warm it up, train it with GRPO, measure the difference.

Each stage is a command that anyone can run alone; this file only runs them one after another with one seed and one
output folder, shows their progress and keeps their full output in `OUT/logs/`. A demo that was interrupted continues
with the stage it was in; a finished one starts anew.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn
from rich.progress import MofNCompleteColumn
from rich.progress import Progress
from rich.progress import TextColumn
from rich.progress import TimeElapsedColumn

PROJECT = Path(__file__).resolve().parent
DATA = PROJECT / "training_data"
# The recipes name these folders, seen from the project's; the demo puts its own in their place.
RECIPE_OUTPUTS = ("../../runs/demo", "../../runs/grpo-tiny")
WARMUP_ROWS = 16000
# Questions per conversation: the model reads a schema once for several of them, which halves the warm-up's work.
WARMUP_TURNS = 4
# With --short: enough that some completions run, so that GRPO has something to compare, and for one evaluation.
SHORT_UPDATES = {"sft-tiny.yaml": 120, "grpo-tiny.yaml": 5}

console = Console(highlight=False)


def build_data(out: Path, options: argparse.Namespace) -> None:
    """Question sets, the supervised warm-up conversations, and the untrained model."""
    import datasets

    from arctic_text2sql_r1.data.readers import read_examples
    from arctic_text2sql_r1.data.sft import sft_rows
    from arctic_text2sql_r1.data.sft import write_sft_dataset
    from arctic_text2sql_r1.prompts.templates import get_template

    warmup = out / "warmup.json"
    questions = [DATA / "build_questions.py", "--out", out / "questions", "--warmup-out", warmup]
    rows = WARMUP_ROWS // 8 if options.short else WARMUP_ROWS
    run([sys.executable, *questions, "--warmup-rows", rows], out / "logs" / "questions.log")
    examples = read_examples(str(warmup), databases=str(DATA / "databases"))
    conversations = sft_rows(
        examples, get_template("tiny"), lambda example: tables_used(example.gold_sql), turns=WARMUP_TURNS
    )
    datasets.disable_progress_bars()
    write_sft_dataset(conversations, out / "warmup-messages")
    model = [PROJECT / "tiny_model.py", "--corpus", out / "warmup-messages", "--out", out / "untrained"]
    run([sys.executable, *model, "--seed", options.seed], out / "logs" / "model.log")


def tables_used(sql: str) -> str:
    """The tiny model's whole thought: the tables of the query, in order of appearance."""
    return " ".join(dict.fromkeys(re.findall(r"(?:FROM|JOIN) (\w+)", sql)))


def warm_up(out: Path, options: argparse.Namespace) -> None:
    """ArcticTraining's own supervised trainer on the biased warm-up set."""
    recipe = write_recipe("sft-tiny.yaml", out, options)
    with progress_bar("updates") as bar:
        arctic_training(recipe, options, out / "logs" / "warm-up.log", on_line=supervised_progress(bar))
    finished = newest_checkpoint(out / "warmup")
    shutil.rmtree(out / "warm", ignore_errors=True)
    shutil.copytree(finished, out / "warm")


def train(out: Path, options: argparse.Namespace) -> None:
    """GRPO, paid only by what the SQL returns."""
    recipe = write_recipe("grpo-tiny.yaml", out, options)

    def show(line: str) -> None:
        if line.startswith(("step ", "eval ", "[grpo]", "[text2sql]", "WARNING:", "***")):
            console.print(line, markup=False, soft_wrap=True)

    arctic_training(recipe, options, out / "logs" / "grpo.log", on_line=show)


def evaluate(out: Path, options: argparse.Namespace) -> None:
    """Baseline against trained on the development questions, and on a database that training never saw."""
    command = [
        *(sys.executable, PROJECT / "evaluate_models.py", "--baseline", out / "warm"),
        *("--trained", out / "run_1" / "last"),
        *("--data", DATA / "dev.json", "--data", DATA / "dev_unseen.json", "--databases", DATA / "databases"),
        *("--template", "tiny", "--max-new-tokens", 80, "--batch-rows", 240, "--dtype", "float32", "--device", "cpu"),
        *("--seed", options.seed, "--out", out),
    ]
    subprocess.run([str(part) for part in command], check=True)


def report(out: Path, options: argparse.Namespace) -> None:
    """Curves, questions and completions on one page."""
    command = Path(sys.executable).with_name("text2sql-r1")
    run([command, "report", out, "--out", out / "report.html"], out / "logs" / "report.log")


STAGES: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "build data and model": build_data,
    "warm up (supervised)": warm_up,
    "train (GRPO)": train,
    "evaluate": evaluate,
    "report": report,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="output folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ranks", type=int, default=2, help="processes; the recipes' batch sizes assume 2")
    parser.add_argument(
        "--short", action="store_true", help="end both trainings early: every stage runs, little is learnt"
    )
    options = parser.parse_args()
    out = options.out.resolve()
    state = open_state(out, options)
    started = time.monotonic()
    for number, (title, stage) in enumerate(STAGES.items(), start=1):
        if title in state["seconds"]:
            console.print(f"[bold]{number}/{len(STAGES)} {title}[/bold]: done before the interruption")
            continue
        console.print(f"[bold]{number}/{len(STAGES)} {title}[/bold]")
        stage_started = time.monotonic()
        stage(out, options)
        state["seconds"][title] = round(time.monotonic() - stage_started, 1)
        save_state(out, state)
    seconds = ", ".join(f"{title} {value:.0f} s" for title, value in state["seconds"].items())
    folder = os.path.relpath(out)
    print_gain(json.loads((out / "comparison.json").read_text()))
    console.print(f"{time.monotonic() - started:.0f} s in all ({seconds})", soft_wrap=True)
    console.print(f"Tables: {folder}/comparison.md")
    console.print(f"Every completion that was sampled and what it earned: {folder}/rollouts.jsonl")
    console.print(f"Curves: {folder}/training_metrics.png, {folder}/history.json; all of it: {folder}/report.html")


def print_gain(comparison: dict[str, Any]) -> None:
    """The result in one line per question set."""
    mode = comparison["mode"]
    console.print(f"\n[bold]Execution accuracy (comparison mode {mode}), warmed-up model -> after GRPO[/bold]")
    for name, result in {"known databases": comparison, **comparison["also"]}.items():
        low, high = result["ci95"]
        before, after = result["baseline"]["ex"], result["trained"]["ex"]
        console.print(
            f"  {name}: {before:.1%} -> {after:.1%} on {result['n']} questions "
            f"({after - before:+.1%}, 95 % interval {low:+.1%} to {high:+.1%}; {result['wins']} wins, "
            f"{result['losses']} losses, p = {result['p_value']:.1g})",
            soft_wrap=True,
        )


def open_state(out: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What an interrupted demo with the same seed and files has finished; otherwise an empty folder."""
    sources = sorted([*PROJECT.glob("*-tiny.yaml"), *PROJECT.glob("*.py"), *DATA.glob("*.py"), *DATA.glob("*.json")])
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources))
    digest.update(f"{options.seed} {options.ranks} {options.short}".encode())
    path = out / "demo-state.json"
    if path.exists():
        state: dict[str, Any] = json.loads(path.read_text())
        if state["inputs"] == digest.hexdigest() and len(state["seconds"]) < len(STAGES):
            return state
    if out.exists() and any(out.iterdir()) and not path.exists():
        raise SystemExit(f"'{out}' is not empty and not a demo's folder; name another with --out or remove it.")
    shutil.rmtree(out, ignore_errors=True)
    (out / "logs").mkdir(parents=True)
    state = dict(inputs=digest.hexdigest(), seconds={})
    save_state(out, state)
    return state


def save_state(out: Path, state: dict[str, Any]) -> None:
    (out / "demo-state.json").write_text(json.dumps(state, indent=2) + "\n")


def write_recipe(name: str, out: Path, options: argparse.Namespace) -> Path:
    """The committed recipe with this run's seed, output folder and length, as a file of its own."""
    text = (PROJECT / name).read_text()
    for folder in RECIPE_OUTPUTS:
        text = text.replace(folder, str(out))
    recipe = yaml.safe_load(text)
    recipe.update(seed=options.seed, code=str(PROJECT / "train.py"))
    if options.short:
        recipe["exit_iteration"] = SHORT_UPDATES[name]
    path = out / name
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def arctic_training(recipe: Path, options: argparse.Namespace, log: Path, on_line: Callable[[str], None]) -> None:
    """`arctic_training RECIPE`, run inside the project folder as the README documents."""
    command = Path(sys.executable).with_name("arctic_training")
    run([command, recipe, "--num_gpus", options.ranks, "--master_port", free_port()], log, on_line)


def run(command: list[Any], log: Path, on_line: Callable[[str], None] = lambda line: None) -> None:
    """Runs `command` in the project folder, its output in `log` and, line by line, in `on_line`."""
    with open(log, "w") as file:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=dict(os.environ, PYTHONUNBUFFERED="1"),
        )
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            on_line(line.rstrip())
        code = process.wait()
    if code != 0:
        tail = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-25:])
        name = Path(str(command[0])).name
        raise SystemExit(f"{tail}\n'{name}' ended with code {code}; its whole output is in {log}")


def progress_bar(title: str) -> Progress:
    """A bar with one task, whose total is set when it is known."""
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console)
    bar.add_task(title, total=None)
    return bar


def supervised_progress(bar: Progress) -> Callable[[str], None]:
    """Reads the framework's own two progress bars, epochs and the batches within one."""
    pattern = re.compile(r"(Epochs|Train Batches): .*\| (\d+)/(\d+) \[")
    epochs, total_epochs = 0, 1

    def on_line(line: str) -> None:
        nonlocal epochs, total_epochs
        match = pattern.search(line)
        if match is None:
            return
        done, total = int(match[2]), int(match[3])
        if match[1] == "Epochs":
            epochs, total_epochs = done, total
        else:
            bar.update(bar.tasks[0].id, completed=epochs * total + done, total=total_epochs * total)

    return on_line


def newest_checkpoint(folder: Path) -> Path:
    """The `global_step_N` folder with the largest N."""
    found = sorted(folder.glob("global_step_*"), key=lambda path: int(path.name.rsplit("_", 1)[1]))
    if len(found) == 0:
        raise SystemExit(f"No checkpoint in '{folder}'; see the logs beside it.")
    return found[-1]


def free_port() -> int:
    """A TCP port for the ranks to meet on, so that two demos can run at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()

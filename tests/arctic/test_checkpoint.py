# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`type: run` through real trainers: damaged checkpoints, other recipes, new runs, the best step and back to it.

That a resumed run is exact is in `test_resume.py`, what happens to folders in `tests/test_run_folders.py`.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.torch import load_file

from arctic_text2sql_r1.arctic.checkpoint import RunCheckpointEngine
from arctic_text2sql_r1.data.jsonl import read_json_log
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.rollout.base import Completion
from arctic_text2sql_r1.run_folders import Best
from arctic_text2sql_r1.run_folders import RunFolder
from arctic_text2sql_r1.training.checkpoint_state import require_same_run
from tests.arctic.toy_project import few_questions
from tests.arctic.toy_project import run_checkpoint

Build = Callable[..., Any]

SHARD = Path("resume") / "deepspeed" / "mp_rank_00_model_states.pt"


@pytest.fixture
def build(trainer_factory: Build, toy_recipe: dict[str, Any], tmp_path: Path) -> Build:
    """Trainers that save every update of two prompts below `tmp_path / "runs"`: `build(updates, **recipe keys)`."""

    def trainer(updates: int, section: dict[str, Any] | None = None, **keys: Any) -> Any:
        recipe = dict(micro_batch_size=2, rewards=["toy_rewards:share_of_letter_e"], exit_iteration=updates, epochs=9)
        recipe["data"] = {**toy_recipe["data"], "sources": [few_questions(tmp_path, 9)]}
        recipe["checkpoint"] = run_checkpoint(tmp_path / "runs", **{"save_every_n_steps": 1, **(section or {})})
        return trainer_factory(**{**recipe, **keys})

    return trainer


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """The first run that `build` makes."""
    return RunFolder(tmp_path / "runs" / "run_1")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.slow
def test_a_torn_checkpoint_falls_back_to_the_one_before_it_loudly(
    build: Build, run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    build(2).train()
    size = (run.step_folder(2) / SHARD).stat().st_size
    cut(run.step_folder(2) / SHARD)
    trainer = build(3)
    assert trainer.global_step == 1
    printed = capsys.readouterr().out
    assert (
        f"step_000002' is damaged: '{SHARD}' has 1000 bytes, expected {size}. Continuing from 'step_000001'" in printed
    )
    trainer.train()
    assert run.steps() == [2, 3], "made again"
    assert (run.path / "step_000002.damaged").is_dir()


@pytest.mark.slow
def test_a_run_without_an_intact_checkpoint_is_never_started_anew(build: Build, run: RunFolder) -> None:
    build(2).train()
    for step in (1, 2):
        cut(run.step_folder(step) / SHARD)
    for _ in range(2):  # the first refusal leaves everything as it was
        with pytest.raises(ModelError, match="no checkpoint in it is intact .*step_000002: .*; step_000001: "):
            build(3)


@pytest.mark.slow
def test_a_run_killed_before_its_first_checkpoint_starts_anew_in_its_own_folder(build: Build, run: RunFolder) -> None:
    run.path.mkdir(parents=True)
    run.begin(1)
    trainer = build(1)
    assert (trainer.global_step, list(run.path.iterdir())) == (0, [])
    trainer.train()
    assert run.steps() == [1]


@pytest.mark.slow
def test_random_states_continue_where_they_were_saved(build: Build) -> None:
    draw = lambda: (random.random(), float(numpy.random.rand()), float(torch.rand(())))  # noqa: E731
    trainer = build(1)
    trainer.train()
    expected = draw()
    assert draw() != expected
    build(1)
    assert draw() == expected


@pytest.mark.slow
def test_a_finished_run_says_so_and_auto_resume_false_begins_another(
    build: Build, run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    build(1).train()
    build(1).train()
    assert "all 1 updates are already made; to train anew set auto_resume: false" in capsys.readouterr().out
    again = build(1, dict(auto_resume=False))
    assert again.global_step == 0
    again.train()
    assert RunFolder(run.path.with_name("run_2")).steps() == [1]


@pytest.mark.slow
def test_resume_from_a_named_step_begins_a_run_that_goes_on_counting(
    build: Build, run: RunFolder, tmp_path: Path
) -> None:
    build(2).train()
    branch = build(3, dict(resume=str(run.step_folder(1))))
    assert branch.global_step == 1
    branch.train()
    assert (run.steps(), RunFolder(run.path.with_name("run_2")).steps()) == ([1, 2], [2, 3])
    assert [row["iter"] for row in read_json_log(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    assert [row["iter"] for row in read_json_log(tmp_path / "metrics.1.jsonl")] == [1, 2], "the first run's"


@pytest.mark.slow
def test_an_adapter_of_another_rank_is_refused_by_tensor(
    build: Build, toy_recipe: dict[str, Any], run: RunFolder
) -> None:
    build(1).train()
    model = {**toy_recipe["model"], "peft_config": {**toy_recipe["model"]["peft_config"], "r": 4}}
    with pytest.raises(
        ModelError, match=r"28 trainable tensors differ.*lora_A.*has shape \[32, 32\], expected \[4, 32\]"
    ):
        build(2, model=model)


@pytest.mark.parametrize(
    ("facts", "trainable", "told"),
    [
        (dict(ranks=1), dict(a=[2, 3], b=[4]), "ranks 2 then, 1 now"),
        (dict(ranks=2), dict(a=[2, 3]), "'b' is unexpected"),
        (dict(ranks=2), dict(a=[2, 3], b=[4], c=[1]), "'c' is missing"),
        (dict(ranks=2), dict(a=[2, 3], b=[5]), r"'b' has shape \[4\], expected \[5\]"),
    ],
)
def test_what_does_not_continue_a_run_is_named(
    facts: dict[str, Any], trainable: dict[str, list[int]], told: str
) -> None:
    state = dict(facts=dict(ranks=2), trainable=dict(a=[2, 3], b=[4]))
    require_same_run(Path("step"), state, dict(ranks=2), dict(a=[2, 3], b=[4]))
    with pytest.raises(ModelError, match=told):
        require_same_run(Path("step"), state, facts, trainable)


def evaluate_to(trainer: Any, correct: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the policy's greedy completions right on so many of the eight questions, evaluation by evaluation."""
    sample, counts = trainer.engine.generate, iter(correct)
    golds = {
        tuple(prompt): example.gold_sql
        for batch in trainer.eval_dataloader
        for prompt, example in zip(batch["prompts"], batch["examples"], strict=True)
    }

    def generate(prompts: list[list[int]], sampling: Any) -> Any:
        if sampling.temperature > 0:
            return sample(prompts, sampling)
        right = next(counts)
        texts = [golds[tuple(prompt)] if n < right else "SELECT 0" for n, prompt in enumerate(prompts)]
        return [[Completion(text=f"<think></think><answer>{text}</answer>")] for text in texts]

    monkeypatch.setattr(trainer.engine, "generate", generate)


@pytest.fixture
def evaluated(build: Build, toy_recipe: dict[str, Any], tmp_path: Path) -> Build:
    """Trainers that evaluate after every update and save every second one and, unasked, every new best."""

    def trainer(updates: int, **keys: Any) -> Any:
        source = few_questions(tmp_path, 8)
        data = {**toy_recipe["data"], "sources": [source], "eval_sources": [source]}
        section = dict(save_every_n_steps=2, keep_last=2)
        keys = dict(keys, eval_interval=1, evaluation=dict(before_training=False))
        return build(updates, section, data=data, micro_batch_size=8, **keys)

    return trainer


@pytest.mark.slow
def test_best_is_the_first_with_the_highest_accuracy(
    evaluated: Build, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = evaluated(4)
    evaluate_to(trainer, [2, 5, 5, 1], monkeypatch)
    trainer.train()
    assert run.steps() == [2, 4], "1 was deleted, 3 never saved: it was not better"
    assert run.best() == Best(step=2, accuracy=5 / 8)
    record = json.loads((run.path / "best" / "text2sql_r1.json").read_text())
    assert (record["global_step"], record["execution_accuracy"]) == (2, 5 / 8)
    resumed = evaluated(5)
    evaluate_to(resumed, [5], monkeypatch)
    resumed.train()
    assert run.steps() == [2, 4], "the accuracy to beat is remembered"


@pytest.mark.slow
@pytest.mark.parametrize("stage", [2, 3])
def test_going_back_to_the_best_restores_all_but_the_counting(
    evaluated: Build, run: RunFolder, monkeypatch: pytest.MonkeyPatch, stage: int
) -> None:
    # warmup_ratio 1: the rate of update n is proportional to n
    scheduler = dict(name="cosine", warmup_ratio=1.0)
    trainer = evaluated(9, deepspeed=dict(zero_optimization=dict(stage=stage)), scheduler=scheduler)
    evaluate_to(trainer, [5, 1], monkeypatch)
    batch = next(iter(trainer.train_dataloader))
    for _ in range(2):
        trainer.step(batch)
        trainer.evaluate()
        trainer.metrics.print_summary("eval")
    assert not torch.equal(lora_b(trainer), lora_b_in(run.path / "best"))
    assert trainer.restore_best() == Best(step=1, accuracy=5 / 8)
    assert torch.equal(lora_b(trainer), lora_b_in(run.path / "best"))
    assert {state["step"] for state in trainer.model.optimizer.optimizer.state.values()} == {1}
    assert (trainer.global_step, trainer.model.global_steps, trainer.scheduler.last_epoch) == (2, 2, 2)
    rate = trainer.scheduler.base_lrs[0] / trainer.training_horizon
    trainer.step(batch)
    assert (trainer.global_step, trainer.scheduler.last_epoch) == (3, 3)
    assert trainer.learner.statistics.learning_rate == pytest.approx(3 * rate), "that of update 3, not of update 2"


def lora_b(trainer: Any) -> torch.Tensor:
    """As the next forward pass will use it; under ZeRO-3 gathered."""
    named = sorted((n, p) for n, p in trainer.model_unwrapped.named_parameters() if p.requires_grad and "lora_B" in n)
    return torch.cat([RunCheckpointEngine._get_param(parameter).flatten() for _, parameter in named])


def lora_b_in(folder: Path) -> torch.Tensor:
    tensors = load_file(folder / "adapter_model.safetensors")
    return torch.cat([tensors[name].flatten() for name in sorted(tensors) if "lora_B" in name])


@pytest.mark.slow
def test_going_back_without_a_best_says_what_it_needs(build: Build) -> None:
    with pytest.raises(TrainingError, match="has none yet. It needs data.eval_sources and eval_interval"):
        build(1).restore_best()


@pytest.mark.slow
def test_an_interrupted_save_is_swept_away_by_the_next_run(build: Build, run: RunFolder) -> None:
    build(1).train()
    run.begin(7)
    build(1)
    assert sorted(path.name for path in run.path.iterdir()) == ["last", "step_000001"]

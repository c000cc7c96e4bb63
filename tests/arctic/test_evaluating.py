# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Evaluation during training: its line in the metrics file, and the curves that are drawn after it.

The accuracy itself is tested in `test_objective_in_the_trainer.py`, what `best/` makes of it in `test_checkpoint.py`.
"""

import itertools
import json
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from arctic_text2sql_r1.monitor.history import EVALUATION_METRICS
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.training.evaluating import evaluation_figures
from arctic_text2sql_r1.types import Completion
from tests.arctic.toy_project import ToyRun
from tests.arctic.toy_project import few_questions
from tests.arctic.toy_project import run_checkpoint

Build = Callable[..., Any]


@pytest.fixture
def evaluated(trainer_factory: Build, toy_recipe: dict[str, Any], tmp_path: Path) -> Build:
    """Trainers of four questions an update that evaluate and save after each."""

    def build(updates: int, **own: Any) -> Any:
        source = few_questions(tmp_path, 4)
        data = {**toy_recipe["data"], "sources": [source], "eval_sources": [source]}
        checkpoint = run_checkpoint(tmp_path / "runs", save_every_n_steps=1)
        keys = dict(data=data, checkpoint=checkpoint, eval_interval=1, micro_batch_size=4, epochs=9)
        return trainer_factory(exit_iteration=updates, evaluation=own, **keys)

    return build


def test_an_evaluation_is_a_line_of_the_metrics_file(evaluated: Build, tmp_path: Path) -> None:
    evaluated(1).train()
    before, row = ToyRun(tmp_path, output="", code=0).evaluations
    assert before["iter"] == 0
    assert set(before) == set(row) == {"iter", "epoch", *EVALUATION_METRICS}
    # The random model writes no SQL.
    assert (row["iter"], row["questions/eval"], row["execution_accuracy/eval"], row["reward_mean/eval"]) == (
        1,
        4,
        0,
        0,
    )


def asked(trainer: Any, monkeypatch: pytest.MonkeyPatch, texts: Sequence[str] = ("SELECT 0",)) -> list[SamplingParams]:
    """Notes how the engine is asked from here on, and makes it answer with `texts`, one after another."""
    notes: list[SamplingParams] = []
    answers = itertools.cycle(texts)

    def generate(prompts: list[list[int]], sampling: SamplingParams) -> list[list[Completion]]:
        notes.append(sampling)
        draw = lambda: Completion(text=f"<think></think><answer>{next(answers)}</answer>")  # noqa: E731
        return [[draw() for _ in range(sampling.num_samples)] for _ in prompts]

    monkeypatch.setattr(trainer.engine, "generate", generate)
    return notes


def test_questions_are_asked_as_the_recipe_says_and_not_as_rollouts_are(
    evaluated: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = evaluated(1, temperature=0.3, num_samples=2, max_new_tokens=5)
    gold = trainer.eval_dataloader.dataset[0]["gold_sql"]
    notes = asked(trainer, monkeypatch, [gold, "SELECT 0", "SELECT 0", "SELECT 0", "nonsense", "", "", ""])
    figures = evaluation_figures(trainer)
    assert (notes[0].temperature, notes[0].num_samples, notes[0].max_new_tokens) == (0.3, 2, 5)
    assert (figures["execution_accuracy"], figures["questions"], figures["gold_failed"]) == (1 / 8, 4, 0)
    evaluation_figures(trainer)
    assert notes[0].seed == notes[1].seed, "each evaluation draws the same random numbers"


def test_greedy_and_as_long_as_rollouts_is_the_default(evaluated: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = evaluated(1)
    notes = asked(trainer, monkeypatch)
    evaluation_figures(trainer)
    assert (notes[0].temperature, notes[0].num_samples, notes[0].max_new_tokens) == (0, 1, 16)


def test_a_subset_is_the_same_for_a_seed_and_in_file_order(evaluated: Build) -> None:
    ids = [list(evaluated(1, questions=3).eval_dataloader.dataset["example_id"]) for _ in range(2)]
    everything = list(evaluated(1, questions=9).eval_dataloader.dataset["example_id"])
    assert ids[0] == ids[1] == [one for one in everything if one in ids[0]]
    assert (len(ids[0]), len(everything)) == (3, 4)


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (dict(num_samples=2), "evaluation.num_samples is 2 with evaluation.temperature 0"),
        (dict(max_new_tokens=17), r"evaluation.max_new_tokens is 17, but prompts may leave no more .* \(16\)"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(evaluated: Build, own: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        evaluated(1, **own)


@pytest.mark.slow
def test_costs_are_told_before_and_after(evaluated: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated(1, questions=3).train()
    told = capsys.readouterr().out
    plan = "evaluation of 3 questions, greedily, at most 48 tokens: before the first update and every 1 updates"
    assert f"[grpo] {plan}" in told
    before, after = ToyRun(tmp_path, output="", code=0).evaluations
    assert before["time_share/eval"] == 1.0, "nothing else was done yet"
    assert after["seconds/eval"] > 0 and 0 < after["time_share/eval"] < 1
    assert f"evaluations take {after['time_share/eval']:.0%} of the time so far" in told


@pytest.mark.slow
def test_the_run_before_training_can_be_left_out(evaluated: Build, tmp_path: Path) -> None:
    evaluated(1, before_training=False).train()
    assert [row["iter"] for row in ToyRun(tmp_path, output="", code=0).evaluations] == [1]


@pytest.mark.slow
def test_two_ranks_find_what_one_finds(
    run_recipe: Callable[..., ToyRun], toy_recipe: dict[str, Any], tmp_path: Path
) -> None:
    source = few_questions(tmp_path, 16)
    toy_recipe["data"].update(sources=[source], eval_sources=[source])
    toy_recipe.update(checkpoint=[], eval_interval=1, exit_iteration=1, evaluation=dict(questions=5))
    found = []
    for ranks, prompts in ((1, 8), (2, 4)):
        toy_recipe["micro_batch_size"] = prompts
        run = run_recipe(toy_recipe, ranks=ranks)
        assert run.code == 0, run.output[-3000:]
        timed = ("seconds/eval", "time_share/eval")
        found.append({name: value for name, value in run.evaluations[0].items() if name not in timed})
    assert found[0] == found[1]
    assert (found[0]["iter"], found[0]["questions/eval"]) == (0, 5)


@pytest.mark.slow
def test_history_and_picture_go_on_after_a_resume(evaluated: Build, tmp_path: Path) -> None:
    evaluated(2).train()
    drawn = (tmp_path / "training_metrics.png").stat().st_mtime_ns
    evaluated(4).train()
    history = json.loads((tmp_path / "history.json").read_text())
    assert (history["steps"]["step"], history["evaluations"]["step"]) == ([1, 2, 3, 4], [0, 1, 2, 3, 4])
    assert (tmp_path / "training_metrics.png").stat().st_mtime_ns > drawn


@pytest.mark.slow
def test_training_goes_on_where_no_curve_can_be_drawn(
    evaluated: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "training_metrics.png").mkdir()
    evaluated(2).train()
    assert [row["iter"] for row in ToyRun(tmp_path, output="", code=0).metrics] == [1, 2]
    assert (
        "[grpo] WARNING: history.json and training_metrics.png were not renewed: IsADirectory"
        in capsys.readouterr().out
    )

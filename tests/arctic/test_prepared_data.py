# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What `text2sql-r1 prepare` writes, trained on by the real command line, and its messages through the cache."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arctic_text2sql_r1.cli import main
from arctic_text2sql_r1.prompts import templates
from tests.arctic.toy_project import TRAINING_DATA
from tests.arctic.toy_project import load_recipe

pytestmark = pytest.mark.slow

OWN = ("json", TRAINING_DATA / "train.json", "--databases", TRAINING_DATA / "databases")


def prepare(out: Path, *flags: Any) -> None:
    always = ("--out", out, "--cache-dir", out.parent / "values")
    assert main([str(flag) for flag in ("prepare", *flags, *always)]) == 0


def small(recipe: dict[str, Any], model: Path) -> dict[str, Any]:
    """The recipe with the toy model, its prompts shortened to what that can hold, for two updates."""
    recipe["model"].update(name_or_path=str(model), dtype="fp32")
    recipe.update(gradient_accumulation_steps=4, exit_iteration=2)
    recipe["data"]["num_proc"] = 1
    return recipe


def test_a_prepared_folder_trains_two_updates(
    run_recipe: Callable[..., Any], toy_recipe: dict[str, Any], tmp_path: Path
) -> None:
    prepare(tmp_path / "own", *OWN)
    toy_recipe["data"].update(sources=[dict(type="text2sql", path=str(tmp_path / "own"))])
    toy_recipe["rewards"] = ["toy_rewards:share_of_letter_e"]
    run = run_recipe(toy_recipe)
    assert run.code == 0, run.output[-3000:]
    assert [row["iter"] for row in run.metrics] == [1, 2]
    assert "unusable" not in run.output


def test_a_prepared_spider_subset_trains_two_updates(
    run_recipe: Callable[..., Any], toy_recipe: dict[str, Any], spider_root: Path, tmp_path: Path
) -> None:
    prepare(tmp_path / "spider", "spider", "--root", spider_root, "--limit", 64)
    source = dict(type="text2sql", path=str(tmp_path / "spider"))
    toy_recipe["data"].update(sources=[source], eval_sources=[source], max_length=1024)
    toy_recipe["eval_interval"] = 2
    toy_recipe["rewards"] = ["execution", dict(name="toy_rewards:share_of_letter_e", weight=0.1)]
    run = run_recipe(toy_recipe)
    assert run.code == 0, run.output[-3000:]
    assert [row["iter"] for row in run.metrics] == [1, 2]
    assert {row["gold_status"] for row in run.rollouts} == {"ok"}


@pytest.fixture
def messages(one_rank: None, toy_model: Path, tmp_path: Path) -> Callable[[], set[str]]:
    """The conversations that the framework's supervised trainer gets, through its cache."""

    def load() -> set[str]:
        from arctic_training.config.trainer import get_config
        from arctic_training.registry import get_registered_trainer

        import arctic_text2sql_r1.arctic  # noqa: F401  (registers the source)

        recipe = small(load_recipe("recipes/sql-rlvr-sft.yaml", tmp_path), toy_model)
        recipe["data"]["eval_sources"] = []
        recipe.update(checkpoint=[], eval_interval=0)
        recipe.pop("code")
        trainer = get_registered_trainer("sft")(get_config(recipe), mode="process-data")
        return {trainer.tokenizer.decode(row["input_ids"]) for row in trainer.train_dataloader.dataset}

    return load


def test_messages_that_were_prepared_anew_are_not_served_from_the_cache(
    messages: Callable[[], set[str]], tmp_path: Path
) -> None:
    loaded = []
    for template in ("plain", "plain/omnisql", "plain"):
        prepare(tmp_path / "spider-plain", *OWN, "--template", template, "--for", "sft")
        loaded.append(messages())
    assert loaded[0].isdisjoint(loaded[1])
    assert loaded[0] == loaded[2]


def test_messages_of_a_template_that_has_changed_since_are_refused(
    messages: Callable[[], set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path / "spider-plain", *OWN, "--template", "plain", "--for", "sft")
    changed = replace(templates.get_template("plain"), system="Write SQL.")
    monkeypatch.setitem(templates._TEMPLATES, "plain", changed)
    with pytest.raises(ValueError, match="The template 'plain' has changed since"):
        messages()

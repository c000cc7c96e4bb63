# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A recipe for the standalone loop's tests: the plugin's toy model, rewards and questions."""

from pathlib import Path
from typing import Any

import pytest

from arctic_text2sql_r1.standalone.recipes import from_mapping
from arctic_text2sql_r1.standalone.settings import Settings
from tests.arctic.toy_project import TOY_REWARDS
from tests.arctic.toy_project import build_toy_model
from tests.arctic.toy_project import few_questions
from tests.arctic.toy_project import load_recipe


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2 whose completions end after a dozen tokens."""
    return build_toy_model(tmp_path_factory.mktemp("toy") / "model")


@pytest.fixture
def toy_recipe(toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """grpo-tiny.yaml with the toy model, 14 questions and a reward that it can learn, in the test's own folder."""
    (tmp_path / "toy_rewards.py").write_text(TOY_REWARDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    recipe = load_recipe("grpo-tiny.yaml", tmp_path)
    recipe["model"]["name_or_path"] = str(toy_model)
    for key in ("eval_interval", "evaluation"):
        del recipe[key]
    del recipe["data"]["eval_sources"]
    recipe["data"]["sources"] = [few_questions(tmp_path, 14)]
    recipe.update(micro_batch_size=4, num_samples_per_prompt=4, max_new_tokens=16, exit_iteration=2, seed=7)
    recipe.update(tokens_per_micro_batch=2048, epochs=9, rewards=["toy_rewards:share_of_letter_e"])
    recipe["sql"] = dict(workers=1, timeout_s=30)
    recipe["train_log_metrics_path"] = str(tmp_path / "metrics.jsonl")
    recipe["rollouts_path"] = str(tmp_path / "rollouts.jsonl")
    recipe["checkpoint"] = [dict(type="run", output_dir=str(tmp_path / "out"), save_end_of_training=True)]
    return recipe


def settings_of(recipe: dict[str, Any]) -> Settings:
    return from_mapping(recipe).settings

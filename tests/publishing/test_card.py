# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A card says what is known of these very weights and nothing else, and the code in it runs."""

import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from arctic_text2sql_r1.adapters import adapter_sha256
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.prompts.builder import load_tokenizer
from arctic_text2sql_r1.prompts.builder import prompt_ids
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.prompts.templates import template_names
from arctic_text2sql_r1.publishing import card_usage
from arctic_text2sql_r1.publishing.card import CardFacts
from arctic_text2sql_r1.publishing.card import model_card
from arctic_text2sql_r1.publishing.card_sections import NOT_MEASURED
from arctic_text2sql_r1.publishing.card_usage import renamed
from arctic_text2sql_r1.publishing.export import ExportOptions
from arctic_text2sql_r1.publishing.export import card_facts
from arctic_text2sql_r1.publishing.export import export
from arctic_text2sql_r1.publishing.trained import Base
from arctic_text2sql_r1.publishing.trained import TrainedModel
from arctic_text2sql_r1.publishing.trained import read_trained
from arctic_text2sql_r1.types import Text2SQLExample
from tests.publishing.conftest import DATA
from tests.publishing.conftest import RECORD
from tests.publishing.conftest import TRAINING

Evaluation = Callable[..., dict[str, Any]]


def card_of(step: Path, figures: Path | None = None) -> str:
    return model_card(card_facts(read_trained(step), "ada/model", figures))


def invented(**changes: Any) -> TrainedModel:
    record = dict(RECORD, training=TRAINING, data=DATA)
    return replace(TrainedModel(Path("x"), "adapter", Base("a/b", on_hub=True), record, "0" * 64), **changes)


def facts(name: str = "ada/model", **changes: Any) -> CardFacts:
    return CardFacts(name, invented(**changes), "adapter", None, None, None, {})


def code_of(card: str) -> str:
    found = re.search(r"^(`{3,})python\n(.*?)\n\1$", card, flags=re.S | re.M)
    assert found is not None
    return found[2]


# ----- figures ------------------------------------------------------------------------------------


def test_unmeasured_model_says_so_and_has_no_result_in_its_metadata(step: Path) -> None:
    card = card_of(step)
    assert NOT_MEASURED in card
    assert ModelCard(card).data.eval_results is None


@pytest.mark.parametrize("where", ["../..", "..", "../../comparison-1", "../comparison-2"])
def test_evaluation_of_these_weights_is_found_beside_the_run(
    step: Path, where: str, evaluation_of: Evaluation
) -> None:
    folder = step / where
    folder.mkdir(exist_ok=True)
    (folder / "comparison.json").write_text(json.dumps(evaluation_of(adapter_sha256(step))))
    card = card_of(step)
    assert "**75.0%** (30 of 40 questions, 95 % interval 60.0% to 86.0%; comparison mode `default`, greedy" in card
    assert "| `dev` | 40 | 75.0% (30 right) | 60.0% to 86.0% | 100.0% | 25.0% | +50.0% (+30.0% to +70.0%) |" in card
    (result,) = ModelCard(card).data.eval_results
    assert (result.metric_value, result.metric_args["ci95"], result.dataset_name) == (0.75, [0.6, 0.86], "dev")


def test_evaluation_of_other_weights_is_not_quoted(step: Path, evaluation_of: Evaluation) -> None:
    path = step.parent.parent / "comparison.json"
    path.write_text(json.dumps(evaluation_of("f" * 64)))
    assert NOT_MEASURED in card_of(step)
    with pytest.raises(ModelError, match="holds no figures of .* no model in it has an adapter with SHA-256"):
        card_of(step, figures=path)


def test_newest_of_several_evaluations_is_quoted(step: Path, evaluation_of: Evaluation) -> None:
    for name, right, date in (("a", 20, "2026-03-01"), ("b", 24, "2026-02-01")):
        (step.parent / name).mkdir()
        found = dict(evaluation_of(adapter_sha256(step), right=right), date=date)
        (step.parent / name / "comparison.json").write_text(json.dumps(found))
    assert "**50.0%** (20 of 40" in card_of(step)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"also": {}}', '{"also": {}, "models": {"a": 3}}'])
def test_file_without_figures_is_one_error_when_named_and_nothing_when_found(step: Path, content: str) -> None:
    path = step.parent / "comparison.json"
    path.write_text(content)
    assert NOT_MEASURED in card_of(step)
    with pytest.raises(ModelError, match="Cannot read figures|holds no figures"):
        card_of(step, figures=path)


def test_merged_model_tells_that_the_sum_was_not_what_was_measured(step: Path, evaluation_of: Evaluation) -> None:
    figures = step.parent / "comparison.json"
    figures.write_text(json.dumps(evaluation_of(adapter_sha256(step))))
    export(ExportOptions(step, step.parent / "out", figures=figures))
    card = (step.parent / "out" / "README.md").read_text()
    assert "computed in float32, before merging; these weights are the sum rounded to bfloat16" in card


def test_fully_trained_model_is_known_by_its_record(evaluation_of: Evaluation, tmp_path: Path) -> None:
    model = invented(kind="full", adapter_sha256=None, folder=tmp_path / "a" / "b" / "c")
    path = tmp_path / "comparison.json"
    path.write_text(json.dumps(evaluation_of(None, trained_with=model.record)))
    assert "**75.0%**" in model_card(card_facts(model, "x", figures=path))
    other = replace(model, record=dict(model.record, global_step=30))
    with pytest.raises(ModelError, match="no model in it has its training record"):
        card_facts(other, "x", figures=path)


def test_accuracy_of_the_run_itself_is_told_with_its_bias(step: Path) -> None:
    record = dict(RECORD, execution_accuracy=0.8, training=TRAINING, data=DATA)
    (step / "text2sql_r1.json").write_text(json.dumps(record))
    card = card_of(step)
    assert "after update 20: execution accuracy 80.0% on its evaluation questions" in card
    assert "it is too high" in card


def history(rewards: list[float]) -> str:
    evaluations = dict(step=[0, 20, 40], epoch=[0, 0, 1], execution_accuracy=[0.25, 0.5, 0.9])
    return json.dumps(
        dict(steps=dict(step=[1, 20, 21], epoch=[0, 0, 0], reward_mean=rewards), evaluations=evaluations)
    )


def test_curve_is_told_up_to_the_step_that_is_published(step: Path) -> None:
    (step.parent.parent / "history.json").write_text(history([0.1, 0.5, 0.9]))
    card = card_of(step)
    assert "0.100 at step 1, 0.500 at step 20." in card
    assert "25.0% after update 0, 50.0% after update 20." in card
    assert "90.0%" not in card


def test_curve_of_another_run_is_not_told(step: Path) -> None:
    (step.parent.parent / "history.json").write_text(history([0.1, 0.4, 0.9]))  # the record says 0.5
    assert "at step" not in card_of(step)


# ----- what it is ---------------------------------------------------------------------------------


def test_metadata_names_what_is_known(step: Path) -> None:
    data = ModelCard(card_of(step)).data
    assert (data.library_name, data.pipeline_tag, data.language) == ("peft", "text-generation", ["en"])
    assert {"text-to-sql", "grpo", "lora"} <= set(data.tags)
    assert data.base_model is None and data.license is None  # a folder, without a card of its own


def test_base_on_the_hub_and_datasets_of_the_hub_are_linked() -> None:
    origins = [dict(hub="xlangai/spider"), dict(name="b-mc2/sql-create-context"), dict(url="https://x.org/a/b"), {}]
    sources = [dict(name="x", source="spider", origin=origin) for origin in origins]
    data = ModelCard(model_card(facts(record=dict(RECORD, data=dict(DATA, sources=sources))))).data
    assert data.base_model == "a/b"
    assert data.datasets == ["b-mc2/sql-create-context", "xlangai/spider"]


def test_licence_of_a_base_folder_is_taken_from_its_card(step: Path, tmp_path: Path) -> None:
    base = tmp_path / "licensed"
    base.mkdir()
    (base / "README.md").write_text("---\nlicense: other\nlicense_name: own\n---\n# base\n")
    record = dict(RECORD, base_model=str(base))
    (step / "text2sql_r1.json").write_text(json.dumps(record))
    card = card_of(step)
    assert (ModelCard(card).data.license, ModelCard(card).data.license_name) == ("other", "own")
    assert "licence of the base model is not known" not in card


def test_recipe_data_and_limits_are_told(step: Path) -> None:
    card = card_of(step)
    for told in (
        "1 x `execution`",
        "learning rate 1e-05",
        "20 of 40 scheduled",
        "8 prompts x 4",
        "grpo: baseline mean",
    ):
        assert told in card
    assert "Trained on 100 questions" in card
    assert "It writes SQLite; other engines" in card


def test_what_preparing_left_out_is_told() -> None:
    splits = dict(train=dict(rows=7000, kept=6900, databases=140, left_out=dict(gold_timeout=60, duplicate=40)))
    source = dict(name="spider", source="spider", origin=dict(sha256="ab"), splits=splits)
    card = model_card(facts(record=dict(RECORD, data=dict(DATA, sources=[source]))))
    assert "train: 6,900 of 7,000 rows over 140 databases kept (left out: 40 duplicate, 60 gold_timeout)" in card


def test_model_of_another_trainer_says_that_nothing_is_known(adapter: Path) -> None:
    card = card_of(adapter)
    assert "How it was trained was not recorded." in card
    assert "The prompt of its training was not recorded." in card
    assert "## Training" not in card


# ----- how to use it ------------------------------------------------------------------------------


@pytest.mark.parametrize("adapter_only", [True, False])
def test_code_in_the_card_runs(
    step: Path,
    base_model: Path,
    adapter_only: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = base_model.parent / f"out-{adapter_only}"
    export(ExportOptions(step, out, adapter_only=adapter_only))
    monkeypatch.chdir(base_model.parent)  # where the code's MODEL and BASE are
    exec(compile(code_of((out / "README.md").read_text()), "card", "exec"), found := {})
    assert isinstance(found["prompt"], str)
    assert capsys.readouterr().out != ""


@pytest.mark.parametrize("name", [*template_names(), "arctic/compact"])
def test_prompt_of_the_card_is_the_prompt_of_training(name: str, base_model: Path, tmp_path: Path) -> None:
    import sqlite3

    with closing(sqlite3.connect(tmp_path / "city.sqlite")) as connection:
        connection.executescript(card_usage._TABLES)
    template = get_template(name)
    record = dict(RECORD, template=name, template_version=template.version)
    code = code_of(model_card(facts(record=record))).split("\ntokenizer =")
    asked = code[1].partition("\nmessages = ")[2].partition("ids =")[0]
    tokenizer = load_tokenizer(str(base_model))
    found = dict(tokenizer=tokenizer)
    exec(f"{code[0]}\nmessages = {asked}", found)
    example = Text2SQLExample("1", "city", card_usage._QUESTION, gold_sql="", db_path=str(tmp_path / "city.sqlite"))
    assert tokenizer(found["prompt"])["input_ids"] == prompt_ids(tokenizer, template, example)


def test_name_on_the_hub_replaces_the_folders_in_heading_code_and_command() -> None:
    card = model_card(facts(name="out"))
    moved = renamed(card + "text about out\n", "out", "ada/model")
    assert 'MODEL = "ada/model"' in moved and "--model ada/model " in moved and "# ada/model" in moved
    assert moved.endswith("text about out\n")


# ----- whatever stands in names -------------------------------------------------------------------

ANYTHING = st.text(max_size=40) | st.sampled_from(
    ["---", "\n---\n", "```", "a|b", "*x*", "#", ": {", "'\"", "\ud800", "\x85"]
)


@example(name="\ud800", base="\ud800", system="\ud800", data="\ud800", reward="\ud800", licence="\ud800")
@example(name="\n---\n", base="|", system="```", data="`", reward="a|b", licence=": {")
@settings(max_examples=50, deadline=None)
@given(name=ANYTHING, base=ANYTHING, system=ANYTHING, data=ANYTHING, reward=ANYTHING, licence=ANYTHING)
def test_card_can_be_read_whatever_stands_in_names(
    name: str, base: str, system: str, data: str, reward: str, licence: str
) -> None:
    record = dict(
        RECORD,
        prompt=dict(system=system, user="{schema} {evidence}{question}", schema_style="ddl", prefill=system),
        training=dict(TRAINING, rewards=[dict(name=reward, weight=1.0, options=dict(x=reward))]),
        data=dict(DATA, sources=[dict(name=data, source=data, origin=dict(hub=data))]),
    )
    model = invented(record=record, base=Base(base, on_hub=True))
    card = model_card(CardFacts(name, model, "adapter", None, None, None, dict(license=licence)))
    read = ModelCard(card.encode().decode())
    assert read.data.tags == ["text-to-sql", "text2sql", "grpo", "sqlite", "arctic-text2sql-r1", "lora"]
    code = code_of(read.content)
    compile(code, "card", "exec")
    rest = read.content.replace(code, "")
    assert "\n## Limits\n" in rest
    assert {line.count("|") for line in rest.split("\n") if line.startswith("|")} == {3}

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Alarms on sequences of step metrics: what sounds, when, how often, and what must stay silent."""

import random

import pytest

from arctic_text2sql_r1.monitor.alarms import Alarms


def sounded(rows: list[dict[str, float]], alarms: Alarms | None = None) -> dict[int, str]:
    """Step number to the text of the alarm, for steps with one; every group but one has spread."""
    alarms = alarms or Alarms()
    texts = {step: alarms.check({"equal_groups": 0.5, **row}) for step, row in enumerate(rows, start=1)}
    assert all(len(found) <= 1 for found in texts.values())
    return {step: found[0] for step, found in texts.items() if len(found) == 1}


def rows(name: str, *parts: tuple[int, float]) -> list[dict[str, float]]:
    """`count` steps with each value of one metric."""
    return [{name: value} for count, value in parts for _ in range(count)]


@pytest.mark.parametrize(
    ("name", "values", "first", "remedy"),
    [
        # Means of five steps: with k of them changed, a fall from 0.5 to 0 leaves 0.1 (5 - k), below a tenth at k = 5.
        ("entropy", [(8, 0.5), (20, 0.0)], 13, "Raise temperature"),
        ("entropy", [(8, 0.3), (20, 2.0)], 12, "Lower the learning rate"),
        ("kl", [(8, 0.01), (20, 3.0)], 10, "raise kl_coef"),
        ("repetition", [(8, 0.1), (20, 0.9)], 10, "mask truncated"),
        ("clip_fraction", [(8, 0.1), (20, 0.9)], 10, "inner_epochs"),
        ("reward_mean", [(8, 0.6), (20, 0.0)], 13, "Go back to a checkpoint"),
        ("reward_mean", [(8, -0.5), (20, -2.0)], 13, "Go back to a checkpoint"),
    ],
)
def test_a_collapse_sounds_when_it_begins_and_every_ten_steps_while_it_lasts(
    name: str, values: list[tuple[int, float]], first: int, remedy: str
) -> None:
    found = sounded(rows(name, *values))
    assert list(found) == list(range(first, 29, 10))
    assert remedy in found[first]


def test_one_huge_ratio_sounds_at_once() -> None:
    assert list(sounded(rows("max_ratio", (3, 1.5), (1, 2e3), (3, 1.5)))) == [4]


def test_a_server_with_another_policy_sounds_at_once() -> None:
    found = sounded(rows("sampler_distance", (3, 0.02), (1, 0.4), (3, 0.02)))
    assert list(found) == [4]
    assert "base model" in found[4]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("entropy", [(10, 0.08), (30, 0.07)]),
        ("entropy", [(10, 0.001), (30, 0.2)]),
        ("entropy", [(10, 7.0), (30, 4.0)]),
        ("kl", [(5, 0.0), (40, 0.05)]),
        ("clip_fraction", [(40, 0.15)]),
        ("repetition", [(40, 0.9)]),
        ("reward_mean", [(20, 0.7), (20, 0.5)]),
    ],
)
def test_what_is_normal_for_a_run_stays_silent(name: str, values: list[tuple[int, float]]) -> None:
    assert sounded(rows(name, *values)) == {}


def test_rare_rewards_are_noisy_and_stay_silent() -> None:
    generator = random.Random(0)
    for _ in range(200):
        means = [sum(generator.random() < 0.01 for _ in range(64)) / 64 for _ in range(100)]
        assert sounded([dict(reward_mean=mean) for mean in means]) == {}


def test_only_a_collapse_that_lasts_asks_for_action_and_restored_weights_end_it() -> None:
    alarms = Alarms()
    sounded(rows("kl", (5, 0.01), (7, 3.0)), alarms)
    assert alarms.lasting_collapse is None
    sounded(rows("kl", (6, 3.0)), alarms)
    assert "KL to the reference" in str(alarms.lasting_collapse)
    alarms.forget_collapse()
    assert sounded(rows("kl", (30, 0.01)), alarms) == {}
    assert alarms.lasting_collapse is None


def test_clipping_and_truncation_ask_for_no_action() -> None:
    alarms = Alarms()
    sounded([dict(max_ratio=1e6)] * 30, alarms)
    assert alarms.lasting_collapse is None


def test_truncation_sounds_once_when_it_begins_and_again_after_a_pause() -> None:
    alarms = Alarms(repeat_steps=3)
    rates = [0.15, 0.16, 0.5, 0.5, 0.5, 0.1, 0.2]
    sounded = [len(alarms.check(dict(truncation_rate=rate, equal_groups=0.0))) for rate in rates]
    assert sounded == [0, 1, 0, 0, 1, 0, 1]
    assert "Raise max_new_tokens" in Alarms().check(dict(truncation_rate=0.4, equal_groups=0.0))[0]


def test_no_spread_sounds_only_after_consecutive_steps() -> None:
    alarms = Alarms(no_spread_steps=3)
    shares = [1.0, 1.0, 0.9, 1.0, 1.0, 1.0]
    sounded = [alarms.check(dict(equal_groups=share, reward_mean=0.0)) for share in shares]
    assert [len(texts) for texts in sounded] == [0, 0, 0, 0, 0, 1]
    assert "for 3 steps in a row" in sounded[-1][0]
    assert "num_samples_per_prompt" in sounded[-1][0]


def test_steps_in_which_no_gold_ran_count_as_without_spread() -> None:
    assert len(Alarms(no_spread_steps=1).check({})) == 1


def test_no_spread_because_all_is_right_asks_for_harder_questions() -> None:
    texts = Alarms(no_spread_steps=1).check(dict(equal_groups=1.0, reward_1=1.0, reward_mean=1.0))
    assert "harder questions" in texts[0]

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Rollouts over HTTP: what is asked, in which order it comes back, and every way in which a server can fail.

The server here is `fake_vllm.py`; a real one stands in `tests/vllm/`. The adapter's way there: `test_vllm_adapter.py`.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from arctic_text2sql_r1.errors import RolloutError
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.vllm import VLLMRolloutEngine
from arctic_text2sql_r1.rollout.vllm import check_logprobs
from arctic_text2sql_r1.rollout.vllm_server import VLLMServer
from tests.rollout.fake_vllm import FakeVLLM

PROMPTS = [[5, 6], [7], [3, 2, 4]]
SAMPLING = SamplingParams(max_new_tokens=6, temperature=0.8, num_samples=4, seed=3)
MakeEngine = Callable[..., VLLMRolloutEngine]


@pytest.fixture
def make_engine(fake_vllm: FakeVLLM, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> MakeEngine:
    """An engine on the base model of the fake server, which waits 10 ms instead of half a second."""
    monkeypatch.setattr("arctic_text2sql_r1.rollout.vllm_server.FIRST_PAUSE_S", 0.01)

    def make(timeout_s: float = 20.0, **options: Any) -> VLLMRolloutEngine:
        server = VLLMServer(options.pop("url", fake_vllm.url), timeout_s)
        engine = VLLMRolloutEngine(server, tokenizer, stops=[0, 1], policy_name=lambda: "base", **options)
        engine._logprobs_checked = True  # what is counted below are the batch's own requests
        return engine

    return make


def test_completions_come_back_in_the_order_of_prompts_and_samples(
    make_engine: MakeEngine, fake_vllm: FakeVLLM
) -> None:
    fake_vllm.script = lambda body, sample: [body["prompt"][0], sample + 2, 1, 6, 6, 6]
    fake_vllm.delays_s = [0.1, 0.05, 0.0]
    groups = make_engine().generate(PROMPTS, SAMPLING)
    expected = [[(prompt[0], sample + 2, 1) for sample in range(4)] for prompt in PROMPTS]
    assert [[completion.token_ids for completion in group] for group in groups] == expected


def test_every_completion_carries_the_servers_logprobs(make_engine: MakeEngine, fake_vllm: FakeVLLM) -> None:
    of_token = fake_vllm._logprobs(0.8)
    for completion in make_engine().generate(PROMPTS, SAMPLING)[0]:
        assert completion.logprobs == pytest.approx([of_token[token] for token in completion.token_ids])


def test_every_setting_that_could_bend_the_distribution_is_sent(make_engine: MakeEngine, fake_vllm: FakeVLLM) -> None:
    make_engine().generate([[5, 6]], SAMPLING)
    request = fake_vllm.completions_asked[0]
    del request["seed"]
    assert request == dict(
        model="base", prompt=[5, 6], max_tokens=6, n=4, temperature=0.8, top_p=1.0, top_k=0, min_p=0.0,
        repetition_penalty=1.0, frequency_penalty=0.0, presence_penalty=0.0, watermarking=False,
        ignore_eos=True, stop_token_ids=[0, 1], logprobs=0, return_token_ids=True,
    )  # fmt: skip


def test_greedy_requests_ask_for_one_sample_and_repeat_it(make_engine: MakeEngine, fake_vllm: FakeVLLM) -> None:
    groups = make_engine().generate(PROMPTS, SamplingParams(max_new_tokens=6, num_samples=4))
    assert {request["n"] for request in fake_vllm.completions_asked} == {1}
    assert [len(group) for group in groups] == [4, 4, 4]
    assert {completion.token_ids for group in groups for completion in group} == {(7,) * 6}


def test_seeds_repeat_and_never_share_a_stream(make_engine: MakeEngine, fake_vllm: FakeVLLM) -> None:
    engine = make_engine(max_batch_rows=4)  # one after another, so that requests arrive in order
    for seed in (3, 3, 4):
        engine.generate([[5, 6]] * 20, SamplingParams(max_new_tokens=2, temperature=1.0, num_samples=4, seed=seed))
    seeds = [request["seed"] for request in fake_vllm.completions_asked]
    assert seeds[:20] == seeds[20:40]
    streams = [seed + sample for seed in seeds[20:] for sample in range(4)]  # as vLLM derives them
    assert len(set(streams)) == len(streams)


@pytest.mark.parametrize(("rows", "prompts_at_once"), [(4, 1), (9, 2), (3, 1)])
def test_at_most_max_batch_rows_are_asked_for_at_once(
    make_engine: MakeEngine, fake_vllm: FakeVLLM, rows: int, prompts_at_once: int
) -> None:
    fake_vllm.work_s = 0.05
    make_engine(max_batch_rows=rows).generate([[5]] * 6, SAMPLING)
    assert fake_vllm.most_at_once == prompts_at_once


@pytest.mark.parametrize("statuses", [[500], [503, 502], [0], [0, 500, 0]])
def test_what_may_pass_is_asked_again(make_engine: MakeEngine, fake_vllm: FakeVLLM, statuses: list[int]) -> None:
    engine = make_engine()
    expected = engine.generate([[5]], SAMPLING)
    fake_vllm.statuses = list(statuses)
    assert engine.generate([[5]], SAMPLING) == expected
    assert len(fake_vllm.asked) == 2 + len(statuses)


def test_a_server_that_keeps_failing_is_given_up(make_engine: MakeEngine, fake_vllm: FakeVLLM) -> None:
    fake_vllm.statuses = [500] * 50
    with pytest.raises(RolloutError, match=r"completions: status 500 \(.*as the test wants it.*after 5 attempts"):
        make_engine().generate([[5]], SAMPLING)
    assert len(fake_vllm.asked) == 5


def test_a_refusal_is_not_repeated_and_quotes_the_server(make_engine: MakeEngine, fake_vllm: FakeVLLM) -> None:
    fake_vllm.statuses = [400] * 50
    with pytest.raises(RolloutError, match=r"refused when asking 'base' .*status 400 .*as the test wants it"):
        make_engine().generate([[5]], SAMPLING)
    assert len(fake_vllm.asked) == 1


def test_a_server_that_is_down_is_named_within_bounded_time(make_engine: MakeEngine) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    start = time.monotonic()
    with pytest.raises(RolloutError, match=rf"{url} failed when .*ConnectError.*after 5 attempts.*start command"):
        make_engine(url=url).generate(PROMPTS * 30, SAMPLING)
    assert time.monotonic() - start < 10


def test_a_slow_server_ends_in_a_timeout_error(make_engine: MakeEngine, fake_vllm: FakeVLLM) -> None:
    fake_vllm.delays_s = [1.0]
    with pytest.raises(RolloutError, match=r"did not answer within 0.2 s \(rollout.timeout_s\) when asking 'base'"):
        make_engine(timeout_s=0.2).generate([[5]], SAMPLING)


def test_repetitions_count_towards_the_timeout(make_engine: MakeEngine, fake_vllm: FakeVLLM) -> None:
    fake_vllm.statuses, fake_vllm.delays_s = [500] * 50, [0.4] * 50
    with pytest.raises(RolloutError):
        make_engine(timeout_s=1.0).generate([[5]], SAMPLING)
    assert len(fake_vllm.asked) <= 3


def test_an_answer_from_another_model_is_refused(make_engine: MakeEngine, fake_vllm: FakeVLLM) -> None:
    fake_vllm.answers_as = "update-3-0123456789abcdef"
    with pytest.raises(RolloutError, match="answered from 'update-3-0123456789abcdef', expected 'base'"):
        make_engine().generate([[5]], SAMPLING)


BAD_CHOICES: dict[str, tuple[list[int], dict[str, Any], str]] = {
    "cut by the context": (
        [5, 6, 7],
        {},
        "ended a completion of 3 tokens with 'length'; .*at 6 tokens.*max-model-len",
    ),
    "aborted": ([5] * 6, dict(finish_reason="abort"), "ended a completion of 6 tokens with 'abort'"),
    "another end": ([5, 6], dict(finish_reason="stop"), "with 'stop'; expected 'stop' at the first of the ids"),
    "no ids": ([5] * 6, dict(token_ids=None), "ended a completion of 0 tokens"),
    "no logprobs": ([5] * 6, dict(logprobs=None), "returned 0 log-probabilities for 6 tokens"),
}


@pytest.mark.parametrize("case", BAD_CHOICES)
def test_a_completion_that_is_not_what_was_asked_for_is_refused(
    make_engine: MakeEngine, fake_vllm: FakeVLLM, case: str
) -> None:
    ids, fake_vllm.override, message = BAD_CHOICES[case]
    fake_vllm.script = lambda body, sample: ids
    with pytest.raises(RolloutError, match=message):
        make_engine().generate([[5]], SAMPLING)


def test_logprobs_from_before_the_temperature_are_found_out(fake_vllm: FakeVLLM) -> None:
    server = VLLMServer(fake_vllm.url, timeout_s=20)
    check_logprobs(server, "base", prompt=[5])
    fake_vllm.temperature_in_logprobs = False
    with pytest.raises(RolloutError, match="0.400 nats apart at temperature 1 and 0.400 at 0.5.*processed_logprobs"):
        check_logprobs(server, "base", prompt=[5])


def test_a_distribution_from_which_nothing_can_be_told_does_not_pass(
    fake_vllm: FakeVLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.rollout.fake_vllm.LOGITS", [0.0] * 8)
    with pytest.raises(RolloutError, match="0.000 nats apart at temperature 1 and 0.000 at 0.5"):
        check_logprobs(VLLMServer(fake_vllm.url, timeout_s=20), "base", prompt=[5])


def test_ctrl_c_does_not_wait_for_the_server(make_engine: MakeEngine, fake_vllm: FakeVLLM) -> None:
    fake_vllm.delays_s = [10.0]
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        make_engine().generate([[5]], SAMPLING)
    assert time.monotonic() - started < 5

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Rollouts by a vLLM server in a process, an environment and, if one likes, on a machine of its own.

The server holds the base model; the policy reaches it as an adapter. Before each batch the adapter's tensors are
hashed; a new hash means a new folder, loaded under a new name that every request of the batch then asks for. The
server cannot answer from older weights under that name, nor from prompts that it cached with them. HTTP and its
failures are in `vllm_server.py`, the correction for what differs between sampler and trainer in `losses.py`.

Every sampling setting is sent with every request, so that no default of the server or of the model's generation config
applies: the whole of softmax(logits / temperature) is sampled.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.errors import RolloutError
from arctic_text2sql_r1.rollout.base import ROLLOUT_ENGINES
from arctic_text2sql_r1.rollout.base import EngineSetup
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.base import to_completion
from arctic_text2sql_r1.rollout.hf import eos_token_ids
from arctic_text2sql_r1.rollout.vllm_server import VLLMServer
from arctic_text2sql_r1.types import Completion

# Prompts asked for at once where `max_batch_rows` does not say; the server queues what it cannot run.
PROMPTS_IN_FLIGHT = 64

# No truncation of the distribution, no penalty, and no end of a completion but `stop_token_ids`.
WHOLE_DISTRIBUTION: dict[str, Any] = dict(
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    repetition_penalty=1.0,
    frequency_penalty=0.0,
    presence_penalty=0.0,
    watermarking=False,
    ignore_eos=True,
)


@ROLLOUT_ENGINES.register("vllm")
class VLLMRolloutEngine:
    """Asks `server` for completions of the model that `policy_name` names, called once per batch by every rank.

    `stops` are the ids that end a completion. `max_batch_rows` bounds the completions asked for at once. Completions
    carry the server's log-probabilities, those of the distribution that was sampled.
    """

    samples_elsewhere = True
    needs_adapter = True

    def __init__(
        self,
        server: VLLMServer,
        tokenizer: Any,
        stops: Sequence[int],
        policy_name: Callable[[], str],
        max_batch_rows: int | None = None,
    ) -> None:
        self.server = server
        self.tokenizer = tokenizer
        self.stops = list(stops)
        self.policy_name = policy_name
        self.max_batch_rows = max_batch_rows
        self._logprobs_checked = False

    @classmethod
    def for_training(cls, setup: EngineSetup) -> "VLLMRolloutEngine":
        """The engine whose server follows the adapter in training."""
        server = VLLMServer(setup.options.url, setup.options.timeout_s)
        stops = eos_token_ids(setup.model, setup.tokenizer)
        return cls(server, setup.tokenizer, stops, ServedAdapter(server, setup), setup.options.max_batch_rows)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: SamplingParams) -> list[list[Completion]]:
        """See `RolloutEngine.generate`. A prompt's samples depend on `sampling.seed` and its place in `prompts`.

        Raises `RolloutError` for a server that is down, slow, or answers what was not asked for.
        """
        name = self.policy_name()  # first, since all ranks make this call together
        if len(prompts) == 0:
            return []
        if not self._logprobs_checked:
            check_logprobs(self.server, name, prompts[0])
            self._logprobs_checked = True
        requests = [
            completion_request(name, prompt, sampling, place, self.stops) for place, prompt in enumerate(prompts)
        ]
        together = (self.max_batch_rows or PROMPTS_IN_FLIGHT * sampling.num_samples) // sampling.num_samples
        if len(requests) == 1:  # in this thread, where Ctrl-C breaks it off
            return [self._group(self.server.complete(requests[0]), sampling)]
        with ThreadPoolExecutor(max_workers=max(1, min(together, len(requests)))) as pool:
            answers = list(pool.map(self.server.complete, requests))  # the first failure cancels what has not begun
        return [self._group(answer, sampling) for answer in answers]

    def _group(self, answer: dict[str, Any], sampling: SamplingParams) -> list[Completion]:
        choices = sorted(answer["choices"], key=lambda choice: int(choice["index"]))
        completions = [self._completion(choice, sampling.max_new_tokens) for choice in choices]
        if sampling.temperature == 0:
            completions *= sampling.num_samples  # one was asked for: greedy samples are all alike
        if len(completions) != sampling.num_samples:
            raise RolloutError(
                f"The vLLM server {self.server.url} returned {len(completions)} completions of a prompt, expected "
                f"{sampling.num_samples}."
            )
        return completions

    def _completion(self, choice: dict[str, Any], limit: int) -> Completion:
        token_ids = choice.get("token_ids") or []
        logprobs = (choice.get("logprobs") or {}).get("token_logprobs") or []
        completion = to_completion(token_ids, self.stops, limit, self.tokenizer, logprobs)
        expected = "length" if completion.truncated else "stop"
        whole = not completion.truncated or len(token_ids) == limit
        if choice["finish_reason"] != expected or not whole or len(completion.token_ids) != len(token_ids):
            raise RolloutError(
                f"The vLLM server {self.server.url} ended a completion of {len(token_ids)} tokens with "
                f"'{choice['finish_reason']}'; expected 'stop' at the first of the ids {self.stops}, or 'length' at "
                f"{limit} tokens. Start it with --generation-config vllm and a --max-model-len of at least "
                "data.max_length."
            )
        if len(logprobs) != len(token_ids):
            raise RolloutError(
                f"The vLLM server {self.server.url} returned {len(logprobs)} log-probabilities for {len(token_ids)} "
                "tokens, expected one each. The training ratio cannot do without them: use a vLLM that knows "
                "return_token_ids and logprobs."
            )
        return completion


def completion_request(
    name: str, prompt: Sequence[int], sampling: SamplingParams, place: int, stops: Sequence[int]
) -> dict[str, Any]:
    """What is sent to `/v1/completions` for the prompt at `place` of a batch. Greedy requests ask for one sample."""
    # vLLM gives sample k of a request the seed + k, so that neighbouring seeds would share streams.
    digest = hashlib.sha256(f"{sampling.seed} {place}".encode()).digest()
    return dict(
        model=name,
        prompt=list(prompt),
        max_tokens=sampling.max_new_tokens,
        n=1 if sampling.temperature == 0 else sampling.num_samples,
        temperature=sampling.temperature,
        seed=int.from_bytes(digest[:8], "big") >> 2,
        stop_token_ids=list(stops),
        logprobs=0,  # of the sampled token alone
        return_token_ids=True,
        **WHOLE_DISTRIBUTION,
    )


class ServedAdapter:
    """Keeps `server` on the policy as it is: calling this returns the name under which the server has it.

    A name holds the number of updates and a hash of the adapter, so two policies never share one. Folders and served
    adapters of earlier policies of this run are removed once the new one is served. Every rank calls this together.
    """

    def __init__(self, server: VLLMServer, setup: EngineSetup) -> None:
        self.server = server
        self.setup = setup
        self.folder = setup.folder.resolve()

    def __call__(self) -> str:
        """The name to ask for. Raises `RolloutError` on every rank when the server cannot be brought there."""
        config, tensors = self.setup.adapter()
        name: str = self.setup.on_rank_0(lambda: self._serve(config, tensors))
        return name

    def _serve(self, config: dict[str, Any], tensors: dict[str, Any]) -> str:
        from safetensors.torch import save

        # PEFT keeps lists of module names as sets.
        settings = json.dumps(config, default=sorted, indent=2, sort_keys=True).encode()
        weights = save(tensors)
        digest = hashlib.sha256(settings + weights).hexdigest()[:16]
        name = f"update-{self.setup.updates_made()}-{digest}"
        folder = self.folder / name
        if not folder.exists():
            write_whole(folder, {"adapter_config.json": settings, "adapter_model.safetensors": weights})
        self.server.serve_adapter(name, folder)
        self._remove_all_but(folder)
        return name

    def _remove_all_but(self, folder: Path) -> None:
        for name, root in self.server.adapters().items():
            if root.parent == self.folder and root != folder:
                self.server.drop_adapter(name)
        for other in self.folder.iterdir():
            if other != folder:
                shutil.rmtree(other)


def write_whole(folder: Path, files: dict[str, bytes]) -> None:
    """Writes `files` to a new `folder`, which appears with all of them or not at all."""
    scratch = folder.with_name(f"{folder.name}.incomplete")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name, content in files.items():
        (scratch / name).write_bytes(content)
    scratch.rename(folder)


def check_logprobs(server: VLLMServer, name: str, prompt: Sequence[int]) -> None:
    """Raises `RolloutError` unless the server's log-probabilities are those of softmax(logits / temperature).

    Found by asking for the first token after `prompt`: at half the temperature the likeliest ones are twice as far
    apart. vLLM's default is to leave the temperature out of what it returns, and nothing in an answer tells.
    """

    def distance(temperature: float) -> float:
        sampling = SamplingParams(max_new_tokens=1, temperature=temperature)
        request = completion_request(name, prompt, sampling, place=0, stops=[])
        answer = server.complete(dict(request, logprobs=5, return_tokens_as_token_ids=True))
        best = sorted(answer["choices"][0]["logprobs"]["top_logprobs"][0].values(), reverse=True)
        return float(best[0] - best[4])

    whole, half = distance(1.0), distance(0.5)
    if half <= 1.5 * whole:  # also where nothing can be told because all tokens are alike
        raise RolloutError(
            f"The vLLM server {server.url} returns log-probabilities from before the temperature: the first and fifth "
            f"likeliest token are {whole:.3f} nats apart at temperature 1 and {half:.3f} at 0.5, expected twice as "
            "much. Start it with --logprobs-mode processed_logprobs."
        )

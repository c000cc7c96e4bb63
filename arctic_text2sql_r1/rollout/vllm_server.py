# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A client of one vLLM server: completions, the adapters it serves, and what can go wrong on the way.

vLLM itself is never imported: its pins exclude those of the trainer, and its memory is its own affair. What is asked
for, and which adapter, is decided in `vllm.py`. Calls that may succeed a moment later (no connection, a status of 500
or above) are repeated a few times with growing pauses; no call outlasts `timeout_s`, repetitions included. Every
failure is a `RolloutError`.
"""

import time
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.errors import RolloutError

ATTEMPTS = 5
FIRST_PAUSE_S = 0.5
CONNECT_TIMEOUT_S = 10.0


class VLLMServer:
    """The server at `url`. May be used by several threads at once."""

    def __init__(self, url: str, timeout_s: float) -> None:
        import httpx

        self.url = url.rstrip("/")
        self.timeout_s = timeout_s
        self._client = httpx.Client(base_url=self.url, limits=httpx.Limits(max_connections=None))

    def complete(self, request: dict[str, Any]) -> dict[str, Any]:
        """The server's answer to one completion request, sampled from `request["model"]` and nothing else."""
        asked = request["model"]
        answer = self._call("POST", "/v1/completions", f"asking '{asked}' for completions", request)
        if answer.get("model") != asked:
            raise RolloutError(
                f"The vLLM server {self.url} answered from '{answer.get('model')}', expected '{asked}': the "
                "completions are not the policy's. Let no other program change this server's adapters."
            )
        return answer

    def models(self) -> list[dict[str, Any]]:
        """A card for each name that is served: `id`, `root` (what it was loaded from), `parent` (of adapters) ..."""
        cards: list[dict[str, Any]] = self._call("GET", "/v1/models", "listing its models")["data"]
        return cards

    def adapters(self) -> dict[str, Path]:
        """Name and folder of every adapter that is served."""
        return {card["id"]: Path(card["root"]) for card in self.models() if card.get("parent") is not None}

    def serve_adapter(self, name: str, folder: Path) -> None:
        """Makes the server serve the adapter in `folder` as `name`; nothing is loaded when it already does."""
        if self.adapters().get(name) == folder:
            return
        # NOTE: in place makes a repeated call harmless. It is not how new weights arrive: vLLM goes on using cached
        # prompts of the old weights while name and folder stay the same.
        body = dict(lora_name=name, lora_path=str(folder), load_inplace=True)
        self._call("POST", "/v1/load_lora_adapter", f"loading the adapter '{folder}'", body)
        found = self.adapters().get(name)
        if found != folder:
            raise RolloutError(
                f"The vLLM server {self.url} has '{found}' as the folder of '{name}' right after it was told to load "
                f"'{folder}'. Let no other program change this server's adapters."
            )

    def drop_adapter(self, name: str) -> None:
        """Makes the server forget an adapter that it serves."""
        self._call("POST", "/v1/unload_lora_adapter", f"unloading '{name}'", dict(lora_name=name))

    def _call(self, method: str, path: str, doing: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON of the answer; an empty dictionary where the server answers in plain words."""
        import httpx

        deadline = time.monotonic() + self.timeout_s
        attempt, pause_s, problem = 0, 0.0, ""
        while attempt < ATTEMPTS and time.monotonic() + pause_s < deadline:
            time.sleep(pause_s)
            attempt, pause_s = attempt + 1, FIRST_PAUSE_S * 2**attempt
            left = deadline - time.monotonic()
            try:
                timeout = httpx.Timeout(left, connect=min(left, CONNECT_TIMEOUT_S))
                response = self._client.request(method, path, json=body, timeout=timeout)
            except httpx.ReadTimeout:
                raise RolloutError(
                    f"The vLLM server {self.url} did not answer within {self.timeout_s:g} s (rollout.timeout_s) when "
                    f"{doing}. Give it more time, ask for fewer rows at once (rollout.max_batch_rows), or look at "
                    "the server's log."
                ) from None
            except httpx.TransportError as error:
                problem = f"{type(error).__name__} ({error})"
                continue
            if response.status_code < 500:
                return self._body(response, doing)
            problem = f"status {response.status_code} ({response.text[:500]})"
        raise RolloutError(
            f"The vLLM server {self.url} failed when {doing}: {problem}, after {attempt} attempts. Is it running "
            "there, and able to hold this adapter (--max-lora-rank)? Its own log says more; the start command is in "
            "docs/vllm.md."
        )

    def _body(self, response: Any, doing: str) -> dict[str, Any]:
        if response.status_code != 200:
            raise RolloutError(
                f"The vLLM server {self.url} refused when {doing}: status {response.status_code} "
                f"({response.text[:500]}). Expected a server started with --enable-lora, "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and a --max-model-len of at least data.max_length, on a file "
                "system that it shares with the trainer."
            )
        if not response.headers.get("content-type", "").startswith("application/json"):
            return {}
        answer: dict[str, Any] = response.json()
        return answer

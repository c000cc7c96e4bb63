# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A real vLLM server in a process group of its own."""

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PYTHON = REPOSITORY / ".cache" / "vllm" / "bin" / "python"
START_TIMEOUT_S = 600

# As in docs/vllm.md, for a machine without a GPU. NOTE: there a prompt that is read in several pieces ends vLLM when
# its request has a seed (it rewinds a generator that cannot be rewound), so prompts are not cut.
FLAGS = (
    *("--enable-lora", "--max-lora-rank", "32", "--logprobs-mode", "processed_logprobs"),
    *("--generation-config", "vllm", "--max-model-len", "512", "--dtype", "float32", "--enforce-eager"),
    "--no-enable-chunked-prefill",
)
VARIABLES = dict(
    VLLM_ALLOW_RUNTIME_LORA_UPDATING="1",
    VLLM_CPU_KVCACHE_SPACE="1",
    VLLM_TARGET_DEVICE="cpu",
    OMP_NUM_THREADS="1",
    HF_HUB_OFFLINE="1",
)


@dataclass(frozen=True)
class Server:
    """A started server, its process group and its log."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def signal(self, number: int) -> None:
        """Sends a signal to every process of the server."""
        os.killpg(self.process.pid, number)


def start(model: Path, folder: Path, without: tuple[str, ...] = ()) -> Server:
    """Serves `model` and returns when requests are answered; `without` are flags to leave out, with their values."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    command += [flag for flag in FLAGS if flag not in without] + ["--host", "127.0.0.1", "--port", str(port)]
    log = folder / "vllm.log"
    # Neither this checkout nor the test's accelerator belongs into the server's environment.
    own = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DS_ACCELERATOR")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=own | VARIABLES,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    _await(server)
    return server


def stop(server: Server) -> None:
    """Kills every process of the server."""
    try:
        server.signal(signal.SIGKILL)
    except ProcessLookupError:
        pass
    server.process.wait()


def _await(server: Server) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if httpx.get(f"{server.url}/v1/models").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    stop(server)
    raise RuntimeError(f"vLLM did not start within {START_TIMEOUT_S} s:\n{server.log.read_text()[-3000:]}")

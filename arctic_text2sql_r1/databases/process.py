# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""One worker process as its parent sees it: start it, send a job, collect the answer, kill it.

Every pipe is non-blocking on this side, so no state of the worker (stopped, hung, flooding) can block the parent.
What to do when a worker is late or dead is decided in `pool.py`; what runs inside is in `worker.py`.
"""

import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.databases.base import ExecutionLimits
from arctic_text2sql_r1.databases.base import Job
from arctic_text2sql_r1.errors import ExecutionError

_HEADER = struct.Struct(">I")
_PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
# -I and -S: no site packages, no user hooks, nothing from the environment; the worker needs the library only.
_BOOTSTRAP = (
    "import sys; sys.path.append(sys.argv.pop()); from arctic_text2sql_r1.databases.worker import main; main()"
)
# Where some clusters' interpreters find their own shared libraries; the rest of the environment stays outside.
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_MAX_MESSAGE_BYTES = 16 * 2**20
_START_TIMEOUT_S = 60.0
_REAP_TIMEOUT_S = 10.0  # SIGKILL waits for a process that is stuck inside the kernel, on a dead file server


class WorkerProcess:
    """A worker that is starting, idle or busy with exactly one job."""

    def __init__(self, limits: ExecutionLimits, attempt: int = 1) -> None:
        self.ready = False
        self.ended = False
        self.attempt = attempt  # how many workers in a row, this one included, were started for the same place
        self.job: Job | None = None
        self._cpu_limit_s = float("inf")
        self.kill_at = time.monotonic() + _START_TIMEOUT_S
        self._sent_at = time.monotonic()
        self._inbox = bytearray()
        self._outbox = memoryview(b"")
        self._process = _start(limits)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output_fd(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    @property
    def input_fd(self) -> int:
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    @property
    def is_running(self) -> bool:
        """Whether the process exists and has not ended."""
        return self._process.poll() is None

    @property
    def was_killed(self) -> bool:
        """Whether something else ended it with SIGKILL (the kernel when memory ran out, a person); after `kill`."""
        return self._process.returncode == -signal.SIGKILL

    @property
    def busy_s(self) -> float:
        """How long the worker has had its present job, in seconds."""
        return time.monotonic() - self._sent_at

    @property
    def has_unsent(self) -> bool:
        return len(self._outbox) > 0

    def send(self, job: Job, kill_after_s: float) -> None:
        """Start sending one job to an idle worker; `flush` sends the rest when the pipe takes more."""
        body = json.dumps(job, default=vars).encode("ascii")  # asdict would copy every value, at ten times the cost
        self.job = job
        self._cpu_limit_s = job.cpu_limit_s
        self._sent_at = time.monotonic()
        self.kill_at = self._sent_at + kill_after_s
        self._outbox = memoryview(_HEADER.pack(len(body)) + body)
        self.flush()

    def flush(self) -> None:
        """Write as much as the pipe takes. A broken pipe is not reported here: the output end tells it too."""
        try:
            self._outbox = self._outbox[os.write(self.input_fd, self._outbox) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._outbox = memoryview(b"")

    def receive(self) -> tuple[list[Any], bool]:
        """The complete messages that have arrived, and whether the worker is still there and makes sense."""
        alive = True
        try:
            chunk = os.read(self.output_fd, 1 << 20)
            alive = len(chunk) > 0
            self._inbox += chunk
        except BlockingIOError:
            pass
        messages: list[Any] = []
        while len(self._inbox) >= _HEADER.size:
            end = _HEADER.size + _HEADER.unpack_from(self._inbox)[0]
            if end > _MAX_MESSAGE_BYTES:  # no worker of ours writes that: whatever it is, it is not to be trusted
                return messages, False
            if len(self._inbox) < end:
                break
            try:
                messages.append(json.loads(self._inbox[_HEADER.size : end]))
            except (ValueError, RecursionError):
                return messages, False
            del self._inbox[:end]
        return messages, alive

    def complaint(self) -> str:
        """The exit status and the last thing the worker wrote to stderr; call after `kill`."""
        assert self._process.stderr is not None
        try:
            text = os.read(self._process.stderr.fileno(), 1 << 16).decode("utf-8", "replace").strip()
        except BlockingIOError:
            text = ""
        return f"exit status {self._process.returncode}, stderr: {text or 'empty'}"

    @property
    def ran_out_of_cpu_time(self) -> bool:
        """Whether the kernel ended it for using too much CPU time; call after `kill`."""
        if self._process.returncode == 0:
            # No worker ends so while its parent lives: something else in this process has reaped it (SIGCHLD is
            # ignored, say), and how it ended is lost.
            return self.busy_s > self._cpu_limit_s
        return self._process.returncode == -signal.SIGXCPU

    def kill(self) -> None:
        """End the process and reap it. Its pipes stay readable until `discard`."""
        self._process.kill()  # no effect on one that has ended: its own exit status stays
        self.ended = True
        try:
            self._process.wait(timeout=_REAP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return  # `subprocess` reaps it later

    def discard(self) -> None:
        """Kill, reap and close the pipes."""
        self.kill()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()


def _start(limits: ExecutionLimits) -> subprocess.Popen[bytes]:
    # The working folder is removed as soon as the worker is in it: nothing can be created in a folder that is gone.
    folder = None
    arguments = [json.dumps(asdict(limits)), str(os.getpid()), _PACKAGE_PARENT]
    try:
        folder = tempfile.mkdtemp(prefix="text2sql-r1-")
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
            start_new_session=True,  # Ctrl-C in the terminal is the parent's to handle
        )
    except OSError as error:
        raise ExecutionError(
            f"Cannot start an SQL worker with '{sys.executable}': {error}. Check that the interpreter exists, that "
            f"TMPDIR can be written and that the limits on processes and open files (ulimit -u, -n) leave room."
        ) from error
    finally:
        if folder is not None:
            os.rmdir(folder)

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""One line on stderr for a rank that died: which one, and of what.

DeepSpeed's launcher ends a job about a second after any of its ranks, but the command it blames is always that of the
node's last rank, and a rank that was killed cannot speak for itself. So each rank has a witness: a shell that waits at
the other end of a pipe, and speaks when the pipe closes without a farewell. Ending the other ranks, and the exit
code, stay the launcher's affair; SQL workers end themselves when their rank is gone.

A rank that hangs without dying is not noticed here: the others give up waiting after DEEPSPEED_TIMEOUT minutes.
"""

import atexit
import subprocess
import sys
from types import TracebackType

# The witness shares the rank's process group, so that a signal to the whole job silences both.
_WITNESS = 'read -r farewell || echo "$1" >&2'


class LastWords:
    """Speaks for the rank of this process from now until `close`, an orderly exit, or its death."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        killed = (
            "without a word: killed by a signal (its number is the launcher's negative return code; 9 is often the "
            "kernel when memory runs out, see dmesg) or ended by os._exit"
        )
        self._witness = subprocess.Popen(
            ["sh", "-c", _WITNESS, "witness", f"[rank {rank}] died {killed}"], stdin=subprocess.PIPE
        )
        self._previous_hook = sys.excepthook
        sys.excepthook = self._on_exception
        atexit.register(self.close)

    def close(self) -> None:
        """From now on this rank's end is nobody's concern. Does nothing the second time."""
        if self._witness.poll() is None:
            self._witness.communicate(b"farewell\n")
        if sys.excepthook == self._on_exception:
            sys.excepthook = self._previous_hook
        atexit.unregister(self.close)

    def _on_exception(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        self._previous_hook(kind, error, traceback)
        message = " ".join(str(error).split())
        print(f"[rank {self.rank}] died of {kind.__name__}: {message}", file=sys.stderr, flush=True)
        self.close()

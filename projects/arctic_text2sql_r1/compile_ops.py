# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Compiles the DeepSpeed operators that CPU training uses, so that no later run stops for it.

Run by `make ops` with TORCH_EXTENSIONS_DIR set; running it again only loads what is there. Operators for GPUs are
compiled by DeepSpeed itself on first use and are not touched here.
"""

import fcntl
import os
import sys
import time
from pathlib import Path

# What compiles them otherwise: init_distributed, the recipes' fused_adam, and ZeRO's offloaded optimizer.
BUILDERS = ("ShareMemCommBuilder", "FusedAdamBuilder", "CPUAdamBuilder")


def remove_stale_locks(folder: Path) -> None:
    """Deletes the lock files that a killed compilation leaves behind: torch waits for them for ever."""
    for lock in folder.glob("*/lock"):
        lock.unlink()
        print(f"Removed {lock.relative_to(folder)}, left by a compilation that was killed.")


def compile_operators() -> None:
    """Compiles or loads each operator, printing its seconds."""
    from deepspeed.accelerator import get_accelerator

    for name in BUILDERS:
        start = time.monotonic()
        builder = get_accelerator().create_op_builder(name)
        builder.load(verbose=False)
        print(f"  {builder.name}: {time.monotonic() - start:.0f} s", flush=True)


def main() -> int:
    folder = os.environ.get("TORCH_EXTENSIONS_DIR")
    if not folder:
        print("TORCH_EXTENSIONS_DIR is not set: run 'make ops', or name the folder to compile into.", file=sys.stderr)
        return 2
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    # The owner's lock vanishes with its process, so whoever holds it knows that torch's own lock files are stale.
    with open(root / ".owner", "w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        remove_stale_locks(root)
        compile_operators()
    return 0


if __name__ == "__main__":
    sys.exit(main())

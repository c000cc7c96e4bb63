# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`text2sql-r1 push FOLDER USER/NAME [--dry-run]`: flags and the call."""

import argparse
import sys
from pathlib import Path


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="what export wrote, or a run's step such as OUTPUT_DIR/run_1/best")
    add("repo", metavar="USER/NAME", help="repository on the Hugging Face hub, made if it is not there")
    add("--private", action="store_true", help="make a private repository; refused where a public one is there")
    add("--dry-run", action="store_true", help="list files, sizes and destination; send and ask nothing")
    add("--revision", metavar="BRANCH", help="branch to commit to, made if it is not there (default: main)")
    add("--commit-message", metavar="TEXT", help="default: what is uploaded and after how many updates")


def run(flags: argparse.Namespace) -> None:
    """`text2sql-r1 push`."""
    from arctic_text2sql_r1.environment import load_env_file

    load_env_file()  # before the hub's library reads its settings
    from arctic_text2sql_r1.publishing.push import dry_run_lines
    from arctic_text2sql_r1.publishing.push import push
    from arctic_text2sql_r1.publishing.upload import Destination

    to = Destination(flags.repo, private=flags.private, revision=flags.revision)
    if flags.dry_run:
        print("\n".join(dry_run_lines(flags.folder, to)))
    else:
        told = push(flags.folder, to, flags.commit_message, lambda text: print(text, file=sys.stderr, flush=True))
        print(told)

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A run's step or an exported folder as a repository of the hub: what would be sent, and sending it.

A step gets its card when it is pushed, under the repository's name. An exported folder has one already, perhaps
edited; only the model's name in it is changed to the repository's.
"""

from collections.abc import Callable
from pathlib import Path

from arctic_text2sql_r1.publishing.bundle import CARD
from arctic_text2sql_r1.publishing.bundle import Bundle
from arctic_text2sql_r1.publishing.bundle import bundle_of
from arctic_text2sql_r1.publishing.card import model_card
from arctic_text2sql_r1.publishing.card_usage import renamed
from arctic_text2sql_r1.publishing.export import card_facts
from arctic_text2sql_r1.publishing.trained import TrainedModel
from arctic_text2sql_r1.publishing.trained import read_trained
from arctic_text2sql_r1.publishing.upload import Destination
from arctic_text2sql_r1.publishing.upload import check_repo
from arctic_text2sql_r1.publishing.upload import endpoint
from arctic_text2sql_r1.publishing.upload import has_token
from arctic_text2sql_r1.publishing.upload import upload


def push(folder: Path, to: Destination, message: str | None, on_note: Callable[[str], None]) -> str:
    """Uploads what is in `folder`; returns the line that tells it.

    Raises `ModelError` for a folder that is not whole, `PublishingError` where the hub does not take it.
    """
    check_repo(to.repo)
    model = read_trained(folder)
    bundle = _bundle(model, to.repo)
    on_note(_contents(bundle))
    if model.kind == "adapter" and model.base is not None and not model.base.on_hub:
        on_note(
            f"note: the base model '{model.base.name}' is a folder of yours; who loads this adapter needs it. "
            "text2sql-r1 export makes a model that stands alone."
        )
    done = upload(bundle, to, message or _message(model), on_note)
    if done.commit is None:
        return f"{done.address}: nothing to do, it holds these {len(bundle.files)} files already"
    removed = "" if len(done.removed) == 0 else f"; removed older weights: {', '.join(done.removed)}"
    return f"{done.address}: {len(bundle.files)} files, commit {done.commit[:12]}{removed}"


def dry_run_lines(folder: Path, to: Destination) -> list[str]:
    """What `push` would send and where to. Nothing is sent or asked."""
    check_repo(to.repo)
    bundle = _bundle(read_trained(folder), to.repo)
    width = max(len(name) for name in bundle.files)
    branch = "" if to.revision is None else f", branch {to.revision}"
    kind = "private" if to.private else "public"
    lines = [
        "dry run: nothing is sent",
        f"  to     {to.repo} at {endpoint()}{branch} ({kind} if it is made anew)",
        f"  token  {'found' if has_token() else 'none; set HF_TOKEN or run `hf auth login`'}",
        *(f"  {name:<{width}}  {_bytes(bundle.size(name)):>9}" for name in sorted(bundle.files)),
        f"  {_contents(bundle)}",
    ]
    return lines if len(bundle.left_out) == 0 else [*lines, f"  stays here: {', '.join(bundle.left_out)}"]


def _bundle(model: TrainedModel, repo: str) -> Bundle:
    card = model.folder / CARD
    if model.exported is None or not card.is_file():
        return bundle_of(model, model_card(card_facts(model, name=repo)))
    return bundle_of(model, renamed(card.read_text(encoding="utf-8"), old=model.folder.name, new=repo))


def _message(model: TrainedModel) -> str:
    what = dict(adapter="adapter", merged="merged model", full="model")[model.kind]
    step = model.record.get("global_step")
    return f"Upload {what}" + ("" if step is None else f" after update {step}")


def _contents(bundle: Bundle) -> str:
    return f"{len(bundle.files)} files, {_bytes(sum(bundle.size(name) for name in bundle.files))}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"

# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A bundle of files sent to the Hugging Face hub as one commit, through `huggingface_hub`, which does the talking.

Here stand what that library leaves to its callers: what is checked before, trying again when a connection breaks or
the hub is busy, what becomes of weights that an earlier upload left, and one message for each way to fail. The token
is the library's own affair (HF_TOKEN, or `hf auth login`): it is not read here except to blot it out of messages.
"""

import logging
import re
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

from arctic_text2sql_r1.adapters import ADAPTER_CONFIG
from arctic_text2sql_r1.data.downloads import FIRST_PAUSE_S
from arctic_text2sql_r1.data.downloads import PASSING_STATUS
from arctic_text2sql_r1.data.downloads import TRIES
from arctic_text2sql_r1.errors import PublishingError
from arctic_text2sql_r1.publishing.bundle import WEIGHTS
from arctic_text2sql_r1.publishing.bundle import Bundle

T = TypeVar("T")
Pause = Callable[[float], None]

_BUSY = PASSING_STATUS | {409, 412}  # somebody else commits at this moment
_LONGEST_PAUSE_S = 300.0
_STALE = (*WEIGHTS, ADAPTER_CONFIG, "pytorch_model*.bin")
_LOG_IN = "Set HF_TOKEN (in the environment or in .env) or run `hf auth login`; the token needs the right to write."


@dataclass(frozen=True)
class Destination:
    """A repository `USER/NAME` of the hub. `private` asks for a private one; `revision` None is its main branch."""

    repo: str
    private: bool = False
    revision: str | None = None


@dataclass(frozen=True)
class Uploaded:
    """`commit` is None where the repository held all of it already; `removed` are weights of earlier uploads."""

    address: str
    commit: str | None
    removed: tuple[str, ...]


def check_repo(repo: str) -> None:
    """Raises `PublishingError` unless `repo` is a name that a repository of a user or organisation may have."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise PublishingError(f"'{repo}' cannot be a repository's name: {error} Expected USER/NAME.") from error
    if repo.count("/") != 1 or not repo.isascii():
        raise PublishingError(f"'{repo}' cannot be a repository of a user or organisation. Expected USER/NAME.")


def require_access(repo: str) -> None:
    """Raises `PublishingError` where an upload to `repo` cannot even begin: offline mode, no token. Asks nobody."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise PublishingError(
            f"Cannot upload to '{repo}': offline mode is on (HF_HUB_OFFLINE). Unset HF_HUB_OFFLINE and try again."
        )
    if not has_token():
        raise PublishingError(f"Cannot upload to '{repo}': there is no token for the hub. {_LOG_IN}")


def has_token() -> bool:
    """Whether the hub's library finds a token."""
    from huggingface_hub import get_token

    return get_token() is not None


def endpoint() -> str:
    """The hub's address, for people."""
    from huggingface_hub import constants

    return public_address(str(constants.ENDPOINT))


def public_address(text: str) -> str:
    """An address without what may be a secret in it: user and password, query. What is none is returned as it is."""
    parts = urlsplit(text)
    if parts.scheme == "":
        return text
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def upload(
    bundle: Bundle,
    to: Destination,
    message: str,
    on_note: Callable[[str], None] = lambda text: None,
    pause: Pause = time.sleep,
) -> Uploaded:
    """Makes the repository if need be and commits what of `bundle` it does not hold yet; a progress bar is drawn.

    Weights of another shape that an earlier upload left at its root are removed in the same commit: libraries would
    load them instead. Broken connections and a busy hub are tried again, `TRIES` times in all, after `pause(seconds)`
    or as long as the hub asks; what has arrived is not sent again. Raises `PublishingError`.
    """
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub import HfApi

    check_repo(to.repo)
    require_access(to.repo)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its notes on each try would stand beside ours
    api = HfApi(library_name="arctic-text2sql-r1", token=True)
    retry = _Retry(to, on_note, pause)
    retry(lambda: _make(api, to))
    on_note(f"hashing {len(bundle.files)} files")
    added = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=content if isinstance(content, bytes) else str(content))
        for name, content in bundle.files.items()
    ]
    # Each try begins with unused copies: they remember what an earlier try learnt of the repository.
    return retry(lambda: _commit(api, to, [copy(one) for one in added], message))


def _make(api: Any, to: Destination) -> None:
    api.create_repo(to.repo, private=to.private or None, exist_ok=True)
    if to.private and not api.repo_info(to.repo).private:
        raise PublishingError(
            f"'{to.repo}' exists and is public, but --private was asked for. Make it private in its settings, or "
            "leave --private out."
        )
    if to.revision is not None:
        api.create_branch(to.repo, branch=to.revision, exist_ok=True)


def _commit(api: Any, to: Destination, added: list[Any], message: str) -> Uploaded:
    from huggingface_hub import CommitOperationDelete

    before = api.repo_info(to.repo, revision=to.revision)
    names = {one.path_in_repo for one in added}
    there = [sibling.rfilename for sibling in before.siblings or []]
    stale = [name for name in there if name not in names and any(fnmatch(name, kind) for kind in _STALE)]
    stale = [name for name in stale if "/" not in name]
    operations = [*added, *(CommitOperationDelete(path_in_repo=name) for name in stale)]
    made = api.create_commit(to.repo, operations=operations, commit_message=message, revision=to.revision)
    address = f"{endpoint()}/{to.repo}" + ("" if to.revision is None else f"/tree/{to.revision}")
    return Uploaded(address, None if made.oid == before.sha else made.oid, tuple(stale))


class _Retry:
    """Calls a step of the upload again while what fails may pass."""

    def __init__(self, to: Destination, on_note: Callable[[str], None], pause: Pause) -> None:
        self.to, self.on_note, self.pause = to, on_note, pause

    def __call__(self, step: Callable[[], T]) -> T:
        import httpx

        failures = 0
        while True:
            try:
                return step()
            except (OSError, ValueError, RuntimeError, httpx.HTTPError) as error:
                failures += 1
                status, wait = _status(error), _asked_wait(error)
                if failures == TRIES or not _may_pass(error, status):
                    raise PublishingError(_told(error, status, self.to)) from None  # its text may hold the token
            seconds = min(wait or FIRST_PAUSE_S * 2 ** (failures - 1), _LONGEST_PAUSE_S)
            what = "the connection broke" if status is None else f"the hub answered {status}"
            self.on_note(f"{what}; trying again in {seconds:g} s ({failures} of {TRIES - 1})")
            self.pause(seconds)


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__
    return found


def _status(error: BaseException) -> int | None:
    """The HTTP status behind an error; None where no answer came."""
    answers = [getattr(one, "response", None) for one in _causes(error)]
    return next((int(answer.status_code) for answer in answers if answer is not None), None)


def _asked_wait(error: BaseException) -> float | None:
    """Seconds that the hub asks to wait."""
    for one in _causes(error):
        asked = getattr(getattr(one, "response", None), "headers", {}).get("Retry-After", "")
        if asked.isdecimal():
            return float(asked)
    return None


def _may_pass(error: BaseException, status: int | None) -> bool:
    """A busy hub or a broken connection; not a refusal, and not a fault of this machine's disk."""
    if status is not None:
        return status in _BUSY
    own = [one for one in _causes(error) if isinstance(one, ValueError) or getattr(one, "errno", None) is not None]
    return len(own) == 0 or any(isinstance(one, ConnectionError) for one in _causes(error))


def _told(error: BaseException, status: int | None, to: Destination) -> str:
    failed = f"Cannot upload to '{to.repo}' at {endpoint()}: "
    if status == 401:
        return f"{failed}the hub does not accept the token (401). {_LOG_IN}"
    if status == 403:
        return f"{failed}this token may not write there (403). Check the user or organisation, or use another token."
    if status == 404:
        return f"{failed}there is no such user, organisation or branch (404). Check the name."
    text = " ".join(_without_token(str(error)).split())
    remedy = "Run the same command again: what has arrived is not sent twice."
    return f"{failed}{type(error).__name__}: {text} {remedy}"


def _without_token(text: str) -> str:
    """`text` without the token, and without users and passwords in addresses."""
    from huggingface_hub import get_token

    token = get_token()
    text = text if token is None else text.replace(token, "***")
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)

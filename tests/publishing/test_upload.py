# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Uploads to a hub on this machine: every byte arrives once, a busy hub is waited for, a refusal is one error."""

import hashlib
from pathlib import Path

import pytest

from arctic_text2sql_r1.errors import PublishingError
from arctic_text2sql_r1.publishing.bundle import Bundle
from arctic_text2sql_r1.publishing.upload import Destination
from arctic_text2sql_r1.publishing.upload import Uploaded
from arctic_text2sql_r1.publishing.upload import upload
from tests.publishing.hub_server import TOKEN
from tests.publishing.hub_server import Fault
from tests.publishing.hub_server import HubServer
from tests.publishing.hub_server import Repository

pytestmark = pytest.mark.slow

WEIGHTS = bytes(range(256)) * 200
CARD = b"---\ntags:\n- x\n---\n# model\n"
MODEL = Destination("ada/model")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    (tmp_path / "weights").write_bytes(WEIGHTS)
    return Bundle({"README.md": CARD, "config.json": b"{}", "model.safetensors": tmp_path / "weights"})


def send(bundle: Bundle, to: Destination = MODEL) -> tuple[Uploaded, list[str], list[float]]:
    notes: list[str] = []
    pauses: list[float] = []
    return upload(bundle, to, "message", notes.append, pauses.append), notes, pauses


def whole(hub: HubServer) -> bool:
    expected = {"README.md": CARD, "config.json": b"{}", "model.safetensors": WEIGHTS}
    return hub.repositories["ada/model"].files == expected


def test_every_file_arrives_in_one_commit(hub: HubServer, bundle: Bundle) -> None:
    done, _, _ = send(bundle)
    assert whole(hub)
    assert [commit["summary"] for commit in hub.repositories["ada/model"].commits] == ["message"]
    assert done == Uploaded(f"{hub.url}/ada/model", hub.repositories["ada/model"].head, removed=())


def test_large_files_arrive_in_parts_as_well(hub: HubServer, bundle: Bundle) -> None:
    hub.chunk = 20_000  # 51,200 bytes are three parts
    send(bundle)
    assert hub.count("PUT /part/") == 3
    assert hashlib.sha256(hub.repositories["ada/model"].files["model.safetensors"]).digest() == (
        hashlib.sha256(WEIGHTS).digest()
    )


def test_second_upload_of_the_same_finds_nothing_to_do(hub: HubServer, bundle: Bundle) -> None:
    send(bundle)
    done, _, _ = send(bundle)
    assert done.commit is None
    assert len(hub.repositories["ada/model"].commits) == hub.count("PUT") == 1


def test_only_what_changed_is_sent_again(hub: HubServer, bundle: Bundle) -> None:
    send(bundle)
    send(Bundle(dict(bundle.files, **{"README.md": CARD + b"more\n"})))
    assert hub.count("PUT") == 1
    assert hub.repositories["ada/model"].files["README.md"].endswith(b"more\n")


@pytest.mark.parametrize("status", [0, 408, 429, 500, 502, 503])
@pytest.mark.parametrize("where", ["repos/create", "preupload", "objects/batch", "PUT", "verify", "/commit/"])
def test_passing_fault_at_any_step_is_outlived(hub: HubServer, bundle: Bundle, where: str, status: int) -> None:
    hub.faults = [Fault(where, status)] * 2
    send(bundle)
    assert whole(hub)
    assert len(hub.repositories["ada/model"].commits) == 1


@pytest.mark.parametrize("status", [409, 412])
def test_commit_beside_somebody_elses_is_made_again(hub: HubServer, bundle: Bundle, status: int) -> None:
    hub.faults = [Fault("/commit/", status)]
    send(bundle)
    assert whole(hub)


def test_what_has_arrived_is_not_sent_again(hub: HubServer, bundle: Bundle) -> None:
    hub.faults = [Fault("/commit/", 503)]
    send(bundle)
    assert hub.count("PUT /lfs/") == 1


def test_commit_whose_answer_is_lost_is_not_made_twice(hub: HubServer, bundle: Bundle) -> None:
    hub.faults = [Fault("/commit/", after=True)]
    send(bundle)
    assert whole(hub)
    assert len(hub.repositories["ada/model"].commits) == 1


def test_hub_that_says_how_long_to_wait_is_obeyed(hub: HubServer, bundle: Bundle) -> None:
    hub.faults = [Fault("preupload", 429, {"Retry-After": "17"}), Fault("/commit/", 503)]
    _, notes, pauses = send(bundle)
    assert pauses == [17, 2]
    assert "the hub answered 429; trying again in 17 s (1 of 5)" in notes


def test_hub_that_stays_busy_is_given_up(hub: HubServer, bundle: Bundle) -> None:
    hub.faults = [Fault("preupload", 503)] * 20
    with pytest.raises(PublishingError, match="Cannot upload to 'ada/model' at .*503.* Run the same command again"):
        send(bundle)
    assert hub.count("preupload") == 6


@pytest.mark.parametrize(
    ("where", "status", "told"),
    [
        ("create", 401, "the hub does not accept the token"),
        ("create", 403, "this token may not write there"),
        ("create", 404, "no such user, organisation or branch"),
        ("/commit/", 403, "this token may not write there"),
        ("preupload", 400, "as the test wants"),
    ],
)
def test_refusal_is_told_at_once(hub: HubServer, bundle: Bundle, where: str, status: int, told: str) -> None:
    hub.faults = [Fault(where, status)] * 9
    with pytest.raises(PublishingError, match=told):
        send(bundle)
    assert hub.count(where) == 1


def test_wrong_token_and_foreign_namespace_are_refused(
    hub: HubServer, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PublishingError, match="may not write there"):
        send(bundle, Destination("grace/model"))
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(PublishingError, match="does not accept the token"):
        send(bundle)


def test_no_token_is_told_before_anything_is_asked(
    hub: HubServer, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(PublishingError, match="no token for the hub. Set HF_TOKEN .* or run `hf auth login`"):
        send(bundle)
    assert hub.log == []


def test_offline_mode_is_told(hub: HubServer, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(PublishingError, match="offline mode is on .*Unset HF_HUB_OFFLINE"):
        send(bundle)


def test_hub_that_is_not_there_is_told(bundle: Bundle, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(PublishingError, match="ConnectionError"):
        send(bundle)


@pytest.mark.parametrize("repo", ["", "model", "a/b/c", "ada/", "/ada", "ada/mo del", "ada/x--y", "ada/.git", "ä/b"])
def test_name_that_no_repository_can_have_is_refused(hub: HubServer, bundle: Bundle, repo: str) -> None:
    with pytest.raises(PublishingError, match="Expected USER/NAME"):
        send(bundle, Destination(repo))
    assert hub.log == []


def test_weights_that_an_earlier_upload_left_go_with_the_commit(hub: HubServer, bundle: Bundle) -> None:
    left = {"adapter_config.json": b"{}", "model-00001-of-00002.safetensors": b"x", "notes.md": b"mine"}
    hub.repositories["ada/model"] = Repository(files=dict(left, **{"sub/model.safetensors": b"y"}))
    done, _, _ = send(bundle)
    assert done.removed == ("adapter_config.json", "model-00001-of-00002.safetensors")
    assert {"notes.md", "sub/model.safetensors"} < set(hub.repositories["ada/model"].files)


def test_private_is_asked_for_and_a_public_repository_then_refused(hub: HubServer, bundle: Bundle) -> None:
    send(bundle, Destination("ada/secret", private=True))
    assert hub.repositories["ada/secret"].private
    hub.repositories["ada/open"] = Repository()
    with pytest.raises(PublishingError, match="exists and is public"):
        send(bundle, Destination("ada/open", private=True))
    assert hub.repositories["ada/open"].files == {}


def test_branch_is_made_and_committed_to(hub: HubServer, bundle: Bundle) -> None:
    done, _, _ = send(bundle, Destination("ada/model", revision="step-20"))
    assert hub.repositories["ada/model"].branches == ["main", "step-20"]
    assert hub.count("/commit/step-20") == 1
    assert done.address.endswith("/ada/model/tree/step-20")


def test_token_is_in_no_message(hub: HubServer, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.faults = [Fault("preupload", 400, text=f"bad request by {TOKEN}")]
    with pytest.raises(PublishingError, match=r"bad request by \*\*\*") as caught:
        send(bundle)
    assert caught.value.__cause__ is None and TOKEN not in str(caught.value)
    monkeypatch.setenv("HF_TOKEN", f"{TOKEN}€")  # no header can hold this
    with pytest.raises(PublishingError, match="UnicodeEncodeError") as caught:
        send(bundle)
    assert TOKEN not in str(caught.value)

"""Model facts from a stand-in Hub over real HTTP: what is asked, what is understood, how faults are told."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from core.cancellation import CancelToken
from core.errors import (
    AccessError,
    CancelledByUser,
    NotFoundError,
    RefusedError,
    SagewizardError,
    UnreachableError,
)
from core.models.facts import ModelFacts
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import HubReference, SampleReference
from core.models.weight_set import select_weight_set
from tests.contract.sandbox_account import until
from tests.stand_in_hub import Ghost, StandInHub, safetensors

NAME = "acme/tiny"
CONFIG = {
    "architectures": ["GPTNeoForCausalLM"],
    "model_type": "gpt_neo",
    "num_layers": 12,
    "num_heads": 12,
    "hidden_size": 768,
    "max_position_embeddings": 2048,
}
FILES: dict[str, bytes | Ghost] = {
    "config.json": json.dumps(CONFIG).encode(),
    "model.safetensors": safetensors(),
    "tokenizer.json": b"{}",
    "README.md": b"# tiny",
}


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with StandInHub() as stand_in:
        yield stand_in


def client(hub: StandInHub, token: str | None = None, **settings: Any) -> HubClient:
    return HubClient(hub.url, token, **{"timeout": 60.0, "pause": 0.01, **settings})


def look(hub: StandInHub, name: str = NAME, revision: str | None = None, **settings: Any) -> ModelFacts:
    return inspect_model(HubReference(name, revision), client(hub, **settings), CancelToken())


def test_facts_come_from_two_requests(hub: StandInHub) -> None:
    repository = hub.add(
        NAME,
        FILES,
        fields={
            "pipeline_tag": "text-generation",
            "library_name": "transformers",
            "cardData": {"license": "mit"},
            "safetensors": {"parameters": {"F32": 32}, "total": 32},
            "config": {"tokenizer_config": {"chat_template": "{{ messages }}"}},
        },
    )
    facts = look(hub)
    assert len(hub.requests) == 2
    assert facts.revision == repository.commit
    assert (facts.task, facts.library, facts.license) == ("text-generation", "transformers", "mit")
    assert (facts.architecture, facts.parameters, facts.dtype) == ("GPTNeoForCausalLM", 32, "float32")
    assert facts.chat_template
    by_path = {file.path: file for file in facts.files}
    assert by_path["model.safetensors"].bytes == len(safetensors())
    assert by_path["model.safetensors"].sha256 is not None
    assert by_path["model.safetensors"].git_sha1 is None
    assert by_path["config.json"].git_sha1 is not None
    assert facts.warnings == ()


def test_later_requests_are_pinned_to_the_commit(hub: StandInHub) -> None:
    repository = hub.add(NAME, FILES)
    look(hub, revision="main")
    assert "/revision/main" in hub.requests[0].path
    assert f"/resolve/{repository.commit}/config.json" in hub.requests[1].path


def test_191_shards_cost_three_requests(hub: StandInHub) -> None:
    shards = [f"model-{number:05}-of-00191.safetensors" for number in range(1, 192)]
    index = {"metadata": {}, "weight_map": {f"layer.{number}": shard for number, shard in enumerate(shards)}}
    hub.add(
        "meta/huge",
        {
            "config.json": FILES["config.json"],
            "tokenizer.json": b"{}",
            "model.safetensors.index.json": json.dumps(index).encode(),
            **{shard: Ghost(4_250_000_000) for shard in shards},
        },
        fields={"safetensors": {"parameters": {"BF16": 405_853_388_800}, "total": 405_853_388_800}},
    )
    facts = look(hub, "meta/huge")
    assert len(hub.requests) == 3
    assert all(request.origin == "hub" for request in hub.requests)
    weights = select_weight_set(facts)
    assert weights.shards == 191
    assert weights.weight_bytes == 191 * 4_250_000_000
    assert facts.dtype == "bfloat16"


def test_what_the_card_does_not_say_is_read_from_the_config(hub: StandInHub) -> None:
    hub.add(NAME, FILES, fields={"tags": ["license:apache-2.0"]})
    facts = look(hub)
    assert (facts.task, facts.library, facts.license) == ("text-generation", "transformers", "apache-2.0")


def test_pickles_are_warned_of_with_the_scan(hub: StandInHub) -> None:
    files = {"config.json": FILES["config.json"], "tokenizer.json": b"{}", "pytorch_model.bin": b"x" * 10}
    scan = {"scansDone": True, "filesWithIssues": [{"path": "pytorch_model.bin", "level": "unsafe"}]}
    hub.add(NAME, files, fields={"securityRepoStatus": scan})
    first, second = look(hub).warnings
    assert "pickle" in first
    assert "pytorch_model.bin" in second


def test_the_sample_is_the_same_from_the_hub_and_from_its_folder(hub: StandInHub) -> None:
    hub.add_folder("sagewizard/sample", SampleReference().path)
    there = look(hub, "sagewizard/sample")
    here = inspect_model(SampleReference(), client(hub), CancelToken())
    assert [(file.path, file.bytes) for file in there.files] == [(file.path, file.bytes) for file in here.files]
    assert there.config == here.config
    assert here.chat_template
    assert here.parameters == 1_222_560


def test_an_unknown_model(hub: StandInHub) -> None:
    with pytest.raises(NotFoundError, match="no model “acme/none”") as caught:
        look(hub, "acme/none")
    assert "HF_TOKEN" in caught.value.fix
    assert "spelling" in caught.value.fix


def test_an_unknown_model_with_a_token(hub: StandInHub) -> None:
    with pytest.raises(NotFoundError, match="no model"):
        look(hub, "acme/none", token="hf_good")


def test_a_private_model_opens_to_the_token(hub: StandInHub) -> None:
    hub.add(NAME, FILES, private=True)
    with pytest.raises(NotFoundError):
        look(hub)
    assert look(hub, token="hf_good").files


def test_a_gated_model_names_the_page_to_ask_at(hub: StandInHub) -> None:
    hub.add(NAME, FILES, gated="manual")
    with pytest.raises(AccessError, match="gated") as caught:
        look(hub)
    assert f"{hub.url}/{NAME}" in caught.value.fix
    facts = look(hub, token="hf_good")
    assert facts.gated == "manual"
    assert any("gated" in warning for warning in facts.warnings)


def test_a_disabled_model(hub: StandInHub) -> None:
    hub.add(NAME, FILES, disabled=True)
    with pytest.raises(AccessError, match="disabled"):
        look(hub)


def test_an_unknown_revision(hub: StandInHub) -> None:
    hub.add(NAME, FILES)
    with pytest.raises(NotFoundError, match="no revision “v9”"):
        look(hub, revision="v9")


def test_a_bad_token_is_told_of_and_not_shown(hub: StandInHub) -> None:
    hub.add(NAME, FILES)
    with pytest.raises(AccessError, match="does not accept the token") as caught:
        look(hub, token="hf_secretbad")
    assert "secretbad" not in f"{caught.value}{caught.value.fix}{caught.value.__cause__}"


def test_a_token_with_a_line_feed_is_refused_before_it_is_sent(hub: StandInHub) -> None:
    with pytest.raises(AccessError, match="characters") as caught:
        look(hub, token="hf_a\nX-Injected: b")
    assert hub.requests == []
    assert "hf_a" not in str(caught.value)


def test_the_endpoint_and_the_token_of_the_environment_count_when_asked(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(NAME, FILES, private=True)
    asked = HubClient(pause=0.01)
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.url}/")
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert inspect_model(HubReference(NAME), asked, CancelToken()).files
    assert {request.token for request in hub.requests} == {"hf_good"}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_trouble_is_waited_out(hub: StandInHub, status: int) -> None:
    hub.add(NAME, FILES)
    hub.fault("/api/models", status=status, times=2)
    hub.fault("config.json", status=status, times=2)
    assert look(hub).files
    assert len(hub.requests) == 6


def test_retry_after_is_honoured(hub: StandInHub) -> None:
    hub.add(NAME, FILES)
    hub.fault("/api/models", status=429, headers={"Retry-After": "0"})
    assert look(hub, pause=3600.0).files  # our own pause would not end within the test's time


def test_a_wait_that_is_too_long_is_told_of(hub: StandInHub) -> None:
    hub.add(NAME, FILES)
    hub.fault("/api/models", status=429, headers={"ratelimit": '"api";r=0;t=240'})
    with pytest.raises(UnreachableError, match="240 seconds"):
        look(hub)
    assert len(hub.requests) == 1


def test_lasting_trouble_ends_in_a_sentence(hub: StandInHub) -> None:
    hub.add(NAME, FILES)
    hub.fault("/api/models", status=503, times=99)
    with pytest.raises(UnreachableError, match="503"):
        look(hub)
    assert len(hub.requests) == 4


def test_a_hub_that_hangs_is_given_up_on(hub: StandInHub) -> None:
    hub.add(NAME, FILES)
    hub.fault("/api/models", hang=True, times=9)
    with pytest.raises(UnreachableError, match=r"did not answer within 0\.2 seconds"):
        look(hub, timeout=0.2)
    assert until(lambda: len(hub.requests), lambda count: count >= 2) == 2  # the stand-in may read them late


def test_a_refused_connection() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = taken.getsockname()[1]
    asked = HubClient(f"http://127.0.0.1:{free}", pause=0.01)
    with pytest.raises(UnreachableError, match="cannot be reached") as caught:
        inspect_model(HubReference(NAME), asked, CancelToken())
    assert "HF_ENDPOINT" in caught.value.fix


def test_an_endpoint_that_is_no_address() -> None:
    with pytest.raises(UnreachableError, match=r"localhost:99 could not be asked: .*[^.]\.$"):
        inspect_model(HubReference(NAME), HubClient("localhost:99"), CancelToken())


def test_an_answer_cut_short_is_asked_for_again(hub: StandInHub) -> None:
    hub.add(NAME, FILES)
    hub.fault("/api/models", cut_after=20)
    assert look(hub).files
    assert len(hub.requests) == 3


@pytest.mark.parametrize(
    "body",
    [b'{"id": "acme/ti', b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"sha": "main", "siblings": []}'],
    ids=["truncated", "list", "empty", "binary", "deep", "no commit"],
)
def test_an_answer_that_makes_no_sense(hub: StandInHub, body: bytes) -> None:
    hub.add(NAME, FILES)
    hub.fault("/api/models", body=body)
    with pytest.raises(SagewizardError, match="makes no sense"):
        look(hub)


@pytest.mark.parametrize("siblings", ["x", [1], [{"rfilename": "a"}], [{"rfilename": "a", "size": "1"}]])
def test_a_listing_that_makes_no_sense(hub: StandInHub, siblings: object) -> None:
    hub.add(NAME, FILES, fields={"siblings": siblings})
    with pytest.raises(SagewizardError, match="makes no sense"):
        look(hub)


@pytest.mark.parametrize("body", [b'{"model_type": "gpt', b"[1]", b"\x80abc"], ids=["truncated", "list", "binary"])
def test_a_malformed_config(hub: StandInHub, body: bytes) -> None:
    hub.add(NAME, {**FILES, "config.json": body})
    with pytest.raises(SagewizardError, match=r"config\.json of acme/tiny is not"):
        look(hub)


def test_a_config_without_end_is_not_read_to_its_end(hub: StandInHub) -> None:
    hub.add(NAME, {**FILES, "config.json": b" " * (5 * 2**20)})
    with pytest.raises(SagewizardError, match="larger than"):
        look(hub)


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/passwd", "a/../../b", "a\x1b[2Jb", "a\\b", "C:evil", "a//b", ".", "a/", "x" * 300]
)
def test_hostile_file_names_are_refused(hub: StandInHub, path: str) -> None:
    hub.add(NAME, {**FILES, path: b"1"})
    with pytest.raises(RefusedError, match="unusable name") as caught:
        look(hub)
    assert "\x1b" not in str(caught.value)


def test_a_repository_without_files(hub: StandInHub) -> None:
    hub.add(NAME, {})
    with pytest.raises(RefusedError, match="no files"):
        look(hub)


def test_stopping_ends_the_wait_between_attempts(hub: StandInHub) -> None:
    hub.add(NAME, FILES)
    hub.fault("/api/models", status=503, times=99)
    cancel = CancelToken()
    ended: list[type[BaseException]] = []

    def work() -> None:
        try:
            inspect_model(HubReference(NAME), client(hub, pause=3600.0), cancel)
        except SagewizardError as error:
            ended.append(type(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until(lambda: hub.requests, bool)
    cancel.cancel()
    thread.join(30)
    assert ended == [CancelledByUser]


def test_nothing_reaches_the_screen(hub: StandInHub, capfd: pytest.CaptureFixture[str]) -> None:
    hub.add(NAME, FILES)
    hub.fault("/api/models", status=503, times=1)
    look(hub)
    assert capfd.readouterr() == ("", "")

"""Pipelines, adapters, GGUF files and code from a stand-in Hub: what is asked of it, and what its faults look like."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.cancellation import CancelToken
from core.errors import NotFoundError, RefusedError, SagewizardError, UnreachableError
from core.instances.engine_choice import reason_against_model
from core.instances.engine_rules import ENGINE_RULES
from core.instances.fit_document import fit_document
from core.instances.offers import Offers
from core.instances.survey import survey
from core.models.facts import ModelFacts
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.quantization import Quantization
from core.models.reference import HubReference
from core.models.weight_set import select_weight_set
from tests.gguf_file import gguf_bytes
from tests.stand_in_hub import Ghost, StandInHub, safetensors

NAME = "acme/thing"
LLAMA = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 64,
    "llama.embedding_length": 32,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
}


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with StandInHub() as stand_in:
        yield stand_in


def look(hub: StandInHub, **settings: Any) -> ModelFacts:
    client = HubClient(hub.url, **{"timeout": 60.0, "pause": 0.01, **settings})
    return inspect_model(HubReference(NAME), client, CancelToken())


def gguf(values: dict[str, object] | None = None, name: str = "thing.Q4_K_M.gguf") -> dict[str, bytes | Ghost]:
    return {name: Ghost(4 * 10**9, head=gguf_bytes(LLAMA if values is None else values)), "README.md": b"# thing"}


PIPELINE: dict[str, bytes | Ghost] = {
    "model_index.json": json.dumps(
        {
            "_class_name": "FluxPipeline",
            "_diffusers_version": "0.30",
            "transformer": ["diffusers", "FluxTransformer2DModel"],
            "vae": ["diffusers", "AutoencoderKL"],
            "safety_checker": [None, None],
        }
    ).encode(),
    "transformer/config.json": b'{"sample_size": 64}',
    "transformer/diffusion_pytorch_model.safetensors": Ghost(10**9),
    "vae/diffusion_pytorch_model.safetensors": Ghost(10**8),
}
ADAPTER: dict[str, bytes | Ghost] = {
    "adapter_config.json": json.dumps({"base_model_name_or_path": "acme/base", "peft_type": "LORA"}).encode(),
    "adapter_model.safetensors": safetensors(),
}
BASE: dict[str, bytes | Ghost] = {
    "config.json": b'{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}',
    "model.safetensors": safetensors(),
    "tokenizer.json": b"{}",
}


def test_a_pipeline_says_what_it_is_made_of(hub: StandInHub) -> None:
    hub.add(NAME, PIPELINE)
    facts = look(hub)
    assert len(hub.requests) == 3
    assert (facts.kind, facts.task, facts.architecture) == ("diffusers", "text-to-image", "FluxPipeline")
    assert facts.pipeline is not None
    assert [part.folder for part in facts.pipeline.parts] == ["transformer", "vae"]
    assert facts.pipeline.pixels == 512
    assert select_weight_set(facts).weight_bytes == 1_100_000_000


def test_a_gguf_header_is_read_by_range(hub: StandInHub) -> None:
    hub.add(NAME, gguf())
    facts = look(hub)
    assert (facts.kind, facts.architecture, facts.dtype) == ("gguf", "llama", "Q4_K_M")
    assert facts.config["num_key_value_heads"] == 2
    assert [request.range for request in hub.requests if request.origin == "cdn"] == ["bytes=0-32767"]


def test_a_longer_header_is_read_on(hub: StandInHub) -> None:
    long = {"general.architecture": "llama", "general.description": "x" * 60_000, **LLAMA}
    hub.add(NAME, gguf(long))
    facts = look(hub)
    assert facts.config["num_hidden_layers"] == 2
    assert sum(request.origin == "hub" for request in hub.requests) == 3
    ranges = [request.range for request in hub.requests if request.origin == "cdn"]
    assert ranges == ["bytes=0-32767", f"bytes=32768-{32768 + 2**20 - 1}"]


def test_a_server_that_ignores_ranges_does_not_make_us_download(hub: StandInHub) -> None:
    head = gguf_bytes(LLAMA)
    hub.add(NAME, {"thing.Q4_K_M.gguf": head + bytes(3_000_000)})
    hub.fault("cdn:", times=9, ignore_range=True)
    assert look(hub).config["num_hidden_layers"] == 2


def test_the_kept_range_ends_where_a_small_file_does(hub: StandInHub) -> None:
    hub.add(NAME, {"thing.Q4_K_M.gguf": gguf_bytes(LLAMA)})
    assert look(hub).config["num_hidden_layers"] == 2


def test_an_adapter_is_looked_at_with_its_base(hub: StandInHub) -> None:
    hub.add(NAME, ADAPTER)
    hub.add("acme/base", BASE)
    facts = look(hub)
    assert len(hub.requests) == 4
    assert (facts.kind, facts.library) == ("peft", "peft")
    assert facts.base is not None
    assert str(facts.base.reference) == "acme/base"
    assert facts.network.architecture == "LlamaForCausalLM"


def test_an_adapter_whose_base_is_not_there_says_which(hub: StandInHub) -> None:
    hub.add(NAME, ADAPTER)
    with pytest.raises(NotFoundError, match="acme/base"):
        look(hub)


@pytest.mark.parametrize("named", ["/home/someone/base", "../base", "sample", "s3://bucket/base/", 7, None, "a b"])
def test_a_base_that_is_no_model_on_the_hub_is_not_looked_for(hub: StandInHub, named: object) -> None:
    hub.add(NAME, {**ADAPTER, "adapter_config.json": json.dumps({"base_model_name_or_path": named}).encode()})
    facts = look(hub)
    assert facts.base is None
    assert any("base model is given as" in warning for warning in facts.warnings)
    with pytest.raises(SagewizardError, match="could not be found"):
        select_weight_set(facts)


def test_an_adapter_of_an_adapter_goes_no_further(hub: StandInHub) -> None:
    hub.add(NAME, ADAPTER)
    itself = json.dumps({"base_model_name_or_path": "acme/base"}).encode()
    hub.add("acme/base", {**ADAPTER, "adapter_config.json": itself})
    with pytest.raises(SagewizardError) as caught:
        look(hub)
    assert "adapter" in caught.value.message
    assert len(hub.requests) < 10


def test_code_elsewhere_is_named(hub: StandInHub) -> None:
    config = {**json.loads(BASE["config.json"]), "auto_map": {"AutoModel": "other/repo--modeling.Model"}}  # type: ignore[arg-type]
    hub.add(NAME, {**BASE, "config.json": json.dumps(config).encode()})
    facts = look(hub)
    assert facts.remote_code is not None
    assert facts.remote_code.elsewhere == ("other/repo",)
    assert any("another repository (other/repo" in warning for warning in facts.warnings)


def test_pickles_carry_the_verdict_of_the_scans(hub: StandInHub) -> None:
    files = {path: content for path, content in BASE.items() if path != "model.safetensors"}
    hub.add(NAME, {**files, "pytorch_model.bin": b"x"}, fields={"securityRepoStatus": {"scansDone": False}})
    facts = look(hub)
    assert facts.scan == "pending"
    assert any("scans are not through yet" in warning for warning in facts.warnings)


BROKEN: list[tuple[dict[str, bytes | Ghost], str, str]] = [
    (PIPELINE, "model_index.json", "model_index.json of acme/thing is not"),
    (PIPELINE, "transformer/config.json", "transformer/config.json of acme/thing is not"),
    (ADAPTER, "adapter_config.json", "adapter_config.json of acme/thing is not"),
    (gguf(), "thing.Q4_K_M.gguf", "not a GGUF file|is empty"),
    (
        {**BASE, "modules.json": b"[]", "sentence_bert_config.json": b"{}"},
        "sentence_bert_config.json",
        "sentence_bert_config.json of acme/thing is not",
    ),
]


@pytest.mark.parametrize(("files", "path", "words"), BROKEN, ids=[path for _, path, _ in BROKEN])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"\xff', b"null", b"<html>busy</html>" * 9])
def test_what_cannot_be_understood_is_one_sentence(
    hub: StandInHub, files: dict[str, bytes | Ghost], path: str, words: str, body: bytes
) -> None:
    hub.add(NAME, {**files, path: body})
    with pytest.raises(SagewizardError, match=words) as caught:
        select_weight_set(look(hub))
    assert caught.value.fix


@pytest.mark.parametrize(("files", "path", "words"), BROKEN, ids=[path for _, path, _ in BROKEN])
def test_a_hub_that_hangs_halfway_is_given_up_on(
    hub: StandInHub, files: dict[str, bytes | Ghost], path: str, words: str
) -> None:
    hub.add(NAME, files)
    hub.fault(path.replace(".", r"\."), times=9, hang=True)
    with pytest.raises(UnreachableError, match=r"did not answer within 0\.1 seconds"):
        look(hub, timeout=0.1)


@pytest.mark.parametrize(("files", "path", "words"), BROKEN, ids=[path for _, path, _ in BROKEN])
def test_passing_trouble_halfway_is_waited_out(
    hub: StandInHub, files: dict[str, bytes | Ghost], path: str, words: str
) -> None:
    hub.add(NAME, files)
    hub.add("acme/base", BASE)
    hub.fault(path.replace(".", r"\."), times=1, status=429, headers={"Retry-After": "0"})
    hub.fault(path.replace(".", r"\."), times=1, status=502)
    assert look(hub, pause=0.01).files


def test_a_header_is_read_on_for_a_template_that_the_record_does_not_tell_of(hub: StandInHub) -> None:
    values = {**LLAMA, "tokenizer.ggml.tokens": ["x" * 20] * 3000, "tokenizer.chat_template": "{{ messages }}"}
    hub.add(NAME, gguf(values))
    assert look(hub).chat_template
    assert sum(request.origin == "hub" for request in hub.requests) == 3


@pytest.mark.parametrize("template", ["", "{{ messages }}"])
def test_what_the_record_says_of_the_template_is_believed(hub: StandInHub, template: str) -> None:
    values = {**LLAMA, "tokenizer.ggml.tokens": ["x" * 20] * 3000, "tokenizer.chat_template": "{{ messages }}"}
    told = {"total": 7_000_000, "architecture": "llama", "chat_template": template}
    hub.add(NAME, gguf(values), fields={"gguf": told})
    facts = look(hub)
    assert (facts.chat_template, facts.parameters) == (bool(template), 7_000_000)
    assert sum(request.origin == "hub" for request in hub.requests) == 2


@pytest.mark.parametrize("size", [2, 40, -1])
def test_a_gguf_file_that_is_cut_short_is_refused(hub: StandInHub, size: int) -> None:
    hub.add(NAME, {"thing.Q4_K_M.gguf": gguf_bytes(LLAMA)[:size]})
    with pytest.raises(RefusedError, match=r"^thing\.Q4_K_M\.gguf ends within its header"):
        look(hub)


def test_a_malformed_gguf_file_is_named(hub: StandInHub) -> None:
    hub.add(NAME, {"thing.Q4_K_M.gguf": Ghost(10**9, head=b"GGUF\3\0\0\0" + b"\xff" * 64)})
    with pytest.raises(SagewizardError, match=r"^thing\.Q4_K_M\.gguf is a malformed GGUF file"):
        look(hub)


def test_weights_for_mlx_have_no_engine(hub: StandInHub) -> None:
    config = {**json.loads(BASE["config.json"]), "quantization": {"bits": 4, "group_size": 64}}  # type: ignore[arg-type]
    hub.add(NAME, {**BASE, "config.json": json.dumps(config).encode()})
    for fields in ({}, {"library_name": "mlx"}):
        hub.add(NAME, {**BASE, "config.json": json.dumps(config).encode()}, fields=fields)
        facts = look(hub)
        assert facts.quantization == Quantization("mlx", 4, 64)
        reason = reason_against_model(ENGINE_RULES["vllm"], facts, select_weight_set(facts))
        assert reason == "vLLM has no kernels for mlx weights"
    hub.add(NAME, BASE, fields={"library_name": "mlx"})
    assert look(hub).quantization == Quantization("mlx")


@pytest.mark.parametrize("private", [False, True])
def test_a_private_model_is_told_as_such(hub: StandInHub, private: bool) -> None:
    hub.add(NAME, BASE, private=private, fields={"private": private})
    facts = look(hub, token="hf_good")
    weights = select_weight_set(facts)
    assert facts.private is private
    assert fit_document(facts, weights, survey(facts, weights, Offers()))["model"]["private"] is private


COUNTED = {"safetensors": {"parameters": {"BF16": 1_000_000}, "total": 1_000_000}}  # 2 MB


@pytest.mark.parametrize(("size", "told"), [(900_000, True), (20_000, True), (1_000_000, False), (2_000_100, False)])
def test_weights_smaller_than_what_the_hub_counts_are_warned_of(hub: StandInHub, size: int, told: bool) -> None:
    hub.add(NAME, {**BASE, "model.safetensors": Ghost(size)}, fields=COUNTED)
    assert any("the Hub counts tensors of 2 MB" in warning for warning in look(hub).warnings) is told


def test_weights_that_hold_next_to_nothing_are_refused(hub: StandInHub) -> None:
    hub.add(NAME, {**BASE, "model.safetensors": Ghost(19_999)}, fields=COUNTED)
    with pytest.raises(RefusedError, match=r"\(model\.safetensors\) have 20 kB, but the Hub counts tensors of 2 MB"):
        look(hub)


def test_counts_say_nothing_of_pickles_or_of_shards_that_are_missing(hub: StandInHub) -> None:
    files = {path: content for path, content in BASE.items() if path != "model.safetensors"}
    hub.add(NAME, {**files, "pytorch_model.bin": Ghost(1000)}, fields=COUNTED)
    assert not any("the Hub counts" in warning for warning in look(hub).warnings)
    names = [f"model-{number:05}-of-00002.safetensors" for number in (1, 2)]
    index = json.dumps({"weight_map": {"a": names[0], "b": names[1]}}).encode()
    hub.add(NAME, {**files, "model.safetensors.index.json": index, names[0]: Ghost(1000)}, fields=COUNTED)
    assert not any("the Hub counts" in warning for warning in look(hub).warnings)


def test_one_pickle_among_the_parts_of_a_pipeline_is_warned_of(hub: StandInHub) -> None:
    files = {**PIPELINE, "vae/diffusion_pytorch_model.bin": Ghost(10**8)}
    hub.add(NAME, files)
    assert not any("pickle" in warning for warning in look(hub).warnings)
    del files["vae/diffusion_pytorch_model.safetensors"]
    hub.add(NAME, files, fields={"securityRepoStatus": {"scansDone": False}})
    (warning,) = (each for each in look(hub).warnings if "pickle" in each)
    assert "only (vae/diffusion_pytorch_model.bin): they can hold code" in warning
    assert "scans are not through yet" in warning
    assert "--convert-weights" in warning


def test_a_pickle_among_the_modules_of_a_sentence_model_is_warned_of(hub: StandInHub) -> None:
    files = {**BASE, "modules.json": b"[]", "2_Dense/config.json": b"{}", "2_Dense/pytorch_model.bin": Ghost(10**6)}
    hub.add(NAME, files)
    assert any("only (2_Dense/pytorch_model.bin)" in warning for warning in look(hub).warnings)
    hub.add(NAME, {**files, "2_Dense/model.safetensors": Ghost(10**6)})
    assert not any("pickle" in warning for warning in look(hub).warnings)


def test_an_adapter_on_the_hub_names_no_folder_of_this_machine(hub: StandInHub, tmp_path: Path) -> None:
    for path, content in BASE.items():
        assert isinstance(content, bytes)
        (tmp_path / path).write_bytes(content)
    hub.add(NAME, {**ADAPTER, "adapter_config.json": json.dumps({"base_model_name_or_path": str(tmp_path)}).encode()})
    assert look(hub).base is None

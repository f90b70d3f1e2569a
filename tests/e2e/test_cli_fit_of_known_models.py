"""`fit --json` of the walkthrough's models, by command against a stand-in Hub with their real listings."""

from typing import Any

import pytest

from tests.e2e.program import run
from tests.listings import load_listing, put
from tests.stand_in_hub import StandInHub


def fitted(stem: str, *options: str) -> dict[str, Any]:
    with StandInHub() as hub:
        put(hub, load_listing(stem))
        ended = run("fit", load_listing(stem).name, "--json", *options, env={"HF_ENDPOINT": hub.url})
        assert ended.code == 0, ended.err
        assert len(hub.requests) <= 3
    document: dict[str, Any] = ended.document
    return document


def test_gpt_neox_20b_is_recommended_four_gpus_that_share_it() -> None:
    document = fitted("gpt_neox_20b", "--context", "2048")
    model = document["model"]
    assert (model["parameters"], model["shards"], model["kv_bytes_per_token"]) == (20_554_567_680, 46, 1_081_344)
    assert (document["context"], document["concurrency"], document["smallest_change"]) == (2048, 1, None)
    chosen = next(each for each in document["instances"] if each["type"] == document["recommended"])
    assert (chosen["engine"], chosen["tensor_parallel"], chosen["max_context"]) == ("vllm", 4, 2048)
    assert set(chosen) >= {"fits", "gpu", "host", "disk", "price_usd_per_hour", "price_source", "quota", "limited_by"}
    assert len(document["instances"]) == 277
    assert document["deployable_engines"] == ["huggingface"]


@pytest.mark.parametrize(
    ("stem", "accelerated"), [("gpt_neo_125m", False), ("sdxl_base", True)], ids=["gpt-neo-125m", "SDXL"]
)
def test_the_others_of_the_walkthrough_fit_small_machines(stem: str, accelerated: bool) -> None:
    document = fitted(stem)
    chosen = next(each for each in document["instances"] if each["type"] == document["recommended"])
    assert (chosen["gpu"] is not None) is accelerated
    assert chosen["price_usd_per_hour"] < 1
    assert document["model"]["left_out"]
    assert sum(each["bytes"] for each in document["model"]["files"]) == document["model"]["packaged_bytes"]


def test_the_types_of_another_quantization_are_told_of() -> None:
    model = fitted("mistral_7b_instruct_gguf", "--variant", "Q8_0")["model"]
    assert (model["variant"], model["dtype"]) == ("Q8_0", "Q8_0")

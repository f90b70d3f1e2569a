"""The arithmetic against figures that others published or measured; `tests/published` names the source of each."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.instances.catalog import Gpu, InstanceType
from core.instances.engine_rules import find_engine
from core.instances.requirements import requirements, usable_gpu
from core.models.config_reading import stated_dtype
from core.models.facts import ModelFacts, ModelFile, WeightSet
from core.models.kv_cache import cache_bytes_per_value, kv_cache_of
from core.models.parameter_count import parameters_from_config
from core.models.parameters import count_parameters
from core.models.quantization import quantization_of
from core.models.reference import HubReference
from core.models.safetensors_header import StoredParameters

_FOLDER = Path(__file__).parents[1] / "published"
_GIB = 2**30


def entries(name: str) -> list[Any]:
    found: list[dict[str, Any]] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert all(entry["source"] for entry in found)
    return [
        pytest.param(entry, id=f"{number}-{entry.get('name') or entry['model']}") for number, entry in enumerate(found)
    ]


@pytest.mark.parametrize("entry", entries("parameters"))
def test_parameters_from_the_config(entry: dict[str, Any]) -> None:
    found = parameters_from_config(entry["config"])
    if found is None:
        pytest.skip("of a family that is not reckoned")
    assert found == entry["parameters"] - entry.get("buffers", 0)


def test_most_of_them_are_reckoned() -> None:
    assert sum(parameters_from_config(each.values[0]["config"]) is not None for each in entries("parameters")) >= 16


@pytest.mark.parametrize("entry", entries("parameters"))
def test_parameters_from_the_checkpoint(entry: dict[str, Any]) -> None:
    config, stored = entry["config"], StoredParameters(entry["checkpoint"])
    found, sure = count_parameters(
        stored, config, quantization_of(config), weight_bytes=0, dtype=stored.dtype or stated_dtype(config)
    )
    assert found is not None
    assert sure == "exact"
    # Copies of tied layers, masks in floating point and modules beside the model are in the checkpoint as well.
    assert entry["parameters"] <= found <= entry["parameters"] * 1.11
    if "note" not in entry:
        assert found == entry["parameters"]


@pytest.mark.parametrize("entry", entries("kv_bytes"))
def test_bytes_of_the_cache(entry: dict[str, Any]) -> None:
    cache = kv_cache_of(entry["config"])
    assert cache is not None
    tokens = entry["tokens"]
    match entry.get("part"):
        case "cross":
            values = sum(part.fixed_values for part in cache.parts if part.kind == "encoder")
        case "self":
            values = sum(part.values(tokens) for part in cache.parts if part.kind == "attention")
        case _ if "sliding_tokens" in entry:  # how many tokens that server keeps of its window
            values = sum(
                part.values(tokens, margin=entry["sliding_tokens"] - part.window if part.window else 0)
                for part in cache.parts
            )
        case _:
            values = cache.values(tokens) - sum(part.fixed_values for part in cache.parts)
    assert abs(values * entry["dtype_bytes"] - entry["bytes"]) <= entry["rounding_bytes"] + 1


@pytest.mark.parametrize("entry", entries("server_logs"))
def test_tokens_that_servers_logged(entry: dict[str, Any]) -> None:
    cache = kv_cache_of(entry["config"])
    assert cache is not None
    each = cache.values(1, gpus=entry["tensor_parallel"]) * cache_bytes_per_value(entry["config"], entry["dtype"])
    tokens = entry["available_cache_gib"] * _GIB / each
    assert tokens == pytest.approx(entry["tokens"], rel=0.05)


def gpu_of(gib: float, count: int) -> InstanceType:
    gpu = Gpu("of the log", count, int(gib * _GIB))
    return InstanceType("ml.of.log", 64, 2**42, 10**13, ("x86_64",), gpu, neuron=False)


@pytest.mark.parametrize("entry", entries("memory_profiles"))
def test_the_budget_of_a_gpu_is_what_vllm_logs(entry: dict[str, Any]) -> None:
    """What we plan to be usable is what vLLM took, but for its activations: those we bound by the size of a batch."""
    vllm, machine = find_engine("vllm"), gpu_of(entry["gpu_gib"], entry["tensor_parallel"])
    taken = sum(entry[part] for part in ("weights_gib", "activation_gib", "other_gib", "cache_gib")) * _GIB
    planned = usable_gpu(vllm, machine) + vllm.gpu_runtime
    assert planned == pytest.approx(taken * vllm.gpu_utilisation / entry["utilization"], rel=0.02)
    assert entry["other_gib"] * _GIB <= vllm.gpu_runtime + vllm.gpu_workspace

    config = entry["config"]
    parameters = parameters_from_config(config)
    if parameters is None or quantization_of(config) is not None:
        return
    file = ModelFile("model.safetensors", parameters * 2)
    facts = ModelFacts(
        HubReference(entry["model"]),
        None,
        (ModelFile("config.json", 1), file),
        config=config,
        dtype="bfloat16",
        task="text-generation",
        architecture=config["architectures"][0],
    )
    needs = requirements(facts, WeightSet("safetensors", (file,), (), ()), context=4096, concurrency=1)
    terms = {term.part: term.bytes for term in needs.gpu_terms(vllm, entry["tensor_parallel"], 4096)}
    assert terms["weights"] / _GIB == pytest.approx(entry["weights_gib"], rel=0.05)
    # The cache that was left, in tokens by our arithmetic, is the one that was logged in bytes.
    each = needs.cache_bytes(vllm, entry["tensor_parallel"], 1000, gpu=True) / 1000
    assert entry["cache_gib"] * _GIB / each > 1000


def test_a_batch_of_2048_tokens_takes_no_more_than_is_planned() -> None:
    """The smallest activations that were logged are of the smallest batches; those of 8,192 tokens already fit."""
    vllm = find_engine("vllm")
    logged = {(e.values[0]["max_tokens"], e.values[0]["activation_gib"]) for e in entries("memory_profiles")}
    smallest = min(size for tokens, size in logged if tokens <= 4 * vllm.computes_at_once)
    assert smallest * _GIB <= vllm.gpu_workspace

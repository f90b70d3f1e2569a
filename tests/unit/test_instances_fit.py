"""Fit: the arithmetic, what is recommended, and laws that must hold for every model and machine."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from core.instances.catalog import Gpu, InstanceType, catalog, find_instance_type
from core.instances.fit import Fit, FitTable, roomy
from core.instances.fit_document import fit_document
from core.instances.fit_table import fit, fit_table
from core.instances.prices import Price, list_prices
from core.instances.quotas import Quota
from core.models.facts import ModelFacts, ModelFile, Pipeline, PipelinePart, WeightSet
from core.models.quantization import Quantization
from core.models.reference import HubReference

GB = 10**9
GIB = 2**30
GPT_NEO_125M = {"num_layers": 12, "num_heads": 12, "hidden_size": 768, "max_position_embeddings": 2048}
GPT_NEOX_20B = {
    "num_hidden_layers": 44,
    "num_attention_heads": 64,
    "hidden_size": 6144,
    "max_position_embeddings": 2048,
}
LLAMA_8B = {
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "max_position_embeddings": 131_072,
}
LLAMA_405B = {
    "num_hidden_layers": 126,
    "num_attention_heads": 128,
    "num_key_value_heads": 8,
    "hidden_size": 16_384,
    "max_position_embeddings": 131_072,
}


def model(
    config: dict[str, Any], size: int, dtype: str = "float16", architecture: str = "LlamaForCausalLM"
) -> tuple[ModelFacts, WeightSet]:
    """Return a model that writes text; vLLM runs it unless its architecture is another."""
    file = ModelFile("model.safetensors", size)
    facts = ModelFacts(
        HubReference("acme/model"),
        "0" * 40,
        (ModelFile("config.json", 0), file),
        config=config,
        dtype=dtype,
        task="text-generation",
        architecture=architecture,
    )
    return facts, WeightSet("safetensors", (file,), (), ())


def table(
    config: dict[str, Any], size: int, *, dtype: str = "float16", names: tuple[str, ...] = (), **asked: Any
) -> FitTable:
    return table_of(*model(config, size, dtype), names=names, **asked)


def table_of(facts: ModelFacts, weights: WeightSet, *, names: tuple[str, ...] = (), **asked: Any) -> FitTable:
    """Return the table of all types, or of those called `names`; `asked` are other parameters of `fit_table`."""
    instances = [find_instance_type(name) for name in names] if names else catalog().values()
    usual = {"context": None, "concurrency": 1, "prices": list_prices(), "quotas": None}
    return fit_table(facts, weights, instances=instances, **{**usual, **asked})


def one(
    config: dict[str, Any],
    size: int,
    name: str,
    dtype: str = "float16",
    *,
    engine: str | None = "huggingface",
    context: int | None = None,
    concurrency: int = 1,
) -> Fit:
    facts, weights = model(config, size, dtype)
    engines = (engine,) if engine else None
    return fit(facts, weights, find_instance_type(name), context=context, concurrency=concurrency, engines=engines)


def test_a_125m_model_is_recommended_a_small_cpu() -> None:
    found = table(GPT_NEO_125M, 526 * 10**6, dtype="float32")
    assert found.recommended == "ml.t2.medium"
    assert found.smallest_change is None
    assert found.context == 2048
    row = next(row for row in found.rows if row.fit.instance.name == "ml.t2.medium")
    # Twice the weights, a GiB of libraries and server, and 2,048 tokens of 73,728 bytes.
    assert row.fit.host.required_bytes == 2 * 526 * 10**6 + GIB + 2048 * 73_728
    assert row.fit.host.usable_bytes == int(3.5 * GIB)
    assert row.fit.gpu is None
    assert row.fit.max_context == 2048


def test_gpt_neox_20b_is_recommended_four_gpus() -> None:
    found = table(GPT_NEOX_20B, 41_300_000_000)
    assert found.recommended is not None
    instance = find_instance_type(found.recommended)
    assert instance.gpu is not None
    assert instance.gpu.count == 4
    row = next(row for row in found.rows if row.fit.instance.name == found.recommended)
    assert row.fit.tensor_parallel == 4
    assert row.fit.max_context == 2048
    assert row.fit.engine == "vllm"
    assert row.price.usd_per_hour == min(
        other.price.usd_per_hour
        for other in found.rows
        if other.fit.fits and other.fit.gpu and other.price.usd_per_hour is not None and roomy(other.fit)
    )


def test_gpt_neox_20b_does_not_fit_one_a10g() -> None:
    found = one(GPT_NEOX_20B, 41_300_000_000, "ml.g5.4xlarge")
    assert (found.fits, found.limited_by, found.max_context) == (False, "gpu", None)


def test_an_8b_model_fits_one_a10g_with_a_long_context() -> None:
    found = one(LLAMA_8B, 16_060_000_000, "ml.g5.2xlarge")
    assert found.fits
    assert found.tensor_parallel == 1
    # 0.92 · 22,888 MiB - 0.5 GiB - 16.06 GB - 1 GiB of workspace, in tokens of 131,072 bytes, in whole sixteens.
    assert found.max_context == 33_632
    assert one(LLAMA_8B, 16_060_000_000, "ml.g5.2xlarge", context=33_632).fits
    assert not one(LLAMA_8B, 16_060_000_000, "ml.g5.2xlarge", context=33_640).fits


def test_an_8b_model_needs_host_memory_to_load() -> None:
    found = one(LLAMA_8B, 16_060_000_000, "ml.g5.xlarge")
    assert found.limited_by == "host"


def test_requests_at_the_same_time_share_the_cache() -> None:
    alone = one(LLAMA_8B, 16_060_000_000, "ml.g5.2xlarge", context=4096)
    four = one(LLAMA_8B, 16_060_000_000, "ml.g5.2xlarge", context=4096, concurrency=4)
    assert alone.gpu is not None
    assert four.gpu is not None
    assert four.gpu.required_bytes - alone.gpu.required_bytes == 3 * 4096 * 131_072
    assert four.max_context == 8400


def test_405b_in_16_bits_does_not_fit_eight_80_gb_gpus() -> None:
    found = one(LLAMA_405B, 811_700_000_000, "ml.p5.48xlarge")
    assert (found.fits, found.limited_by) == (False, "gpu")


def test_what_the_image_cannot_run_on_is_limited_by_the_engine() -> None:
    assert one(GPT_NEO_125M, GB, "ml.inf2.xlarge").limited_by == "engine"
    assert one(GPT_NEO_125M, GB, "ml.c7g.4xlarge").limited_by == "engine"


def test_a_type_of_unknown_memory_does_not_fit() -> None:
    found = one(GPT_NEO_125M, GB, "ml.p3.2xlarge")
    assert (found.limited_by, found.host.usable_bytes) == ("host", 0)
    assert "not known to this program" in (found.reason or "")


def test_a_volume_is_asked_for_that_holds_archive_files_and_image() -> None:
    archive = one(GPT_NEO_125M, 5 * GB, "ml.r5.4xlarge")
    assert archive.disk.required_bytes == (2 * 5 + 5 + 1) * GB
    assert archive.volume_gb is None  # SageMaker's own 30 GB are enough
    tree = one(GPT_NEO_125M, 32 * GB, "ml.r5.12xlarge")  # too large for an archive
    assert tree.fits
    assert tree.disk.required_bytes == (32 + 5 + 1) * GB
    assert (tree.volume_gb, tree.disk.usable_bytes) == (43, 43 * GB)  # an eighth more


def test_a_type_with_a_disk_of_its_own_has_no_other() -> None:
    found = one(GPT_NEO_125M, 30 * GB, "ml.r5d.4xlarge")
    assert (found.volume_gb, found.disk.usable_bytes) == (None, 600 * GB)


def test_no_volume_is_larger_than_sagemaker_gives() -> None:
    found = one(GPT_NEO_125M, 520 * GB, "ml.r5.24xlarge")
    assert found.volume_gb == 512
    assert found.disk.required_bytes == (520 + 5 + 1) * GB
    assert not found.disk.holds


def test_a_context_beyond_the_models_is_refused() -> None:
    with pytest.raises(UsageError, match="2,048 tokens at most; a context of 4,096"):
        table(GPT_NEO_125M, GB, context=4096)


@pytest.mark.parametrize(("context", "concurrency"), [(0, 1), (-5, 1), (None, 0)])
def test_senseless_numbers_are_refused(context: int | None, concurrency: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        table(GPT_NEO_125M, GB, context=context, concurrency=concurrency)


def test_a_model_that_does_not_tell_its_cache_is_fitted_by_its_weights() -> None:
    found = table({}, 100 * 10**6)
    assert found.context is None
    assert found.recommended == "ml.t2.medium"
    assert found.rows[0].fit.max_context is None


def test_rows_that_fit_come_first_then_the_cheaper_then_the_unpriced() -> None:
    rows = table(LLAMA_8B, 16_060_000_000).rows
    keys = [(not row.fit.fits, row.price.usd_per_hour is None, row.price.usd_per_hour or 0) for row in rows]
    assert keys == sorted(keys)
    assert len(rows) == 277


def test_a_type_without_quota_is_not_recommended() -> None:
    quotas = {"ml.m5.large": Quota(4, 1), "ml.t2.medium": Quota(2, 2)}
    found = table(GPT_NEO_125M, 526 * 10**6, quotas=quotas)
    assert found.recommended == "ml.m5.large"
    by_name = {row.fit.instance.name: row for row in found.rows}
    assert by_name["ml.t2.medium"].quota == Quota(2, 2)
    assert by_name["ml.c5.large"].quota is None  # not listed: not known, and no reason to refuse it


def test_without_any_quota_the_sentence_says_where_to_ask() -> None:
    found = table(LLAMA_8B, 16_060_000_000, quotas=dict.fromkeys(catalog(), Quota(0, 0)))
    assert found.recommended is None
    assert found.smallest_change is not None
    assert "Service Quotas" in found.smallest_change


def test_a_large_model_is_not_recommended_a_cpu() -> None:
    found = table(LLAMA_8B, 14 * GB, names=("ml.r5.4xlarge",))
    assert found.rows[0].fit.fits
    assert found.rows[0].fit.slow
    assert found.recommended is None
    assert found.smallest_change == "The next type that holds it is ml.g6.2xlarge, at $1.222/h."


def test_a_type_without_quota_is_named_with_where_to_ask() -> None:
    quotas = {name: Quota(0, 0, "L-1", "us-east-1") for name in catalog() if find_instance_type(name).gpu}
    found = table(LLAMA_8B, 14 * GB, names=("ml.r5.4xlarge",), quotas=quotas)
    assert "of which the account has no quota left: ask for it at https://" in (found.smallest_change or "")


def test_a_cpu_is_the_last_resort() -> None:
    file = ModelFile("unet/diffusion_pytorch_model.safetensors", 300 * GB)  # more than any one GPU has
    facts = ModelFacts(
        HubReference("acme/pictures"),
        "0" * 40,
        (ModelFile("model_index.json", 1), file),
        task="text-to-image",
        pipeline=Pipeline("P", (PipelinePart("unet", "diffusers", "U"),)),
    )
    found = table_of(facts, WeightSet("safetensors", (file,), (), ()))
    assert found.recommended is None
    assert "a CPU takes too long to answer" in (found.smallest_change or "")


def test_a_tight_fit_is_not_recommended() -> None:
    found = table(LLAMA_8B, 16_060_000_000, names=("ml.g5.2xlarge",), context=33_632)
    assert found.rows[0].fit.fits
    assert found.recommended is None
    assert "less than a tenth" in (found.smallest_change or "")


def test_a_shorter_context_is_the_smallest_change() -> None:
    found = table(LLAMA_8B, 16_060_000_000, names=("ml.g5.2xlarge",), context=100_000)
    assert found.smallest_change == "With a context of 21,776 tokens or fewer it would fit ml.g5.2xlarge."


def test_fewer_requests_are_the_smallest_change() -> None:
    found = table(LLAMA_8B, 16_060_000_000, names=("ml.g5.2xlarge",), context=4096, concurrency=40)
    assert found.smallest_change == "With 8 requests at once it would fit ml.g5.2xlarge."
    assert one(LLAMA_8B, 16_060_000_000, "ml.g5.2xlarge", engine=None, context=4096, concurrency=8).fits
    assert not one(LLAMA_8B, 16_060_000_000, "ml.g5.2xlarge", engine=None, context=4096, concurrency=9).fits


def test_a_type_that_was_not_asked_about_is_proposed_when_it_could_be_recommended() -> None:
    found = table(GPT_NEOX_20B, 41_300_000_000, names=("ml.g5.2xlarge",))
    assert found.smallest_change == "The next type that holds it is ml.g6.12xlarge, at $5.752/h."
    assert table(GPT_NEOX_20B, 41_300_000_000, names=("ml.g6.12xlarge",)).recommended == "ml.g6.12xlarge"
    tight = table(GPT_NEOX_20B, 41_300_000_000, names=("ml.g4dn.12xlarge",))
    assert "less than a tenth to spare" in (tight.smallest_change or "")
    assert "ml.g6.12xlarge, at $5.752/h has room to spare" in (tight.smallest_change or "")


def test_a_type_of_unknown_quota_is_not_called_tight() -> None:
    found = table(LLAMA_8B, 16_060_000_000, quotas={"ml.m5.large": Quota(1, 0)})
    assert found.smallest_change == (
        "It fits ml.g6.2xlarge, but whether the account may run one is not known: name that type to try it."
    )


def test_a_quantized_version_is_proposed_only_for_engines_that_run_it() -> None:
    huge = 6_000 * GB
    any_engine = table(LLAMA_405B, huge, dtype="float32")
    assert "Quantized to" in (any_engine.smallest_change or "")
    assert "base_model:quantized:acme/model" in (any_engine.smallest_change or "")
    deployed = table(LLAMA_405B, huge, dtype="float32", engines=("huggingface",))
    assert "Quantized to" not in (deployed.smallest_change or "")


def test_as_many_as_are_wanted_must_be_left() -> None:
    facts, weights = model(GPT_NEO_125M, 526 * 10**6, "float32")

    def recommended(count: int) -> str | None:
        quotas = {"ml.t2.medium": Quota(2, 0), "ml.m5.large": Quota(4, 0)}
        return table_of(facts, weights, quotas=quotas, count=count).recommended

    assert [recommended(count) for count in (1, 2, 3, 4, 5)] == [
        "ml.t2.medium",
        "ml.t2.medium",
        "ml.m5.large",
        "ml.m5.large",
        None,
    ]


def test_a_model_that_no_engine_runs_hears_why() -> None:
    facts, weights = model(LLAMA_8B, 5 * GB)
    facts = replace(facts, quantization=Quantization("mlx", 4, 64))
    found = table_of(facts, weights, engines=("huggingface",))
    assert found.smallest_change == (
        "It cannot run there: the Hugging Face inference container has no kernels for mlx weights."
    )


def test_widths_must_divide_as_well_as_heads() -> None:
    qwen = {**LLAMA_8B, "num_attention_heads": 12, "num_key_value_heads": 2, "hidden_size": 1536}
    # 12 heads with 2 for keys and values divide by 6, a width of 8,960 does not: Qwen2.5-1.5B.
    assert one({**qwen, "intermediate_size": 8960}, 3 * GB, "ml.g5.48xlarge", engine="vllm").tensor_parallel == 4
    assert one({**qwen, "intermediate_size": 9216}, 3 * GB, "ml.g5.48xlarge", engine="vllm").tensor_parallel == 6


def test_a_model_without_a_limit_is_planned_at_the_default_context() -> None:
    config = {key: value for key, value in LLAMA_8B.items() if key != "max_position_embeddings"}
    found = table(config, 16_060_000_000)
    assert found.context == 4096
    row = next(row for row in found.rows if row.fit.instance.name == "ml.g5.2xlarge")
    assert row.fit.max_context == 21_776


def test_a_cache_that_is_not_known_promises_no_context() -> None:
    found = table({"num_hidden_layers": 32, "max_position_embeddings": 131_072}, 16_060_000_000)
    assert found.rows[0].fit.max_context is None


def test_an_engine_with_room_goes_before_a_better_one_that_is_tight() -> None:
    config = {**LLAMA_8B, "max_position_embeddings": 8192}
    size = 12_500_000_000  # vLLM fills a T4 to the brim with it
    both, alone = (
        one(config, size, "ml.g4dn.12xlarge", engine=None, context=8192, concurrency=16),
        one(config, size, "ml.g4dn.12xlarge", engine="huggingface", context=8192, concurrency=16),
    )
    assert both.fits
    assert roomy(both) or not roomy(alone)


@pytest.mark.parametrize(("context", "concurrency"), [(10**320, 1), (None, 10**320)])
def test_numbers_beyond_reason_are_refused(context: int | None, concurrency: int) -> None:
    with pytest.raises(UsageError, match="at most a billion"):
        table(
            {key: value for key, value in LLAMA_8B.items() if "position" not in key},
            GB,
            context=context,
            concurrency=concurrency,
        )


def test_what_fits_nowhere_is_told_how_much_is_missing() -> None:
    found = table(LLAMA_405B, 50_000 * GB)
    assert found.recommended is None
    assert "a smaller or quantized version" in (found.smallest_change or "")


def test_where_the_engine_runs_nowhere() -> None:
    found = table(GPT_NEO_125M, GB, names=("ml.inf2.xlarge",))
    assert found.smallest_change == (
        "It cannot run there: vLLM has no build for Neuron devices; ml.t2.medium holds it."
    )


def test_the_document_has_the_keys_scripts_rely_on() -> None:
    facts, weights = model(GPT_NEOX_20B, 41_300_000_000)
    found = table(GPT_NEOX_20B, 41_300_000_000, names=("ml.g5.12xlarge", "ml.m5.large"))
    document = fit_document(facts, weights, found)
    assert document["model"]["kv_bytes_per_token"] == 1_081_344
    assert {"reference", "revision", "task", "library", "architecture", "parameters", "dtype", "weight_bytes"} <= set(
        document["model"]
    )
    assert {"shards", "repository_bytes", "max_context", "warnings"} <= set(document["model"])
    first, second = document["instances"]
    assert first["type"] == "ml.g5.12xlarge"
    assert first["fits"] is True
    assert (first["engine"], first["tensor_parallel"], first["max_context"]) == ("vllm", 4, 2048)
    assert (first["price_usd_per_hour"], first["price_source"], first["quota"]) == (7.09, "list", None)
    assert set(first["gpu"]) == set(first["host"]) == set(first["disk"]) == {"required_bytes", "usable_bytes"}
    assert second["gpu"] is None
    assert second["limited_by"] == "host"
    assert document["recommended"] == "ml.g5.12xlarge"


instances = st.builds(
    InstanceType,
    name=st.just("ml.made.up"),
    vcpus=st.just(8),
    memory_bytes=st.integers(0, 2_000 * GIB),
    storage_bytes=st.one_of(st.just(0), st.integers(1, 8_000 * GB)),
    architectures=st.sampled_from([("x86_64",), ("arm64",), ("i386", "x86_64")]),
    gpu=st.one_of(
        st.none(),
        st.builds(Gpu, name=st.just("X"), count=st.integers(1, 8), memory_bytes=st.integers(GIB, 200 * GIB)),
    ),
    neuron=st.just(value=False),
)
configs = st.one_of(
    st.just({}),
    st.builds(
        lambda layers, heads, kv, size, limit: {
            "num_hidden_layers": layers,
            "num_attention_heads": heads * kv,
            "num_key_value_heads": kv,
            "hidden_size": heads * kv * size,
            "max_position_embeddings": limit,
        },
        st.integers(1, 130),
        st.integers(1, 16),
        st.integers(1, 8),
        st.sampled_from([64, 96, 128]),
        st.integers(8192, 200_000),
    ),
)
sizes = st.integers(10**6, 900 * GB)
contexts = st.one_of(st.none(), st.integers(1, 8192))
concurrencies = st.integers(1, 64)


engines = st.sampled_from(["huggingface", "vllm"])


def fitted(
    config: dict[str, Any], size: int, instance: InstanceType, context: int | None, concurrency: int, engine: str
) -> Fit:
    facts, weights = model(config, size)
    return fit(facts, weights, instance, context=context, concurrency=concurrency, engines=(engine,))


@settings(max_examples=300)
@given(configs, sizes, instances, contexts, concurrencies, engines)
def test_law_what_fits_exceeds_no_budget(
    config: dict[str, Any], size: int, instance: InstanceType, context: int | None, concurrency: int, engine: str
) -> None:
    found = fitted(config, size, instance, context, concurrency, engine)
    budgets = [found.host, found.disk, *([found.gpu] if found.gpu else [])]
    if found.fits:
        assert all(budget.holds for budget in budgets)
        assert found.max_context is None or context is None or found.max_context >= context
        assert 1 <= found.tensor_parallel <= (instance.gpu.count if instance.gpu else 1)
    elif found.limited_by != "engine":
        assert not all(budget.holds for budget in budgets)


@settings(max_examples=300)
@given(
    configs, sizes, instances, contexts, concurrencies, engines, st.integers(0, 500 * GIB), st.integers(0, 100 * GIB)
)
def test_law_more_memory_never_fits_less(
    config: dict[str, Any],
    size: int,
    instance: InstanceType,
    context: int | None,
    concurrency: int,
    engine: str,
    more: int,
    more_gpu: int,
) -> None:
    gpu = instance.gpu and replace(instance.gpu, memory_bytes=instance.gpu.memory_bytes + more_gpu)
    larger = replace(instance, memory_bytes=instance.memory_bytes + more, gpu=gpu)
    before = fitted(config, size, instance, context, concurrency, engine)
    after = fitted(config, size, larger, context, concurrency, engine)
    assert after.fits or not before.fits
    if before.fits:
        assert (after.max_context or 0) >= (before.max_context or 0)


@settings(max_examples=200)
@given(configs, sizes, instances, contexts, concurrencies, st.integers(0, 500 * GIB), st.integers(0, 100 * GIB))
def test_law_more_memory_never_fits_less_whatever_engine_is_best(
    config: dict[str, Any],
    size: int,
    instance: InstanceType,
    context: int | None,
    concurrency: int,
    more: int,
    more_gpu: int,
) -> None:
    facts, weights = model(config, size)
    gpu = instance.gpu and replace(instance.gpu, memory_bytes=instance.gpu.memory_bytes + more_gpu)
    larger = replace(instance, memory_bytes=instance.memory_bytes + more, gpu=gpu)
    before, after = (
        fit(facts, weights, machine, context=context, concurrency=concurrency) for machine in (instance, larger)
    )
    assert after.fits or not before.fits
    assert roomy(after) or not (before.fits and roomy(before))


@settings(max_examples=300)
@given(configs, sizes, instances, st.integers(1, 8192), st.integers(0, 4096), concurrencies, engines)
def test_law_a_longer_context_never_needs_less(
    config: dict[str, Any], size: int, instance: InstanceType, context: int, longer: int, concurrency: int, engine: str
) -> None:
    short = fitted(config, size, instance, min(context, 8192), concurrency, engine)
    long = fitted(config, size, instance, min(context + longer, 8192), concurrency, engine)
    assert short.fits or not long.fits
    assert long.host.required_bytes >= short.host.required_bytes
    if short.gpu and long.gpu and short.gpus == long.gpus:
        assert long.gpu.required_bytes >= short.gpu.required_bytes


@settings(max_examples=200)
@given(configs, sizes, instances, concurrencies, engines)
def test_law_the_longest_context_fits_and_sixteen_more_do_not(
    config: dict[str, Any], size: int, instance: InstanceType, concurrency: int, engine: str
) -> None:
    longest = fitted(config, size, instance, 1, concurrency, engine).max_context
    if longest is None or not config:
        return
    assert fitted(config, size, instance, longest, concurrency, engine).fits
    beyond = longest + 32
    if beyond <= config["max_position_embeddings"]:
        assert not fitted(config, size, instance, beyond, concurrency, engine).fits


def test_prices_may_be_unknown_everywhere() -> None:
    facts, weights = model(GPT_NEO_125M, GB)
    found = table_of(facts, weights, prices={"ml.m5.4xlarge": Price(0.9, "api")})
    assert found.recommended == "ml.m5.4xlarge"
    assert found.rows[1].price == Price(None, "unknown")

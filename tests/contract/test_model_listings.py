"""Well-known repositories on a stand-in Hub: what is found out of each in how many requests, and where it fits.

Listings are those of the Hub (`tests/listings`), so that what is asserted is what a person would be told.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from core.cancellation import CancelToken
from core.instances.fit import FitRow, FitTable
from core.instances.fit_document import fit_document
from core.instances.offers import Offers
from core.instances.survey import survey
from core.models.facts import ModelFacts, WeightSet
from core.models.figures import Confidence
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.memory import context_limit, kv_bytes_per_token
from core.models.reference import HubReference
from core.models.weight_set import select_weight_set
from tests.listings import load_listing, put
from tests.stand_in_hub import StandInHub

GB = 10**9


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with StandInHub() as stand_in:
        yield stand_in


def look(hub: StandInHub, *stems: str, variant: str | None = None) -> tuple[ModelFacts, WeightSet]:
    """Return what is known of the first of the listings `stems`; the others are there too."""
    for stem in stems:
        put(hub, load_listing(stem))
    client = HubClient(hub.url, hub.token, pause=0.01)
    facts = inspect_model(HubReference(load_listing(stems[0]).name), client, CancelToken())
    return facts, select_weight_set(facts, variant=variant)


def row(table: FitTable, name: str) -> FitRow:
    return next(each for each in table.rows if each.fit.instance.name == name)


@dataclass(frozen=True)
class Expected:
    """What must be found of a listing. `weights` are GB that are loaded, within 1 %; `kv` bytes a token."""

    stem: str
    requests: int
    task: str
    architecture: str
    parameters: int
    sure: Confidence
    dtype: str
    weights: float
    shards: int
    kv: int
    context: int | None
    recommended: str
    engine: str
    gpus: int
    longest: int | None
    others: tuple[str, ...] = ()
    quantization: str | None = None


# fmt: off
EXPECTED = [
    Expected("gpt_neo_125m", 2, "text-generation", "GPTNeoForCausalLM", 125_198_592, "exact", "float32",
             0.526, 1, 73_728, 2048, "ml.t2.medium", "huggingface", 0, 2048),
    Expected("gpt_neox_20b", 3, "text-generation", "GPTNeoXForCausalLM", 20_554_567_680, "exact", "float16",
             41.3, 46, 1_081_344, 2048, "ml.g6.12xlarge", "vllm", 4, 2048),
    Expected("sdxl_base", 3, "text-to-image", "StableDiffusionXLPipeline", 3_469_005_715, "estimated", "float16",
             6.94, 4, 0, None, "ml.g4dn.xlarge", "huggingface", 1, None),
    Expected("llama_3_1_8b_instruct", 3, "text-generation", "LlamaForCausalLM", 8_030_261_248, "exact", "bfloat16",
             16.06, 4, 131_072, 131_072, "ml.g6.2xlarge", "vllm", 1, 21_776),
    Expected("llama_3_1_405b_instruct", 3, "text-generation", "LlamaForCausalLM", 405_853_388_800, "exact", "bfloat16",
             811.7, 191, 516_096, 131_072, "ml.p5e.48xlarge", "vllm", 8, 131_072),
    Expected("mixtral_8x7b_instruct", 3, "text-generation", "MixtralForCausalLM", 46_702_792_704, "exact", "bfloat16",
             93.4, 19, 131_072, 32_768, "ml.g6e.12xlarge", "vllm", 4, 32_768),
    Expected("qwen3_30b_a3b", 3, "text-generation", "Qwen3MoeForCausalLM", 30_532_122_624, "exact", "bfloat16",
             61.07, 16, 98_304, 40_960, "ml.g6.12xlarge", "vllm", 4, 40_960),
    Expected("deepseek_v3", 3, "text-generation", "DeepseekV3ForCausalLM", 684_531_386_000, "exact", "float8_e4m3fn",
             688.6, 163, 70_272, 163_840, "ml.p5e.48xlarge", "vllm", 8, 163_840, quantization="fp8"),
    Expected("gemma_3_27b_it", 3, "image-text-to-text", "Gemma3ForConditionalGeneration", 27_432_406_640, "exact",
             "bfloat16", 54.86, 12, 507_904, 131_072, "ml.g6.12xlarge", "vllm", 4, 131_072),
    Expected("mistral_7b", 3, "text-generation", "MistralForCausalLM", 7_241_732_096, "exact", "bfloat16",
             14.48, 2, 131_072, 32_768, "ml.g6.2xlarge", "vllm", 1, 32_768),
    Expected("qwen2_5_0_5b_instruct", 2, "text-generation", "Qwen2ForCausalLM", 494_032_768, "exact", "bfloat16",
             0.988, 1, 12_288, 32_768, "ml.t2.medium", "huggingface", 0, 32_768),
    Expected("bge_large_en_v1_5", 3, "feature-extraction", "BertModel", 335_141_888, "exact", "float32",
             1.34, 1, 0, 512, "ml.m5.large", "huggingface", 0, 512),
    Expected("distilbert_sst2", 2, "text-classification", "DistilBertForSequenceClassification", 66_955_010, "exact",
             "float32", 0.268, 1, 0, 512, "ml.t2.medium", "huggingface", 0, 512),
    Expected("whisper_large_v3", 2, "automatic-speech-recognition", "WhisperForConditionalGeneration", 1_543_490_560,
             "exact", "float16", 3.09, 1, 163_840, 448, "ml.g4dn.xlarge", "huggingface", 1, 448),
    Expected("flan_t5_xl", 3, "text2text-generation", "T5ForConditionalGeneration", 2_849_757_184, "exact", "float32",
             11.4, 2, 393_216, 512, "ml.g6.xlarge", "huggingface", 1, 512),
    Expected("mamba_2_8b", 3, "text-generation", "MambaForCausalLM", 2_768_345_600, "exact", "float32",
             11.07, 3, 0, None, "ml.g4dn.xlarge", "vllm", 1, None),
    Expected("peft_customer_support", 5, "text-generation", "MistralForCausalLM", 7_241_732_096, "exact", "bfloat16",
             14.5, 3, 131_072, 32_768, "ml.g6.2xlarge", "vllm", 1, 32_768, others=("mistral_7b",)),
    Expected("mistral_7b_instruct_gguf", 2, "text-generation", "llama", 7_241_732_096, "exact", "Q4_K_M",
             4.37, 1, 131_072, 32_768, "ml.c5.2xlarge", "llamacpp", 0, 32_768, quantization="gguf"),
    Expected("llama_2_7b_gptq", 2, "text-generation", "LlamaForCausalLM", 6_738_415_616, "estimated", "float16",
             3.9, 1, 524_288, 4096, "ml.g4dn.xlarge", "vllm", 1, 4096, quantization="4-bit gptq"),
    Expected("qwen2_5_7b_instruct_awq", 3, "text-generation", "Qwen2ForCausalLM", 7_615_616_512, "estimated", "float16",
             5.57, 2, 57_344, 32_768, "ml.g4dn.xlarge", "vllm", 1, 32_768, quantization="4-bit awq"),
]
# fmt: on


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda each: each.stem)
def test_what_is_found_of_a_repository_and_where_it_fits(hub: StandInHub, expected: Expected) -> None:
    facts, weights = look(hub, expected.stem, *expected.others)
    assert sum(request.origin == "hub" for request in hub.requests) == expected.requests
    network = facts.network
    assert (facts.task, network.architecture) == (expected.task, expected.architecture)
    assert (network.parameters, network.parameters_confidence) == (expected.parameters, expected.sure)
    assert network.dtype == expected.dtype
    assert (network.quantization.label if network.quantization else None) == expected.quantization
    assert weights.weight_bytes / GB == pytest.approx(expected.weights, rel=0.01)
    assert weights.shards == expected.shards
    assert kv_bytes_per_token(facts) == expected.kv
    assert context_limit(facts) == expected.context
    table = survey(facts, weights, Offers())
    assert (table.recommended, table.smallest_change) == (expected.recommended, None)
    fit = row(table, expected.recommended).fit
    assert (fit.engine, fit.gpus, fit.max_context) == (expected.engine, expected.gpus, expected.longest)
    assert fit.pipeline_parallel == 1


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda each: each.stem)
def test_no_weight_is_downloaded_and_no_repository_is_asked_more_than_three_times(
    hub: StandInHub, expected: Expected
) -> None:
    look(hub, expected.stem, *expected.others)
    for stem in (expected.stem, *expected.others):
        asked = [
            request for request in hub.requests if request.origin == "hub" and load_listing(stem).name in request.path
        ]
        assert 1 <= len(asked) <= 3
    fetched = [request for request in hub.requests if request.path.endswith((".safetensors", ".bin", ".gguf", ".pth"))]
    for request in fetched:  # the header of a GGUF file, by range, from the Hub and from where it redirects to
        assert request.path.endswith(".gguf")
        assert request.range == "bytes=0-32767"


def test_gpt_neox_20b_hears_which_machines_hold_it(hub: StandInHub) -> None:
    facts, weights = look(hub, "gpt_neox_20b")
    table = survey(facts, weights, Offers(), context=2048)
    document = fit_document(facts, weights, table, explained=("ml.g5.12xlarge",))
    by_name = {each["type"]: each for each in document["instances"]}
    four = by_name["ml.g5.12xlarge"]
    assert (four["fits"], four["engine"], four["tensor_parallel"], four["max_context"]) == (True, "vllm", 4, 2048)
    assert (four["price_usd_per_hour"], four["price_source"]) == (7.09, "list")
    assert four["gpu"]["required_bytes"] < four["gpu"]["usable_bytes"] < 22_888 * 2**20
    recommended = by_name[document["recommended"]]
    assert recommended["tensor_parallel"] == 4
    assert row(table, document["recommended"]).fit.instance.gpu is not None
    assert by_name["ml.g5.2xlarge"]["limited_by"] == "gpu"
    assert by_name["ml.inf2.xlarge"]["limited_by"] == "engine"
    assert document["model"]["left_out_bytes"] / GB == pytest.approx(41.3, rel=0.01)
    for budget in ("gpu", "host", "disk"):
        *terms, usable = four["terms"][budget]
        assert sum(term["bytes"] for term in terms) == four[budget]["required_bytes"]
        assert usable["bytes"] == four[budget]["usable_bytes"]
        assert all(term["formula"] and term["confidence"] in {"exact", "estimated"} for term in terms)


def test_a_405b_model_fits_no_eight_gpus_of_80_gb_and_hears_what_would(hub: StandInHub) -> None:
    facts, weights = look(hub, "llama_3_1_405b_instruct")
    table = survey(facts, weights, Offers(), names=("ml.p5.48xlarge", "ml.p4de.24xlarge"))
    assert {each.fit.limited_by for each in table.rows} == {"gpu"}
    assert table.recommended is None
    assert table.smallest_change is not None
    assert "ml.p5e" in table.smallest_change  # the next type


def test_heads_decide_how_many_gpus_share_a_model(hub: StandInHub) -> None:
    facts, weights = look(hub, "qwen2_5_0_5b_instruct")
    table = survey(facts, weights, Offers(), engines=("vllm",))
    # 14 heads with 2 for keys and values: of four or eight GPUs, two can share them.
    assert row(table, "ml.g5.12xlarge").fit.tensor_parallel == 2
    assert row(table, "ml.g5.48xlarge").fit.tensor_parallel == 2
    facts, weights = look(hub, "qwen2_5_7b_instruct_awq")
    table = survey(facts, weights, Offers(), engines=("vllm",))
    # 28 heads divide by 4; a width of 18,944 in 4 parts is 37 groups of 128 weights.
    assert row(table, "ml.g5.48xlarge").fit.tensor_parallel == 4


def test_compressed_attention_is_counted_whole_on_every_gpu(hub: StandInHub) -> None:
    facts, weights = look(hub, "deepseek_v3")
    short = row(survey(facts, weights, Offers(), context=1024), "ml.p5en.48xlarge").fit.gpu
    long = row(survey(facts, weights, Offers(), context=1024 + 10_000), "ml.p5en.48xlarge").fit.gpu
    assert short is not None
    assert long is not None
    assert long.required_bytes - short.required_bytes == 10_000 * 70_272


def test_a_sliding_window_stops_growing(hub: StandInHub) -> None:
    facts, weights = look(hub, "gemma_3_27b_it")

    def needed(context: int) -> int:
        gpu = row(survey(facts, weights, Offers(), context=context), "ml.g6e.12xlarge").fit.gpu
        assert gpu is not None
        return gpu.required_bytes

    assert needed(2000) - needed(1000) == 1000 * 507_904 // 4  # four GPUs
    # The window of 1,024 and the 2,048 tokens that are computed at once are full by then.
    assert needed(101_000) - needed(100_000) == 1000 * 81_920 // 4


def test_a_quantization_is_chosen_and_refits(hub: StandInHub) -> None:
    facts, small = look(hub, "mistral_7b_instruct_gguf")
    large = select_weight_set(facts, variant="Q8_0")
    assert large.weight_bytes > small.weight_bytes * 1.7
    assert row(survey(facts, small, Offers()), "ml.c5.2xlarge").fit.host.required_bytes < (
        row(survey(facts, large, Offers()), "ml.c5.2xlarge").fit.host.required_bytes
    )


def test_a_gated_model_is_read_with_the_token_and_warned_of(hub: StandInHub) -> None:
    facts, _ = look(hub, "llama_3_1_8b_instruct")
    assert facts.gated == "manual"
    assert any("gated" in warning for warning in facts.warnings)
    assert facts.license
    assert facts.popularity.downloads
    assert facts.popularity.last_modified is not None


def test_an_adapter_of_pickles_is_warned_of(hub: StandInHub) -> None:
    facts, weights = look(hub, "peft_oasstguanaco_bin", "llama_2_7b")
    assert weights.format == "pytorch"
    assert any("pickle" in warning for warning in facts.warnings)
    assert facts.base is not None
    assert facts.base.network.parameters == 6_738_415_616

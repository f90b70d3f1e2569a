"""Parameters reckoned from configs: against published counts, and against the modules that transformers builds."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.models.decoder_parameters import DECODERS, Decoder
from core.models.encoder_parameters import ENCODERS, PAIRS, Encoder, Pair
from core.models.parameter_count import parameters_from_config

Config = dict[str, Any]

# What the models' config.json files on the Hub say, as far as it bears on the count. Values equal to the class's
# defaults are left out where the file leaves them out.
LLAMA_8B: Config = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": False,
    "vocab_size": 128256,
}
DEEPSEEK_V3: Config = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "attention_bias": False,
    "first_k_dense_replace": 3,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "moe_intermediate_size": 2048,
    "moe_layer_freq": 1,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_attention_heads": 128,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "tie_word_embeddings": False,
    "v_head_dim": 128,
    "vocab_size": 129280,
}
GEMMA_3_27B: Config = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "model_type": "gemma3",
    "mm_tokens_per_image": 256,
    "text_config": {
        "head_dim": 128,
        "hidden_size": 5376,
        "intermediate_size": 21504,
        "model_type": "gemma3_text",
        "num_attention_heads": 32,
        "num_hidden_layers": 62,
        "num_key_value_heads": 16,
        "sliding_window": 1024,
    },
    "vision_config": {
        "hidden_size": 1152,
        "image_size": 896,
        "intermediate_size": 4304,
        "model_type": "siglip_vision_model",
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
        "patch_size": 14,
        "vision_use_head": False,
    },
}
FLAN_T5_XL: Config = {
    "architectures": ["T5ForConditionalGeneration"],
    "model_type": "t5",
    "d_ff": 5120,
    "d_kv": 64,
    "d_model": 2048,
    "feed_forward_proj": "gated-gelu",
    "is_encoder_decoder": True,
    "num_decoder_layers": 24,
    "num_heads": 32,
    "num_layers": 24,
    "relative_attention_num_buckets": 32,
    "tie_word_embeddings": False,
    "vocab_size": 32128,
}
BERT: Config = {
    "architectures": ["BertForMaskedLM"],
    "model_type": "bert",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "type_vocab_size": 2,
    "vocab_size": 30522,
}

PUBLISHED: list[tuple[str, int, Config]] = [
    ("meta-llama/Llama-3.1-8B", 8_030_261_248, LLAMA_8B),
    (
        "meta-llama/Llama-3.1-70B",
        70_553_706_496,
        LLAMA_8B
        | {"hidden_size": 8192, "intermediate_size": 28672, "num_attention_heads": 64, "num_hidden_layers": 80},
    ),
    (
        "meta-llama/Llama-3.1-405B",
        405_853_388_800,
        LLAMA_8B
        | {"hidden_size": 16384, "intermediate_size": 53248, "num_attention_heads": 128, "num_hidden_layers": 126},
    ),
    (
        "mistralai/Mistral-7B-v0.1",
        7_241_732_096,
        {
            "architectures": ["MistralForCausalLM"],
            "model_type": "mistral",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_attention_heads": 32,
            "num_hidden_layers": 32,
            "num_key_value_heads": 8,
            "tie_word_embeddings": False,
            "vocab_size": 32000,
        },
    ),
    (
        "mistralai/Mixtral-8x7B-v0.1",
        46_702_792_704,
        {
            "architectures": ["MixtralForCausalLM"],
            "model_type": "mixtral",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_attention_heads": 32,
            "num_experts_per_tok": 2,
            "num_hidden_layers": 32,
            "num_key_value_heads": 8,
            "num_local_experts": 8,
            "tie_word_embeddings": False,
            "vocab_size": 32000,
        },
    ),
    (
        "Qwen/Qwen2.5-0.5B",
        494_032_768,
        {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_attention_heads": 14,
            "num_hidden_layers": 24,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
            "vocab_size": 151936,
        },
    ),
    (
        "Qwen/Qwen3-30B-A3B",
        30_532_122_624,
        {
            "architectures": ["Qwen3MoeForCausalLM"],
            "model_type": "qwen3_moe",
            "attention_bias": False,
            "decoder_sparse_step": 1,
            "head_dim": 128,
            "hidden_size": 2048,
            "intermediate_size": 6144,
            "mlp_only_layers": [],
            "moe_intermediate_size": 768,
            "num_attention_heads": 32,
            "num_experts": 128,
            "num_experts_per_tok": 8,
            "num_hidden_layers": 48,
            "num_key_value_heads": 4,
            "tie_word_embeddings": False,
            "vocab_size": 151936,
        },
    ),
    ("deepseek-ai/DeepSeek-V3, without MTP and the router's biases", 671_026_404_352, DEEPSEEK_V3),
    ("google/gemma-3-27b-it", 27_432_406_640, GEMMA_3_27B),
    (
        "EleutherAI/gpt-neo-125m",
        125_198_592,
        {
            "architectures": ["GPTNeoForCausalLM"],
            "model_type": "gpt_neo",
            "hidden_size": 768,
            "intermediate_size": None,
            "max_position_embeddings": 2048,
            "num_heads": 12,
            "num_layers": 12,
            "vocab_size": 50257,
        },
    ),
    (
        "EleutherAI/gpt-neox-20b",
        20_554_567_680,
        {
            "architectures": ["GPTNeoXForCausalLM"],
            "model_type": "gpt_neox",
            "hidden_size": 6144,
            "intermediate_size": 24576,
            "num_attention_heads": 64,
            "num_hidden_layers": 44,
            "tie_word_embeddings": False,
            "vocab_size": 50432,
        },
    ),
    (
        "openai-community/gpt2",
        124_439_808,
        {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "n_ctx": 1024,
            "n_embd": 768,
            "n_head": 12,
            "n_layer": 12,
            "n_positions": 1024,
            "vocab_size": 50257,
        },
    ),
    ("BAAI/bge-large-en-v1.5", 335_141_888, BERT | {"architectures": ["BertModel"]} | {
        "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24}),
    (
        "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        66_955_010,
        {
            "architectures": ["DistilBertForSequenceClassification"],
            "model_type": "distilbert",
            "dim": 768,
            "hidden_dim": 3072,
            "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
            "max_position_embeddings": 512,
            "n_heads": 12,
            "n_layers": 6,
            "vocab_size": 30522,
        },
    ),
    (
        "openai/whisper-large-v3",
        1_543_490_560,
        {
            "architectures": ["WhisperForConditionalGeneration"],
            "model_type": "whisper",
            "d_model": 1280,
            "decoder_attention_heads": 20,
            "decoder_ffn_dim": 5120,
            "decoder_layers": 32,
            "encoder_attention_heads": 20,
            "encoder_ffn_dim": 5120,
            "encoder_layers": 32,
            "max_source_positions": 1500,
            "max_target_positions": 448,
            "num_hidden_layers": 32,
            "num_mel_bins": 128,
            "vocab_size": 51866,
        },
    ),
    ("google/flan-t5-xl, as stored", 2_849_757_184, FLAN_T5_XL),
    ("google/flan-t5-xl, as transformers 5 ties it", 2_783_959_040, FLAN_T5_XL | {"tie_word_embeddings": True}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "count", "config"), PUBLISHED, ids=[name for name, _, _ in PUBLISHED])
def test_counts_are_those_that_are_published(name: str, count: int, config: Config) -> None:
    assert parameters_from_config(config) == count


# A small model of each family. Every width differs from every other, so that no two can be mistaken for each other.
SMALL: Config = {
    "vocab_size": 97,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "max_position_embeddings": 33,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED: Config = {"num_key_value_heads": 2}
WIDE_HEADS: Config = {**GROUPED, "head_dim": 10}
BIASED: Config = {"attention_bias": True}
EXPERTS: Config = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 14, "decoder_sparse_step": 2}
LATENT: Config = {
    "kv_lora_rank": 9,
    "q_lora_rank": 11,
    "qk_rope_head_dim": 6,
    "qk_nope_head_dim": 8,
    "v_head_dim": 5,
    "n_routed_experts": 6,
    "n_shared_experts": 2,
    "moe_intermediate_size": 14,
    "first_k_dense_replace": 2,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
}
PAIRED: Config = {
    "vocab_size": 97,
    "d_model": 24,
    "encoder_layers": 3,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 6,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 44,
    "max_position_embeddings": 33,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LISTENING: Config = {
    **{name: value for name, value in PAIRED.items() if name != "max_position_embeddings"},
    "num_mel_bins": 7,
    "max_source_positions": 31,
    "max_target_positions": 29,
    "decoder_start_token_id": 1,
}
ENCODING: Config = {
    "vocab_size": 97,
    "d_model": 24,
    "d_kv": 5,
    "d_ff": 40,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 7,
    "pad_token_id": 0,
}

VARIANTS: Mapping[str, list[Config]] = {
    "llama": [GROUPED, WIDE_HEADS | BIASED, {"mlp_bias": True, "tie_word_embeddings": True}],
    "mistral": [GROUPED, WIDE_HEADS],
    "qwen2": [GROUPED, {**GROUPED, "tie_word_embeddings": True}],
    "qwen3": [WIDE_HEADS, WIDE_HEADS | BIASED],
    "phi3": [GROUPED],
    "gemma": [WIDE_HEADS, {**WIDE_HEADS, "tie_word_embeddings": False}],
    "gemma2": [WIDE_HEADS],
    "gemma3_text": [WIDE_HEADS],
    "olmo": [GROUPED],
    "olmo2": [GROUPED, GROUPED | BIASED],
    "olmo3": [GROUPED],
    "granite": [GROUPED, BIASED | {"mlp_bias": True}],
    "smollm3": [GROUPED, BIASED | {"mlp_bias": True, "tie_word_embeddings": False}],
    "glm": [WIDE_HEADS, WIDE_HEADS | BIASED],
    "glm4": [WIDE_HEADS],
    "cohere": [GROUPED, GROUPED | BIASED, {**GROUPED, "use_qk_norm": True}],
    "cohere2": [WIDE_HEADS],
    "starcoder2": [GROUPED, {**GROUPED, "use_bias": False}],
    "stablelm": [
        GROUPED,
        {**GROUPED, "use_qkv_bias": True, "qk_layernorm": True},
        {"use_parallel_residual": True, "tie_word_embeddings": True},
    ],
    "nemotron": [WIDE_HEADS, WIDE_HEADS | BIASED | {"mlp_bias": True}],
    "phi": [GROUPED, {"qk_layernorm": True}],
    "mixtral": [{**GROUPED, "num_local_experts": 6}],
    "olmoe": [{**GROUPED, "num_experts": 6, "num_experts_per_tok": 2}],
    "qwen2_moe": [
        GROUPED | EXPERTS | {"shared_expert_intermediate_size": 18},
        EXPERTS | {"mlp_only_layers": [1], "qkv_bias": False},
    ],
    "qwen3_moe": [WIDE_HEADS | EXPERTS, WIDE_HEADS | BIASED | EXPERTS | {"mlp_only_layers": [0, 1]}],
    "deepseek_v2": [LATENT, LATENT | BIASED | {"q_lora_rank": None, "n_shared_experts": 1}],
    "deepseek_v3": [LATENT, LATENT | BIASED, LATENT | {"q_lora_rank": None, "first_k_dense_replace": 0}],
    "gpt_oss": [{**WIDE_HEADS, "num_local_experts": 6, "num_experts_per_tok": 2}],
    "gpt2": [{}, {"n_inner": 40}],
    "gpt_bigcode": [{}, {"multi_query": False, "n_inner": 40}],
    "gpt_neo": [{"attention_types": [[["global"], 5]]}],
    "gpt_neox": [{}, {"attention_bias": False, "tie_word_embeddings": True}],
    "gptj": [{"rotary_dim": 4, "n_inner": 40}],
    "codegen": [{"rotary_dim": 4}],
    "opt": [
        {"word_embed_proj_dim": 24, "ffn_dim": 40},
        {"word_embed_proj_dim": 10, "ffn_dim": 40, "do_layer_norm_before": False},
        {"word_embed_proj_dim": 24, "ffn_dim": 40, "enable_bias": False},
    ],
    "bloom": [{}],
    "falcon": [
        {},
        {"bias": True, "parallel_attn": False, "multi_query": False},
        {"new_decoder_architecture": True, "num_kv_heads": 2},
        {"new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1, "ffn_hidden_size": 40},
    ],
    "mpt": [{}],
    "mamba": [
        {"intermediate_size": 48},
        {"intermediate_size": 72, "use_bias": True, "state_size": 5, "expand": 3, "conv_kernel": 2,
         "tie_word_embeddings": False},
    ],
    "bert": [{}, {"num_labels": 5, "type_vocab_size": 3}],
    "roberta": [{"num_labels": 5}],
    "xlm-roberta": [{}],
    "camembert": [{}],
    "distilbert": [{"hidden_dim": 40}],
    "t5": [{}, {"feed_forward_proj": "gated-gelu"}],
    "mt5": [{}],
    "bart": [{}],
    "mbart": [{}],
    "whisper": [{}],
}  # fmt: skip
BASES: Mapping[str, Config] = {
    "t5": ENCODING,
    "mt5": ENCODING,
    "bart": PAIRED,
    "mbart": PAIRED,
    "whisper": LISTENING,
}
HEADS = (
    "ForCausalLM",
    "LMHeadModel",
    "Model",
    "EncoderModel",
    "TextModel",
    "ForSequenceClassification",
    "TextForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMultipleChoice",
    "ForMaskedLM",
    "ForPreTraining",
    "ForConditionalGeneration",
)
CASES = [(name, number) for name, variants in VARIANTS.items() for number in range(len(variants))]


@pytest.fixture(scope="session")
def built() -> Callable[[str, Config, str], int | None]:
    """Return what counts the parameters of a model that transformers builds without giving it memory.

    The count is `None` when there is no such class.
    """
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    transformers.logging.set_verbosity_error()

    def count(model_type: str, settings: Config, class_name: str) -> int | None:
        model_class = getattr(transformers, class_name, None)
        if model_class is None:
            return None
        with torch.device("meta"):
            model = model_class(CONFIG_MAPPING[model_type](**settings))
        model.tie_weights()
        return sum(int(each.numel()) for each in model.parameters())

    return count


def _prefix(model_type: str) -> str:
    if model_type == "mamba":
        return "Mamba"
    families: Mapping[str, Decoder | Encoder | Pair] = {**DECODERS, **ENCODERS, **PAIRS}
    return families[model_type].prefix


@pytest.mark.parametrize(("model_type", "variant"), CASES, ids=[f"{name}-{number}" for name, number in CASES])
def test_counts_are_those_of_the_modules_that_transformers_builds(
    model_type: str, variant: int, built: Callable[[str, Config, str], int | None]
) -> None:
    settings = BASES.get(model_type, SMALL) | VARIANTS[model_type][variant]
    compared = 0
    for head in HEADS:
        class_name = _prefix(model_type) + head
        config = {"model_type": model_type, "architectures": [class_name], **settings}
        reckoned = parameters_from_config(config)
        counted = None if reckoned is None else built(model_type, settings, class_name)
        if counted is None:
            continue
        assert reckoned == counted, class_name
        compared += 1
    assert compared >= 1


def test_what_sees_is_counted_with_its_vision_tower(built: Callable[[str, Config, str], int | None]) -> None:
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": 12,
        "intermediate_size": 22,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 7,
        "vision_use_head": False,
    }
    settings = {
        "text_config": {"model_type": "gemma3_text", **SMALL, **WIDE_HEADS},
        "vision_config": vision,
        "mm_tokens_per_image": 4,
    }
    name = "Gemma3ForConditionalGeneration"
    reckoned = parameters_from_config({"model_type": "gemma3", "architectures": [name], **settings})
    assert reckoned is not None
    assert reckoned == built("gemma3", settings, name)


@pytest.mark.parametrize(("name", "families"), [("decoders", DECODERS), ("encoders", ENCODERS), ("pairs", PAIRS)])
def test_every_family_is_compared(name: str, families: Mapping[str, Any]) -> None:
    assert set(families) <= set(VARIANTS)


@pytest.mark.parametrize(
    "change",
    [
        {"architectures": None},
        {"architectures": ["LlamaForCausalLMEagle3"]},
        {"architectures": ["LlavaLlamaForCausalLM"]},
        {"model_type": "never_heard_of"},
        {"model_type": ["llama"]},
        {"model_type": None},
        {"num_hidden_layers": 10**9},
        {"num_attention_heads": 33},
        {"per_layer_config": {"0": {"intermediate_size": 64}}},
    ],
)
def test_what_is_not_known_exactly_is_not_counted(change: Config) -> None:
    assert parameters_from_config(LLAMA_8B) is not None
    assert parameters_from_config(LLAMA_8B | change) is None


def test_layers_that_hold_something_else_are_not_counted() -> None:
    assert parameters_from_config(DEEPSEEK_V3 | {"moe_layer_freq": 2}) is None
    assert parameters_from_config(BERT | {"position_embedding_type": "relative_key"}) is None
    pooled = GEMMA_3_27B | {"vision_config": GEMMA_3_27B["vision_config"] | {"vision_use_head": True}}
    assert parameters_from_config(pooled) is None


def test_labels_are_counted_in_the_names_of_classes() -> None:
    classifier = BERT | {"architectures": ["BertForSequenceClassification"]}
    two = parameters_from_config(classifier)
    five = parameters_from_config(classifier | {"id2label": {str(number): "x" for number in range(5)}})
    assert two is not None
    assert five == two + 3 * (768 + 1)


VALUES: st.SearchStrategy[object] = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2**70), st.floats(), st.text(max_size=6), st.just([]), st.just({})
)
NAMES = sorted({*SMALL, *LATENT, *EXPERTS, *PAIRED, *LISTENING, *ENCODING, "mlp_only_layers", "id2label"})


@settings(max_examples=300, deadline=None)
@given(
    model_type=st.sampled_from(sorted(VARIANTS)),
    head=st.sampled_from(HEADS),
    changes=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6),
)
def test_a_malformed_config_is_counted_or_not_but_never_raises(model_type: str, head: str, changes: Config) -> None:
    config = {"model_type": model_type, "architectures": [_prefix(model_type) + head]}
    counted = parameters_from_config(config | BASES.get(model_type, SMALL) | changes)
    assert counted is None or counted > 0

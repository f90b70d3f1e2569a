"""Weight sets of what is not a plain transformers model: pipelines, GGUF files, adapters, sentence embeddings."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RefusedError, UsageError
from core.models.facts import ModelFacts, ModelFile, Pipeline, PipelinePart, WeightSet
from core.models.pipeline_weights import half_precision_bytes
from core.models.quantization import Quantization, quantization_of
from core.models.reference import HubReference
from core.models.remote_code import remote_code_of
from core.models.weight_set import pickles_among, refuse_base_elsewhere, select_weight_set
from tests.listings import load_listing
from tests.stand_in_hub import Ghost


def facts(files: dict[str, int], name: str = "acme/tiny", **known: object) -> ModelFacts:
    listed = tuple(ModelFile(path, size) for path, size in sorted(files.items()))
    return replace(ModelFacts(reference=HubReference(name), revision="0" * 40, files=listed), **known)  # type: ignore[arg-type]


def pipeline(*parts: str) -> Pipeline:
    return Pipeline("StableDiffusionPipeline", tuple(PipelinePart(part, "diffusers", "Part") for part in parts))


def paths(weights: WeightSet) -> list[str]:
    return [file.path for file in weights.weights]


def left_out(weights: WeightSet) -> dict[str, str]:
    return {each.file.path: each.reason for each in weights.left_out}


PARTS = {
    "model_index.json": 1,
    "unet/config.json": 1,
    "unet/diffusion_pytorch_model.safetensors": 100,
    "unet/diffusion_pytorch_model.fp16.safetensors": 50,
    "unet/diffusion_pytorch_model.bin": 100,
    "vae/config.json": 1,
    "vae/diffusion_pytorch_model.safetensors": 10,
    "text_encoder/config.json": 1,
    "text_encoder/model.safetensors": 20,
    "text_encoder/model.fp16.safetensors": 10,
    "text_encoder/flax_model.msgpack": 20,
    "tokenizer/vocab.json": 1,
    "scheduler/scheduler_config.json": 1,
    "vae_1_0/diffusion_pytorch_model.safetensors": 10,
    "sd_xl_base_1.0.safetensors": 170,
    "README.md": 1,
}
NAMED = pipeline("unet", "vae", "text_encoder", "tokenizer", "scheduler")


def test_a_pipeline_is_packaged_in_half_precision_part_by_part() -> None:
    found = select_weight_set(facts(PARTS, pipeline=NAMED))
    assert paths(found) == [
        "text_encoder/model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.safetensors",  # it has no other
    ]
    assert (found.variant, found.variants, found.format) == ("fp16", ("plain", "fp16"), "safetensors")
    kept = {file.path for file in found.support}
    assert {"tokenizer/vocab.json", "scheduler/scheduler_config.json", "vae/config.json", "model_index.json"} <= kept
    assert left_out(found) == {
        "unet/diffusion_pytorch_model.safetensors": "the weights in another precision",
        "unet/diffusion_pytorch_model.bin": "weights in another format",
        "text_encoder/model.safetensors": "the weights in another precision",
        "text_encoder/flax_model.msgpack": "weights in another format",
        "vae_1_0/diffusion_pytorch_model.safetensors": "a folder that model_index.json does not name",
        "sd_xl_base_1.0.safetensors": "weights in another format",
    }


def test_plain_weights_can_be_asked_for() -> None:
    found = select_weight_set(facts(PARTS, pipeline=NAMED), variant="plain")
    assert found.variant is None
    assert found.weight_bytes == 130
    assert left_out(found)["unet/diffusion_pytorch_model.fp16.safetensors"] == "the weights in another precision"


def test_a_variant_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(UsageError, match="no variant “bf16”") as caught:
        select_weight_set(facts(PARTS, pipeline=NAMED), variant="bf16")
    assert "plain, fp16" in caught.value.fix


@pytest.mark.parametrize(
    ("first", "second", "index"),
    [
        (
            "diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
            "diffusion_pytorch_model.fp16-00002-of-00002.safetensors",
            "diffusion_pytorch_model.fp16.safetensors.index.json",
        ),
        (
            "diffusion_pytorch_model-00001-of-00002.fp16.safetensors",
            "diffusion_pytorch_model-00002-of-00002.fp16.safetensors",
            "diffusion_pytorch_model.safetensors.index.fp16.json",
        ),
    ],
)
def test_shards_of_a_variant_go_with_their_index(first: str, second: str, index: str) -> None:
    plain = "diffusion_pytorch_model.safetensors.index.json"
    files = {"model_index.json": 1, **{f"unet/{name}": 5 for name in (first, second, index, plain)}}
    found = select_weight_set(facts(files, pipeline=pipeline("unet")))
    assert paths(found) == sorted([f"unet/{first}", f"unet/{second}"])
    assert f"unet/{index}" in {file.path for file in found.support}
    assert f"unet/{plain}" in left_out(found)
    del files[f"unet/{second}"]
    with pytest.raises(RefusedError, match="lacks 1 of 2 weight files"):
        select_weight_set(facts(files, pipeline=pipeline("unet")))


def test_shards_of_a_part_without_an_index_are_refused() -> None:
    names = [f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    files = {"model_index.json": 1, **{f"unet/{name}": 5 for name in names}}
    with pytest.raises(RefusedError, match=r"unet of acme/tiny has 2 shards but no diffusion_\S+\.index\.json"):
        select_weight_set(facts(files, pipeline=pipeline("unet")))
    files["unet/diffusion_pytorch_model.safetensors.index.json"] = 1
    assert select_weight_set(facts(files, pipeline=pipeline("unet"))).shards == 2


@pytest.mark.parametrize(
    ("there", "offered"),
    [
        (["transformer/config.json"], ""),
        (["transformer/config.json", "transformer/diffusion_flax_model.msgpack"], "; it offers Flax"),
        (["transformer/config.json", "transformer/model.onnx"], "; it offers ONNX"),
        (["transformer/model.onnx"], "; it offers ONNX"),
        ([], ""),
    ],
)
def test_a_pipeline_whose_main_part_has_no_weights_is_refused(there: list[str], offered: str) -> None:
    files = {"model_index.json": 1, "vae/diffusion_pytorch_model.safetensors": 5, **dict.fromkeys(there, 5)}
    with pytest.raises(RefusedError, match="transformer of acme/tiny, a part that") as refused:
        select_weight_set(facts(files, pipeline=pipeline("transformer", "vae")))
    assert refused.value.message.endswith(f"has no weights that can be packaged{offered}.")


def test_parts_that_need_no_weights_have_none() -> None:
    classes = {
        "scheduler": "PNDMScheduler",
        "tokenizer": "CLIPTokenizer",
        "tokenizer_2": "T5TokenizerFast",
        "image_processor": "CLIPImageProcessor",
        "feature_extractor": "CLIPFeatureExtractor",
        "unet": "UNet2DConditionModel",
    }
    files = {
        "model_index.json": 1,
        "scheduler/config.json": 1,
        "tokenizer/vocab.json": 1,
        "feature_extractor/preprocessor_config.json": 1,
        "unet/diffusion_pytorch_model.safetensors": 5,
    }
    parts = tuple(PipelinePart(folder, "library", name) for folder, name in classes.items())
    assert select_weight_set(facts(files, pipeline=Pipeline("P", parts))).weight_bytes == 5
    mine = (*parts, PipelinePart("guider", "mine", "Guide"))
    found = select_weight_set(facts({**files, "guider/guider_config.json": 1}, pipeline=Pipeline("P", mine)))
    assert found.weight_bytes == 5


def test_half_precision_is_known_only_where_every_part_has_it() -> None:
    def half(sizes: dict[str, int]) -> int | None:
        return half_precision_bytes(
            pipeline("unet", "vae", "tokenizer"), {p: ModelFile(p, n) for p, n in sizes.items()}
        )

    plain = {f"{part}/diffusion_pytorch_model.safetensors": 100 for part in ("unet", "vae")}
    halves = {f"{part}/diffusion_pytorch_model.fp16.safetensors": 50 for part in ("unet", "vae")}
    assert half({**plain, **halves}) == 100
    assert half({**plain, "vae/diffusion_pytorch_model.fp16.safetensors": 50}) is None
    assert half({**plain, **halves, "vae/diffusion_pytorch_model.fp16.bin": 50}) == 100
    other = {"unet/diffusion_pytorch_model.fp16.safetensors": 50, "vae/diffusion_pytorch_model.fp16.bin": 49}
    assert half({**plain, **other}) == 99
    assert half({**plain, **{path.replace("fp16", "bf16"): size for path, size in halves.items()}}) == 100
    assert half(plain) is None
    assert half({}) is None


def test_a_pipeline_of_pickles_is_told_as_such() -> None:
    files = {"model_index.json": 1, "unet/diffusion_pytorch_model.bin": 5, "vae/diffusion_pytorch_model.safetensors": 5}
    found = select_weight_set(facts(files, pipeline=pipeline("unet", "vae")))
    assert found.format == "pytorch"
    assert len(found.weights) == 2


def test_a_pipeline_whose_weights_lie_elsewhere_is_refused() -> None:
    with pytest.raises(RefusedError, match="no weights in the folders"):
        select_weight_set(facts({"model_index.json": 1, "sd_xl.safetensors": 5}, pipeline=pipeline("unet")))


GGUF = {
    "README.md": 1,
    "config.json": 1,
    "model.Q2_K.gguf": 3,
    "model.Q4_K_M.gguf": 4,
    "model.Q8_0-00001-of-00002.gguf": 4,
    "model.Q8_0-00002-of-00002.gguf": 4,
}


def test_one_quantization_out_of_those_offered_is_packaged() -> None:
    found = select_weight_set(facts(GGUF))
    assert (paths(found), found.variant, found.format) == (["model.Q4_K_M.gguf"], "Q4_K_M", "gguf")
    assert found.variants == ("Q2_K", "Q4_K_M", "Q8_0")
    assert left_out(found)["model.Q2_K.gguf"] == "another quantization"


def test_a_quantization_can_be_asked_for_and_may_be_split() -> None:
    found = select_weight_set(facts(GGUF), variant="q8_0")
    assert (found.shards, found.weight_bytes) == (2, 8)
    with pytest.raises(RefusedError, match="lacks parts"):
        select_weight_set(facts({"model.Q8_0-00002-of-00002.gguf": 4}))
    with pytest.raises(UsageError, match="no quantization “Q5_K_M”") as caught:
        select_weight_set(facts(GGUF), variant="Q5_K_M")
    assert "Q2_K, Q4_K_M, Q8_0" in caught.value.fix


def test_what_is_no_language_model_is_no_quantization() -> None:
    others = {"mmproj-F16.gguf": 1, "tiny-mmproj-f16.gguf": 1, "imatrix.gguf": 1, "tiny.imatrix": 1, "imatrix.dat": 1}
    found = select_weight_set(facts({"tiny-Q8_0.GGUF": 8, **others}))
    assert (paths(found), found.variants) == (["tiny-Q8_0.GGUF"], ("Q8_0",))
    assert set(left_out(found)) == set(others)


ADAPTER = {"adapter_config.json": 1, "adapter_model.safetensors": 7, "adapter_model.bin": 7, "optimizer.pt": 9}
BASE = {"config.json": 1, "model.safetensors": 100, "tokenizer.json": 2}


def test_an_adapter_is_loaded_with_its_base() -> None:
    whole = facts(ADAPTER, base=facts(BASE, "acme/base"))
    found = select_weight_set(whole)
    assert paths(found) == ["adapter_model.safetensors"]
    assert (found.weight_bytes, found.packaged_bytes, found.shards) == (107, 111, 2)
    assert left_out(found) == {
        "adapter_model.bin": "weights in another format",
        "optimizer.pt": "what training left behind",
    }
    with pytest.raises(RefusedError, match="adapter for acme/base") as caught:
        refuse_base_elsewhere(whole, found)
    assert "merge_and_unload" in caught.value.fix


def test_an_adapter_without_base_or_weights_is_refused() -> None:
    with pytest.raises(RefusedError, match="model it is for could not be found"):
        select_weight_set(facts(ADAPTER))
    with pytest.raises(RefusedError, match=r"no adapter_model\.safetensors"):
        select_weight_set(facts({"adapter_config.json": 1, "README.md": 1}, base=facts(BASE)))


def test_an_adapter_is_as_safe_as_its_base() -> None:
    unsafe = replace(facts({"config.json": 1, "pytorch_model.bin": 9}), unsafe_files=("pytorch_model.bin",))
    with pytest.raises(RefusedError, match="unsafe"):
        select_weight_set(facts(ADAPTER, base=unsafe))


def test_modules_after_the_transformer_are_packaged() -> None:
    files = {
        "modules.json": 1,
        "config.json": 1,
        "model.safetensors": 100,
        "pytorch_model.bin": 100,
        "sentence_bert_config.json": 1,
        "1_Pooling/config.json": 1,
        "2_Dense/config.json": 1,
        "2_Dense/model.safetensors": 5,
        "2_Dense/pytorch_model.bin": 5,
        "onnx/model.onnx": 100,
        "openvino/openvino_model.bin": 100,
    }
    found = select_weight_set(facts(files))
    kept = {file.path for file in found.files}
    assert {"1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors"} <= kept
    assert set(left_out(found)) == {
        "pytorch_model.bin",
        "2_Dense/pytorch_model.bin",
        "onnx/model.onnx",
        "openvino/openvino_model.bin",
    }
    assert found.weight_bytes == 100


PICKLE = {"pytorch_model.bin": 9}


def test_pickles_are_told_wherever_they_are() -> None:
    dense = {"modules.json": 1, "config.json": 1, "model.safetensors": 9, "2_Dense/config.json": 1}
    assert pickles_among(select_weight_set(facts(dense))) == ()
    found = select_weight_set(facts({**dense, "2_Dense/pytorch_model.bin": 2, "pytorch_model.bin": 9}))
    assert pickles_among(found) == ("2_Dense/pytorch_model.bin",)
    part = {"model_index.json": 1, "unet/diffusion_pytorch_model.safetensors": 9, "vae/diffusion_pytorch_model.bin": 1}
    found = select_weight_set(facts(part, pipeline=pipeline("unet", "vae")))
    assert pickles_among(found) == ("vae/diffusion_pytorch_model.bin",)
    whole = facts({"adapter_config.json": 1, "adapter_model.bin": 1}, base=facts({"config.json": 1, **PICKLE}))
    found = select_weight_set(whole)
    assert pickles_among(found) == ("adapter_model.bin",)
    assert found.base is not None
    assert pickles_among(found.base) == tuple(PICKLE)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(json_like)
def test_whatever_auto_map_and_quantization_config_hold_is_read(value: object) -> None:
    remote_code_of({"auto_map": value}, ["a.py"])
    quantization_of({"quantization_config": value})


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, Quantization("gptq", 4, 128)),
        ({"quant_method": "gptq", "bits": 4, "group_size": -1}, Quantization("gptq", 4, None)),
        ({"quant_method": "awq", "bits": 4, "group_size": 64}, Quantization("awq", 4, 64)),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, Quantization("bitsandbytes", 4)),
        ({"load_in_8bit": True}, Quantization("bitsandbytes", 8)),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, Quantization("fp8", 8, 128)),
        ({"quant_method": "mxfp4"}, Quantization("mxfp4", 4, 32)),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"0": {"weights": {"num_bits": 4, "group_size": 32}}},
            },
            Quantization("compressed-tensors", 4, 32),
        ),
        ({"quant_method": "new\x1b[2J"}, Quantization("new", None, None)),
    ],
)
def test_how_a_checkpoint_is_quantized(stated: dict[str, object], expected: Quantization) -> None:
    assert quantization_of({"quantization_config": stated}) == expected


def test_the_walkthroughs_pipeline_leaves_nine_tenths_behind() -> None:
    listing = load_listing("sdxl_base")
    sizes = {path: body.bytes if isinstance(body, Ghost) else len(body) for path, body in listing.files.items()}
    parts = pipeline("scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "unet", "vae")
    found = select_weight_set(facts(sizes, pipeline=parts))
    assert found.weight_bytes / 10**9 == pytest.approx(6.94, abs=0.02)
    assert not any(path.startswith(("vae_1_0", "vae_encoder", "vae_decoder")) for path in paths(found))
    assert found.packaged_bytes < sum(sizes.values()) / 10


def test_a_language_model_quantized_with_an_importance_matrix_is_one() -> None:
    files = {"acme-imatrix-Q4_K_M.gguf": 4, "imatrix.gguf": 1, "imatrix_unsloth.gguf": 1, "mmproj-f16.gguf": 1}
    found = select_weight_set(facts(files))
    assert (paths(found), found.variants) == (["acme-imatrix-Q4_K_M.gguf"], ("Q4_K_M",))

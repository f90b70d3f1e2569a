"""What `fit --json` says of a model: its files, what of them is left behind, and in which types its weights are."""

from core.instances.fit_document import fit_document
from core.instances.offers import Offers
from core.instances.survey import survey
from core.models.facts import ModelFacts, ModelFile
from core.models.quantization import Quantization
from core.models.reference import HubReference
from core.models.weight_set import select_weight_set


def told(facts: ModelFacts, variant: str | None = None) -> dict[str, object]:
    weights = select_weight_set(facts, variant=variant)
    found: dict[str, object] = fit_document(facts, weights, survey(facts, weights, Offers()))["model"]
    return found


def facts(*paths: str, **known: object) -> ModelFacts:
    files = tuple(ModelFile(path, 10) for path in sorted(paths))
    return ModelFacts(HubReference("acme/m"), "0" * 40, files, **known)  # type: ignore[arg-type]


def test_files_are_listed_with_their_sizes_and_reasons() -> None:
    found = told(
        facts("config.json", "model.safetensors", "pytorch_model.bin", dtype="float16", dtypes={"F16": 4, "U8": 1})
    )
    assert found["files"] == [{"path": "config.json", "bytes": 10}, {"path": "model.safetensors", "bytes": 10}]
    assert found["left_out"] == [
        {"path": "pytorch_model.bin", "bytes": 10, "reason": "weights in another format"},
    ]
    assert (found["left_out_bytes"], found["packaged_bytes"]) == (10, 20)
    assert (found["dtype"], found["dtypes"]) == ("float16", {"F16": 4, "U8": 1})


def test_the_type_of_a_gguf_model_is_that_of_the_file_that_is_taken() -> None:
    offered = facts(
        "a-Q4_K_M.gguf", "a-Q8_0.gguf", dtype="Q4_K_M", dtypes={"Q4_K": 9}, quantization=Quantization("gguf")
    )
    default, other = told(offered), told(offered, "Q8_0")
    assert (default["variant"], default["dtype"], default["dtypes"]) == ("Q4_K_M", "Q4_K_M", {"Q4_K": 9})
    assert (other["variant"], other["dtype"], other["dtypes"]) == ("Q8_0", "Q8_0", {})

"""Which files of a GGUF repository are taken: one quantization of one model, and all parts of it."""

from collections.abc import Collection

import pytest

from core.errors import RefusedError
from core.models.facts import ModelFacts, ModelFile, WeightSet
from core.models.gguf_weights import default_gguf
from core.models.layout import gguf_files
from core.models.reference import HubReference
from core.models.weight_set import select_weight_set


def chosen(*paths: str, variant: str | None = None) -> WeightSet:
    files = tuple(ModelFile(path, 4) for path in sorted(paths))
    return select_weight_set(ModelFacts(HubReference("acme/m"), "0" * 40, files), variant=variant)


def paths(weights: WeightSet) -> list[str]:
    return [file.path for file in weights.weights]


def parts(stem: str, count: int) -> list[str]:
    return [f"{stem}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]


def test_a_single_file_is_taken_before_the_parts_of_the_same() -> None:
    found = chosen("a-Q4_K_M.gguf", *parts("a-Q4_K_M", 2))
    assert paths(found) == ["a-Q4_K_M.gguf"]
    assert {each.reason for each in found.left_out} == {"the same quantization again"}


def test_the_folder_names_the_quantization_of_parts_whose_names_do_not() -> None:
    repository = (*parts("Q4_K_M/model", 2), *parts("Q8_0/model", 3))
    assert paths(chosen(*repository)) == parts("Q4_K_M/model", 2)
    found = chosen(*repository, variant="q8_0")
    assert paths(found) == parts("Q8_0/model", 3)
    assert (found.variant, found.variants) == ("Q8_0", ("Q4_K_M", "Q8_0"))


def test_parts_of_two_models_do_not_mix() -> None:
    assert paths(chosen(*parts("aa-Q4_K_M", 2), *parts("b-Q4_K_M", 2))) == parts("b-Q4_K_M", 2)
    assert paths(chosen(*parts("a-Q4_K_M", 2), *parts("a-Q4_K_M", 3)[1:])) == parts("a-Q4_K_M", 2)


def test_a_whole_set_is_taken_before_one_that_lacks_parts() -> None:
    assert paths(chosen(*parts("a-Q4_K_M", 3)[:2], *parts("bb-Q4_K_M", 2))) == parts("bb-Q4_K_M", 2)


def test_parts_that_are_missing_are_named() -> None:
    with pytest.raises(RefusedError, match=r"lacks parts of its Q8_0 file: Q8_0/m-00002-of-00003\.gguf\.$"):
        chosen("Q8_0/m-00001-of-00003.gguf", "Q8_0/m-00003-of-00003.gguf")
    with pytest.raises(RefusedError, match=r"m-00001-of-99999\.gguf, .* and 99995 more\.$"):
        chosen("m-00002-of-99999.gguf")


@pytest.mark.parametrize(
    ("labels", "first"),
    [
        (["UD-IQ1_S", "UD-Q4_K_XL"], "UD-Q4_K_XL"),
        (["UD-Q4_K_M", "Q8_0"], "UD-Q4_K_M"),
        (["UD-Q4_K_M", "Q4_K_M"], "Q4_K_M"),
        (["IQ4_XS", "Q4_K_L", "Q8_0"], "Q4_K_L"),
        (["IQ1_S", "IQ2_XS", "IQ3_M"], "IQ3_M"),
        (["IQ3_M", "Q5_K_S"], "Q5_K_S"),
        (["Q3_K_S", "Q5_K_S"], "Q5_K_S"),
        (["F16", "MXFP4_MOE"], "MXFP4_MOE"),
        (["BF16", "Q8_0"], "Q8_0"),
        (["BF16", "F32", "Q2_K"], "Q2_K"),
    ],
)
def test_what_comes_nearest_to_four_bits_is_taken(labels: list[str], first: str) -> None:
    named = [f"model-{label}.gguf" for label in labels]
    assert default_gguf(named) == f"model-{first}.gguf"
    found = chosen(*named)
    assert (found.variant, paths(found)) == (first, [f"model-{first}.gguf"])


def test_files_are_sorted_out_in_one_go_however_many(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counting(listed: Collection[str]) -> tuple[str, ...]:
        calls.append(len(listed))
        return gguf_files(listed)

    monkeypatch.setattr("core.models.gguf_weights.gguf_files", counting)
    chosen("a-Q4_K_M.gguf", *(f"d/f{number}.txt" for number in range(100)))
    assert calls == [101]

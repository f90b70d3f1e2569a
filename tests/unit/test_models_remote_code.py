"""Code that a model brings with it: when it is seen, and when it is packaged."""

from dataclasses import replace

import pytest

from core.errors import RefusedError, UsageError
from core.models.facts import ModelFacts, ModelFile, WeightSet
from core.models.reference import HubReference
from core.models.remote_code import RemoteCode, remote_code_of
from core.models.weight_set import select_weight_set


def facts(files: dict[str, int], name: str = "acme/tiny", **known: object) -> ModelFacts:
    listed = tuple(ModelFile(path, size) for path, size in sorted(files.items()))
    return replace(ModelFacts(reference=HubReference(name), revision="0" * 40, files=listed), **known)  # type: ignore[arg-type]


def left_out(weights: WeightSet) -> dict[str, str]:
    return {each.file.path: each.reason for each in weights.left_out}


ADAPTER = {"adapter_config.json": 1, "adapter_model.safetensors": 7}
BASE = {"config.json": 1, "model.safetensors": 100, "tokenizer.json": 2}
CODE = {"config.json": 1, "model.safetensors": 9, "modeling_x.py": 3, "layers.py": 2, "tools/run.py": 1}


def test_code_stays_behind_unless_it_is_trusted() -> None:
    config = {"auto_map": {"AutoModel": "modeling_x.Model"}}
    whole = facts(CODE, config=config, remote_code=remote_code_of(config, CODE))
    assert "modeling_x.py" in left_out(select_weight_set(whole))
    found = select_weight_set(whole, remote_code=True)
    assert found.remote_code
    assert {"modeling_x.py", "layers.py"} <= {file.path for file in found.files}
    assert "tools/run.py" in left_out(found)


def test_code_from_another_repository_is_not_taken() -> None:
    config = {"auto_map": {"AutoConfig": ["evil/repo--configuration.C", None], "AutoModel": "modeling_x.Model"}}
    code = remote_code_of(config, CODE)
    assert code == RemoteCode(("layers.py", "modeling_x.py"), ("evil/repo",))
    with pytest.raises(RefusedError, match="lies in another repository"):
        select_weight_set(facts(CODE, config=config, remote_code=code), remote_code=True)


def test_code_that_is_named_and_not_there_is_missed() -> None:
    config = {"auto_map": {"AutoModel": "modeling_y.Model"}}
    code = remote_code_of(config, CODE)
    with pytest.raises(RefusedError, match=r"code that it does not have: modeling_y\.py"):
        select_weight_set(facts(CODE, config=config, remote_code=code), remote_code=True)


def test_trust_in_code_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="brings no code"):
        select_weight_set(facts(BASE), remote_code=True)


@pytest.mark.parametrize(
    "name", ["tokenization_x.py", "processing_x.py", "image_processing_x.py", "feature_extraction_x.py"]
)
def test_code_that_only_a_tokenizer_may_name_is_seen_by_its_name(name: str) -> None:
    files = {**BASE, name: 3, "layers.py": 2}
    code = remote_code_of({}, files)
    assert code == RemoteCode(tuple(sorted(("layers.py", name))), named=False)
    whole = facts(files, remote_code=code)
    assert name in left_out(select_weight_set(whole))
    assert {name, "layers.py"} <= {file.path for file in select_weight_set(whole, remote_code=True).files}


@pytest.mark.parametrize("path", ["modeling_x.py", "train.py", "src/tokenization_x.py", "tokenization_x.txt"])
def test_other_code_is_not_run_when_nobody_names_it(path: str) -> None:
    assert remote_code_of({}, {**BASE, path: 1}) is None


def test_what_runs_no_code_of_a_model_has_none() -> None:
    for files in ({"x.Q8_0.gguf": 1, "tokenization_x.py": 1}, {"model_index.json": 1, "processing_x.py": 1}):
        assert remote_code_of({}, files) is None


def test_code_lies_beside_the_module_that_is_named() -> None:
    files = {**CODE, "own/modeling_x.py": 1, "own/layers.py": 1, "own/deep/layers.py": 1}
    code = remote_code_of({"auto_map": {"AutoModel": "own/modeling_x.Model"}}, files)
    assert code == RemoteCode(("layers.py", "modeling_x.py", "own/layers.py", "own/modeling_x.py"))
    dotted = remote_code_of({"auto_map": {"AutoModel": "own.modeling_x.Model"}}, files)
    assert dotted is not None
    assert dotted.missing == ("own.modeling_x.py",)  # as transformers looks for it


def test_the_code_of_an_adapters_base_is_allowed_with_it() -> None:
    config = {"auto_map": {"AutoModel": "modeling_x.Model"}}
    base = facts(CODE, "acme/base", config=config, remote_code=remote_code_of(config, CODE))
    found = select_weight_set(facts(ADAPTER, base=base), remote_code=True)
    assert found.base is not None
    assert found.remote_code
    assert found.base.remote_code
    assert "modeling_x.py" in {file.path for file in found.base.files}
    assert not select_weight_set(facts(ADAPTER, base=base)).remote_code
    with pytest.raises(UsageError, match="brings no code"):
        select_weight_set(facts(ADAPTER, base=facts(BASE)), remote_code=True)
    own = {**ADAPTER, "tokenization_x.py": 1}
    found = select_weight_set(facts(own, base=facts(BASE), remote_code=remote_code_of({}, own)), remote_code=True)
    assert "tokenization_x.py" in {file.path for file in found.files}
    assert found.base is not None
    assert not found.base.remote_code

"""Models whose weights were converted, as transformers loads them."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

from core.artifacts.converted_tree import converted_members
from core.artifacts.folder import write_folder
from core.artifacts.tree import artifact_tree
from core.cancellation import CancelToken
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import FolderReference
from core.models.sources import open_source
from core.models.weight_set import select_weight_set
from core.serving.templates import find_template
from tests.checkpoints import save_shards

IDS = torch.tensor([[1, 2, 3]])


def converted(folder: Path, to: Path) -> Path:
    """Package a model folder as a folder, with its pickled weights converted."""
    hub, cancel, reference = HubClient(), CancelToken(), FolderReference(folder)
    facts = inspect_model(reference, hub, cancel)
    weights = select_weight_set(facts)
    assert weights.format == "pytorch"
    tree = artifact_tree(weights.files, open_source(reference, None, hub), find_template("text_generation"))
    (to / "work").mkdir()
    members = converted_members(tree, to / "work", cancel=cancel)
    return write_folder(members, to / "artifact", cancel=cancel).path


def pickled_model(model: Any, folder: Path, *, shards: int) -> Path:
    """Save a model as older versions did: all names, tied ones too, in pickles."""
    folder.mkdir(exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    (folder / "tokenizer.json").write_text("{}")
    state = model.state_dict()
    if shards == 1:
        torch.save(state, folder / "pytorch_model.bin")
        return folder
    # Names that share a storage go into one shard, as transformers sees to.
    storages: dict[int, list[str]] = {}
    for name, each in state.items():
        storages.setdefault(each.untyped_storage().data_ptr(), []).append(name)
    groups: list[list[str]] = [[] for _ in range(shards)]
    for number, names in enumerate(storages.values()):
        groups[number % shards] += names
    save_shards(folder, state, *groups)
    return folder


def loaded(cls: Any, folder: Path) -> Any:
    model, told = cls.from_pretrained(folder, output_loading_info=True, local_files_only=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    assert not told["mismatched_keys"]
    return model.eval()


@pytest.mark.parametrize("shards", [1, 3])
def test_a_gpt_neo_with_tied_weights_loads_whole_and_says_the_same(tmp_path: Path, shards: int) -> None:
    build = runpy.run_path(str(Path(__file__).with_name("tiny_gpt_neo.py")))["build"]
    folder = build(tmp_path / "model", chat=False)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    (folder / "model.safetensors").unlink()
    pickled_model(model, folder, shards=shards)
    artifact = converted(folder, tmp_path)
    assert not list(artifact.rglob("*.bin*"))
    assert len(list(artifact.glob("*.safetensors"))) == shards
    again = loaded(transformers.AutoModelForCausalLM, artifact)
    with torch.no_grad():
        assert torch.equal(again(IDS).logits, model(IDS).logits)
    kept = {name for path in artifact.glob("*.safetensors") for name in load_file(path)}
    assert ("lm_head.weight" in kept) != ("transformer.wte.weight" in kept)


@pytest.mark.parametrize("tied", [True, False])
def test_a_t5_with_tied_weights_loads_whole_and_says_the_same(tmp_path: Path, tied: bool) -> None:
    config = transformers.T5Config(
        vocab_size=50,
        d_model=16,
        d_kv=8,
        d_ff=16,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
        tie_word_embeddings=tied,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = transformers.T5ForConditionalGeneration(config).eval()
    again = loaded(
        transformers.T5ForConditionalGeneration, converted(pickled_model(model, tmp_path / "m", shards=1), tmp_path)
    )
    with torch.no_grad():
        wanted = model(input_ids=IDS, decoder_input_ids=IDS).logits
        assert torch.equal(again(input_ids=IDS, decoder_input_ids=IDS).logits, wanted)

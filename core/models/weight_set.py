"""The weight set: of all the files of a model, those that will be packaged, and why the others are not.

One format of the weights only: safetensors before pickles, one file before shards, as transformers chooses when it
loads a folder (`modeling_utils._get_resolved_checkpoint_files`).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from core.errors import RefusedError
from core.models import layout
from core.models.facts import LeftOut, ModelFacts, ModelFile, ShardIndex, WeightSet
from core.models.packaged_files import listed, refuse_unusable_files
from core.quantities import format_bytes

_KINDS: Final[Mapping[str, str]] = {
    "diffusers": "a diffusers pipeline",
    "peft": "a PEFT adapter without its base model",
    "sentence-transformers": "a sentence-transformers model",
    "gguf": "a GGUF model",
}
_TRAINING: Final = "what training left behind"
_OTHER_WEIGHTS: Final = "weights in another format"
_REASONS: Final = (
    # What transformers never reads at serving time; `.py` is not run, so it is not packaged.
    (re.compile(r"\.git.*|.*/\.git.*"), "git's own"),
    (re.compile(r"(?:.*/)?(?:optimizer|scheduler|scaler)\.(?:pt|bin)|(?:.*/)?rng_state.*"), _TRAINING),
    (re.compile(r"(?:.*/)?training_args\.(?:bin|json)|(?:.*/)?trainer_state\.json"), _TRAINING),
    (re.compile(r"checkpoint-\d+/.*|runs/.*|events\.out\.tfevents.*|logs?/.*"), _TRAINING),
    (re.compile(r"(?:onnx|openvino|coreml|original|tflite|gguf)/.*", re.IGNORECASE), _OTHER_WEIGHTS),
    (
        re.compile(r".*\.(?:safetensors|bin|msgpack|h5|ot|onnx|onnx_data|tflite|pth|pt|ckpt|gguf|pkl|npz)"),
        _OTHER_WEIGHTS,
    ),
    (re.compile(r".*\.index\.json|consolidated.*|.*openvino.*\.xml"), _OTHER_WEIGHTS),
    (
        re.compile(r".*\.(?:png|jpe?g|gif|svg|webp|mp4|pdf|mp3|wav|ipynb)", re.IGNORECASE),
        "for reading, not for serving",
    ),
    (re.compile(r".*\.(?:py|sh)"), "code, which is not run"),
    (re.compile(r"(?:.*/)?[^/]*\.(?:tar|tgz|zip|7z)(?:\.gz)?", re.IGNORECASE), "an archive"),
)
_KEPT_FOLDERS: Final = ("additional_chat_templates/",)


def select_weight_set(facts: ModelFacts) -> WeightSet:
    """Return what of a model will be packaged.

    Raises:
        RefusedError: it is a kind of model that is not deployed so far, it has no weights that can be, some of its
            weights are missing, or a file that would be packaged is unsafe or a mere pointer of Git LFS.
    """
    files = {file.path: file for file in facts.files}
    name = str(facts.reference)
    kind = layout.library_of(files)
    if kind is not None and kind in _KINDS:
        raise RefusedError(
            f"This program deploys transformers models so far; {name} is {_KINDS[kind]}.",
            fix="Choose a model whose library is transformers.",
        )
    if layout.CONFIG not in files:
        raise RefusedError(
            f"{name} has no config.json, so it is no model that transformers loads.", fix="Choose another model."
        )
    chosen = layout.available_format(files)
    if chosen is None:
        raise RefusedError(f"{name} has no weights that can be packaged{_offered(files)}.", fix=_no_weights_fix(facts))
    index = files.get(chosen.index)
    if chosen.single in files:
        weights: tuple[ModelFile, ...] = (files[chosen.single],)
        index = None
    else:
        weights = _shards(name, chosen, files, facts.indexes)
    for file in weights:
        if file.bytes == 0:
            raise RefusedError(f"{file.path} of {name} is empty.", fix="Fetch it again, or choose another model.")
    support, left_out = _sorted_out(files.values(), weights, index)
    found = WeightSet(format=chosen.format, weights=weights, support=support, left_out=left_out)
    refuse_unusable_files((file.path for file in found.files), facts)
    return found


def _shards(
    name: str, chosen: layout.WeightFiles, files: Mapping[str, ModelFile], indexes: Iterable[ShardIndex]
) -> tuple[ModelFile, ...]:
    """Return the shards, once they are seen to be complete by their index and by the counts in their names."""
    index = next((each for each in indexes if each.path == chosen.index), None)
    named = layout.shards_of(chosen, files)
    fix = "Fetch the model's files again, or choose another revision."
    counts = {layout.shard_count(path) for path in (index.shards if index else named)} - {None}
    if len(counts) > 1:
        told = " and ".join(str(count) for count in sorted(filter(None, counts)))
        raise RefusedError(f"{name} mixes shards of sets of {told} files.", fix=fix)
    count = next(iter(counts), None)
    expected = set(index.shards) if index else set(named)
    if count:
        expected |= {f"{chosen.stem}-{number:05}-of-{count:05}{chosen.suffix}" for number in range(1, count + 1)}
    if missing := sorted(expected - files.keys()):
        raise RefusedError(f"{name} lacks {len(missing)} of {len(expected)} weight files: {listed(missing)}.", fix=fix)
    if index is None:
        raise RefusedError(
            f"{name} has {len(named)} shards but no {chosen.index}, without which they cannot be loaded.", fix=fix
        )
    if not index.shards:
        raise RefusedError(f"{chosen.index} of {name} names no weight files.", fix=fix)
    return tuple(files[path] for path in sorted(expected))


def _sorted_out(
    files: Iterable[ModelFile], weights: tuple[ModelFile, ...], index: ModelFile | None
) -> tuple[tuple[ModelFile, ...], tuple[LeftOut, ...]]:
    """Return what is packaged beside the weights, and what is left out."""
    support, left_out = [], []
    for file in files:
        if file in weights:
            continue
        reason = None if index is not None and file.path == index.path else _reason_against(file.path)
        if reason is None:
            support.append(file)
        else:
            left_out.append(LeftOut(file, reason))
    return tuple(support), tuple(left_out)


def _reason_against(path: str) -> str | None:
    if path.startswith(_KEPT_FOLDERS):
        return None
    for pattern, reason in _REASONS:
        if pattern.fullmatch(path):
            return reason
    return "in a folder that the model does not use" if "/" in path else None


def _offered(files: Mapping[str, ModelFile]) -> str:
    formats = layout.other_formats(files)
    return f"; it offers {', '.join(formats)}" if formats else ""


def _no_weights_fix(facts: ModelFacts) -> str:
    total = format_bytes(facts.repository_bytes)
    return (
        f"Choose a model with model.safetensors or pytorch_model.bin; this one has {len(facts.files)} files, {total}."
    )

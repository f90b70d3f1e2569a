"""The weight set: of all the files of a model, those that will be packaged, and why the others are not.

One format of the weights only: safetensors before pickles, one file before shards, as transformers chooses when it
loads a folder (`modeling_utils._get_resolved_checkpoint_files`).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from core.errors import RefusedError, SagewizardError, UsageError
from core.models import layout
from core.models.facts import ModelFacts, ModelFile, WeightSet
from core.models.gguf_weights import gguf_weight_set
from core.models.left_out import sort_out
from core.models.no_weights import why_no_weights
from core.models.packaged_files import listed, refuse_unusable_files
from core.models.pipeline_weights import pipeline_weight_set
from core.models.shards import complete_shards

_SENTENCE_FOLDER: Final = re.compile(r"\d+_\w+/")
_SENTENCE_FILE: Final = re.compile(r"\d+_\w+/(?:config\.json|model\.safetensors|pytorch_model\.bin)")
_PICKLE: Final = re.compile(r".*\.(?:bin|pt|pth|ckpt|pkl|pickle|joblib)", re.DOTALL | re.IGNORECASE)
_ADAPTER_WEIGHTS: Final = ("adapter_model.safetensors", "adapter_model.bin")
_ADAPTER_BESIDE: Final = "an adapter beside the model, which is not loaded"
"""With PEFT installed, transformers would load what `adapter_config.json` tells of onto the model by itself."""


def select_weight_set(facts: ModelFacts, *, variant: str | None = None, remote_code: bool = False) -> WeightSet:
    """Return what of a model will be packaged.

    `variant` is the one asked for, of a diffusers pipeline (`fp16`, `plain`) or of GGUF files (`Q4_K_M`). With
    `remote_code` the model's own code is packaged, to be run.

    Raises:
        UsageError: there is no such variant.
        RefusedError: it has no weights that can be packaged, some of its weights are missing, a file that would be
            packaged is unsafe or a mere pointer of Git LFS, or its code lies elsewhere.
    """
    if variant is not None and facts.kind not in {"diffusers", "gguf"}:
        raise UsageError(
            f"{facts.reference} comes in one variant only, so there is no “{variant}” of it.",
            fix="Variants are those of diffusers pipelines (fp16) and of GGUF files (Q4_K_M).",
        )
    match facts.kind:
        case "diffusers":
            found = pipeline_weight_set(facts, variant)
        case "gguf":
            found = gguf_weight_set(facts, variant)
        case "peft":
            return _adapter(facts, remote_code)
        case _:
            found = _transformers(facts)
    return _usable(facts, _with_code(facts, found) if remote_code else found)


def pickles_among(weights: WeightSet) -> tuple[str, ...]:
    """Return the files that are packaged and are pickles, by path: weights, and modules of a model beside them.

    Those of an adapter's base are not among them: see its own weight set, `weights.base`.
    """
    return tuple(file.path for file in weights.files if _PICKLE.fullmatch(file.path))


def packaged_pickles(facts: ModelFacts) -> tuple[str, ...]:
    """Return the pickles among what is packaged of a model when nobody chooses; none of a model that is refused."""
    try:
        return pickles_among(select_weight_set(facts))
    except SagewizardError:
        return ()


def _usable(facts: ModelFacts, found: WeightSet) -> WeightSet:
    """Return `found` once none of its files is empty, unsafe or a pointer.

    Raises:
        RefusedError: one is.
    """
    for file in found.weights:
        if file.bytes == 0:
            raise RefusedError(
                f"{file.path} of {facts.reference} is empty.", fix="Fetch it again, or choose another model."
            )
    refuse_unusable_files((file.path for file in found.files), facts)
    return found


def _transformers(facts: ModelFacts) -> WeightSet:
    """Return the weight set of a transformers or a sentence-transformers model."""
    files = {file.path: file for file in facts.files}
    name = str(facts.reference)
    chosen = layout.available_format(files)
    if chosen is None or layout.CONFIG not in files:
        raise why_no_weights(name, files)
    single = chosen.single in files
    weights = (files[chosen.single],) if single else complete_shards(name, chosen, files, facts.indexes)
    modules = facts.kind == "sentence-transformers"
    parts = _sentence_weights(files) if modules else ()
    support, left_out = sort_out(
        files.values(),
        taken={file.path for file in weights},
        keeps=lambda path: path in parts or (path == chosen.index and not single),
        reason=lambda path: _ADAPTER_BESIDE if path == layout.ADAPTER or path in _ADAPTER_WEIGHTS else None,
        folders=sorted({match[0] for path in files if modules and (match := _SENTENCE_FOLDER.match(path))}),
    )
    return WeightSet(format=chosen.format, weights=weights, support=support, left_out=left_out)


def _sentence_weights(files: Mapping[str, ModelFile]) -> frozenset[str]:
    """Return what the modules after the transformer (pooling, dense layers) need, safetensors before pickles."""
    found = {path for path in files if _SENTENCE_FILE.fullmatch(path)}
    return frozenset(
        path
        for path in found
        if not path.endswith(".bin") or path.replace("pytorch_model.bin", "model.safetensors") not in found
    )


def _adapter(facts: ModelFacts, remote_code: bool) -> WeightSet:
    """Return the weight set of an adapter and of its base; `remote_code` allows the code of both.

    Raises:
        UsageError: code is allowed, and neither brings any.
        RefusedError: the weights or the base are not there, or one of them cannot be used.
    """
    files = {file.path: file for file in facts.files}
    chosen = next((path for path in _ADAPTER_WEIGHTS if path in files), None)
    if chosen is None:
        raise RefusedError(
            f"{facts.reference} has an adapter_config.json, but no adapter_model.safetensors.",
            fix="Choose another adapter, or fetch its files again.",
        )
    if facts.base is None:
        raise RefusedError(
            f"{facts.reference} is an adapter, and the model it is for could not be found.",
            fix="See base_model_name_or_path in its adapter_config.json: it must name a model on the Hub, or for an "
            "adapter in a folder another folder.",
        )
    support, left_out = sort_out(files.values(), taken={chosen})
    code_of_base = remote_code and facts.base.remote_code is not None
    found = WeightSet(
        format="safetensors" if chosen.endswith(".safetensors") else "pytorch",
        weights=(files[chosen],),
        support=support,
        left_out=left_out,
        base=select_weight_set(facts.base, remote_code=code_of_base),
        remote_code=code_of_base,
    )
    if remote_code and (facts.remote_code is not None or not code_of_base):
        found = _with_code(facts, found)
    return _usable(facts, found)


def _with_code(facts: ModelFacts, found: WeightSet) -> WeightSet:
    """Return the weight set with the model's own code among what is packaged.

    Raises:
        UsageError: the model brings no code.
        RefusedError: some of it is not there, or lies in another repository.
    """
    code = facts.remote_code
    if code is None:
        raise UsageError(
            f"{facts.reference} brings no code of its own (its config has no auto_map).",
            fix="Leave --trust-remote-code out.",
        )
    if code.elsewhere:
        raise RefusedError(
            f"The code of {facts.reference} lies in another repository ({listed(list(code.elsewhere))}), from where "
            "the endpoint would fetch whatever is there when it starts.",
            fix="Copy that code into the model's own folder, and name it in auto_map without the repository.",
        )
    if code.missing:
        raise RefusedError(
            f"{facts.reference} names code that it does not have: {listed(list(code.missing))}.",
            fix="Choose another revision.",
        )
    by_path = {file.path: file for file in facts.files}
    added = tuple(by_path[path] for path in code.files)
    return replace(
        found,
        support=(*found.support, *added),
        left_out=tuple(left for left in found.left_out if left.file.path not in code.files),
        remote_code=True,
    )


def refuse_base_elsewhere(facts: ModelFacts, weights: WeightSet) -> None:
    """Return when all that is loaded is the model's own, so that it can be packaged.

    Raises:
        RefusedError: it is an adapter, whose base is another repository.
    """
    if facts.base is not None and weights.base is not None:
        raise RefusedError(
            f"{facts.reference} is an adapter for {facts.base.reference}, and the two are not packaged together.",
            fix="Merge them (PEFT's merge_and_unload), save the result to a folder, and deploy that.",
        )

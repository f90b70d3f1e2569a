"""From a model reference to model facts: three requests to the Hub at most for each repository; never a weight.

One is the Hub's record with the listing; two are left for what the kind of model needs: `config.json` and the weights'
index, a pipeline's `model_index.json` and the config of its denoiser, an adapter's config, the header of a GGUF file.
The model that an adapter is for is another repository, and looked at like any.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeGuard

from core.cancellation import CancelToken
from core.errors import RefusedError, SagewizardError
from core.external_text import clean_line
from core.models import layout
from core.models.adapter_base import base_reference
from core.models.cautions import cautions_about
from core.models.config_reading import (
    CONFIG_BYTES,
    INDEX_BYTES,
    architecture,
    parse_object,
    stated_dtype,
    task_of,
    whole_number,
)
from core.models.facts import ModelFacts, ModelFile, Pipeline, PipelinePart, ShardIndex
from core.models.gguf_header import config_of, quantization_of, split_of
from core.models.gguf_reading import read_header
from core.models.gguf_weights import default_gguf
from core.models.hub import HubClient
from core.models.parameters import count_parameters
from core.models.paths import refuse_odd_paths
from core.models.pipeline_weights import half_precision_bytes, pipeline_weight_set
from core.models.quantization import Quantization
from core.models.quantization import quantization_of as quantization_in
from core.models.readers import Listing, ModelReader, open_reader
from core.models.reference import FolderReference, HubReference, ModelReference
from core.models.remote_code import remote_code_of
from core.models.safetensors_header import StoredParameters
from core.models.stored_objects import ObjectStore
from core.quantities import format_bytes

_DENOISERS: Final = ("unet", "transformer", "prior")
_LATENT_PIXELS: Final = 8
"""Pixels to a side for each point of the latent picture: what the image decoders of all diffusers families have."""
_MOST_PARTS: Final = 50
_CHAT_TEMPLATES: Final = (layout.CHAT_TEMPLATE, "chat_template.json")
"""Files that hold nothing but a chat template; processors saved by transformers before 4.52 have the second."""
_MODULE_WEIGHTS: Final = re.compile(r"\d+_\w+/model\.safetensors", re.ASCII)
"""The weights of modules that sentence-transformers puts after the transformer."""


def inspect_model(
    reference: ModelReference, hub: HubClient, cancel: CancelToken, objects: ObjectStore | None = None
) -> ModelFacts:
    """Return what is known of a model without fetching its weights; `objects` is where `s3://` is read.

    Raises:
        NotFoundError: there is no such model, revision, folder or prefix.
        AccessError: it is gated, private, disabled or unreadable.
        UnreachableError: the Hub did not answer.
        RefusedError: it has no files, or files with names that cannot be used; its config or weights are but pointers
            of Git LFS, or its weights cut short.
        SagewizardError: its config or the Hub's answer is malformed.
        CancelledByUser: stopping was asked for.
    """
    return _inspect(reference, hub, cancel, objects, as_base=False)


def _inspect(
    reference: ModelReference, hub: HubClient, cancel: CancelToken, objects: ObjectStore | None, *, as_base: bool
) -> ModelFacts:
    reader = open_reader(reference, hub, objects, cancel)
    listing = reader.listing()
    refuse_odd_paths((file.path for file in listing.files), str(reference))
    if not listing.files:
        raise RefusedError(f"{reference} has no files.", fix="Choose another model, or another revision of it.")
    looked = _Look(reference, reader, listing, {file.path: file for file in listing.files})
    match layout.kind_of(looked.files):
        case "diffusers":
            return _pipeline_facts(looked)
        case "gguf":
            return _gguf_facts(looked)
        case "peft" if as_base:  # and so it could go on without end
            raise RefusedError(
                f"The adapter's base model {reference} is an adapter itself.",
                fix="Merge that one into its own base first (PEFT's merge_and_unload).",
            )
        case "peft":
            return _adapter_facts(looked, hub, cancel)
        case _:
            return _transformers_facts(looked)


@dataclass(frozen=True, slots=True)
class _Look:
    """A model being looked at."""

    reference: ModelReference
    reader: ModelReader
    listing: Listing
    files: Mapping[str, ModelFile]

    def object(self, path: str, limit: int = CONFIG_BYTES) -> Mapping[str, Any]:
        """Return the JSON object in a file; an empty one when there is no such file."""
        return parse_object(self.reader.read(path, limit), path, str(self.reference)) if path in self.files else {}

    def facts(self, config: Mapping[str, Any], **found: Any) -> ModelFacts:
        """Return the facts that all kinds of models have, with what was found out of this one."""
        listing = self.listing
        facts = ModelFacts(
            reference=self.reference,
            revision=listing.revision,
            files=listing.files,
            config=config,
            license=listing.license,
            gated=listing.gated,
            private=listing.private,
            unsafe_files=listing.unsafe_files,
            scan=listing.scan,
            lfs_pointers=listing.lfs_pointers,
            remote_code=remote_code_of(config, self.files),
            popularity=listing.popularity,
            base_models=listing.base_models,
            **found,
        )
        told = cautions_about(facts, faulty=listing.faulty)
        return replace(facts, warnings=(*listing.warnings, *told))


def _transformers_facts(looked: _Look) -> ModelFacts:
    """Return the facts of a transformers or sentence-transformers model, or of one that is neither."""
    listing, files = looked.listing, looked.files
    config = looked.object(layout.CONFIG)
    index = layout.wanted_index(files)
    indexes = (_read_index(looked, index),) if index else ()
    limit = None
    if not index and layout.kind_of(files) == "sentence-transformers":
        limit = whole_number(looked.object(layout.SENTENCE_CONFIG), "max_seq_length")
    weights = _weight_paths(files, indexes)
    stored = listing.parameters or _stored_in(looked, weights)
    _stored_in(looked, [path for path in files if _MODULE_WEIGHTS.fullmatch(path) and path not in weights])
    kind, quantization = architecture(config), quantization_in(config, listing.library)
    dtype = stored.dtype if stored and stored.dtype else stated_dtype(config)
    if quantization is not None and dtype is not None and "int" in dtype:  # what it is packed in says nothing
        dtype = stated_dtype(config) or dtype
    parameters, sure = count_parameters(
        stored, config, quantization, weight_bytes=sum(files[path].bytes for path in weights), dtype=dtype
    )
    sentences = layout.kind_of(files) == "sentence-transformers"
    facts = looked.facts(
        config,
        task=listing.task or ("sentence-similarity" if sentences else task_of(kind)),
        library=listing.library or layout.kind_of(files),
        architecture=kind,
        parameters=parameters,
        parameters_confidence=sure,
        dtype=dtype,
        dtypes=stored.by_dtype if stored else {},
        quantization=quantization,
        chat_template=listing.chat_template or _has_chat_template(looked),
        indexes=indexes,
        sequence_limit=limit,
    )
    return replace(facts, warnings=(*facts.warnings, *_too_small(looked, weights, indexes)))


def _pipeline_facts(looked: _Look) -> ModelFacts:
    index = looked.object(layout.PIPELINE)
    named = index.get("_class_name")
    class_name, code = "unknown", []
    if _are_two_words(named):  # a module of the pipeline's own, and a class in it
        code.append(f"{clean_line(named[0])[:100]}.py")
        named = named[1]
    if isinstance(named, str):
        class_name = clean_line(named)[:100]
    parts = []
    for folder, value in list(index.items())[:_MOST_PARTS]:
        # `"unet": ["diffusers", "UNet2DConditionModel"]`; nulls for a part that the pipeline does without.
        if _are_two_words(value) and not folder.startswith("_"):
            library, part_class = (clean_line(word)[:100] for word in value)
            parts.append(PipelinePart(folder, library, part_class))
            if (own := f"{folder}/{library}.py") in looked.files:
                code.append(own)
    denoiser = next((f"{each}/config.json" for each in _DENOISERS if f"{each}/config.json" in looked.files), None)
    size = whole_number(looked.object(denoiser), "sample_size") if denoiser else None
    pixels = size * _LATENT_PIXELS if size is not None and size <= 1024 else None
    pipeline = Pipeline(class_name, tuple(parts), pixels, tuple(code))
    half = half_precision_bytes(pipeline, looked.files)
    facts = looked.facts(
        {},
        task=looked.listing.task or "text-to-image",
        library=looked.listing.library or "diffusers",
        architecture=class_name,
        parameters=half // 2 if half else None,
        parameters_confidence="estimated",
        dtype="float16" if half else None,
        pipeline=pipeline,
    )
    stored = _stored_in_pipeline(looked, facts)
    if stored is None or not stored.floating:
        return facts
    return replace(
        facts,
        parameters=stored.floating,
        parameters_confidence="exact",
        dtype=stored.dtype,
        dtypes=stored.by_dtype,
    )


def _are_two_words(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(word, str) for word in value)


def _stored_in_pipeline(looked: _Look, facts: ModelFacts) -> StoredParameters | None:
    """Return what the headers of a pipeline's weights say, where that costs no request and all of them have headers."""
    try:
        chosen = pipeline_weight_set(facts, None)
    except RefusedError:  # told of when the weights are chosen
        return None
    stored = _stored_in(looked, [file.path for file in chosen.weights])
    return stored if chosen.format == "safetensors" else None


def _gguf_facts(looked: _Look) -> ModelFacts:
    listing = looked.listing
    path = default_gguf(layout.gguf_files(looked.files))
    header = read_header(looked.reference, looked.reader, listing, looked.files[path])
    config = dict(config_of(header))
    # Its names for architectures are llama.cpp's; transformers' defaults for one that is called alike do not hold, and
    # which of its layers have a window the header does not tell.
    named = config.pop("model_type", None)
    for key in ("sliding_window", "sliding_window_pattern"):
        config.pop(key, None)
    summary = listing.gguf
    label = quantization_of(path) or "GGUF"
    whole = split_of(path) is None  # the header of a part tells of the tensors in that part only
    return looked.facts(
        config,
        task=listing.task or "text-generation",
        library=listing.library or "gguf",
        architecture=clean_line(str(named))[:100] if named else (summary.architecture if summary else None),
        parameters=(header.parameters if whole else None) or (summary.parameters if summary else None),
        dtype=label,
        dtypes=header.weight_types if whole else {},
        quantization=Quantization("gguf"),
        chat_template=listing.chat_template
        or bool(header.has_chat_template)
        or (summary is not None and summary.chat_template),
    )


def _adapter_facts(looked: _Look, hub: HubClient, cancel: CancelToken) -> ModelFacts:
    listing = looked.listing
    config = looked.object(layout.ADAPTER)
    base, problem = None, None
    named = config.get("base_model_name_or_path")
    _stored_in(looked, [path for path in ("adapter_model.safetensors",) if path in looked.files])
    reference = base_reference(named, config.get("revision"), looked.reference)
    if reference is None:
        shown = clean_line(named)[:120] if isinstance(named, str) else "nothing"
        local = isinstance(looked.reference, FolderReference)
        where = "neither a folder on this machine nor a model on the Hub" if local else "no model on the Hub"
        problem = f"The adapter's base model is given as “{shown}”, which is {where}."
    else:
        base = _inspect(reference, hub, cancel, None, as_base=True)
    facts = looked.facts(
        config,
        task=listing.task or (base.task if base else None),
        library=listing.library or "peft",
        chat_template=listing.chat_template or _has_chat_template(looked) or bool(base and base.chat_template),
        base=base,
    )
    warnings = (*facts.warnings, *([problem] if problem else []), *(base.warnings if base else ()))
    return replace(facts, warnings=warnings)


def _weight_paths(files: Mapping[str, ModelFile], indexes: tuple[ShardIndex, ...]) -> list[str]:
    """Return the files of the weights that are there."""
    chosen = layout.available_format(files)
    if chosen is None:
        return []
    if chosen.single in files:
        return [chosen.single]
    shards = indexes[0].shards if indexes else layout.shards_of(chosen, files)
    return [shard for shard in shards if shard in files]


def _stored_in(looked: _Look, weights: list[str]) -> StoredParameters | None:
    safetensors = [path for path in weights if path.endswith(".safetensors")]
    return looked.reader.stored(safetensors) if safetensors else None


def _too_small(looked: _Look, weights: list[str], indexes: tuple[ShardIndex, ...]) -> list[str]:
    """Return a warning when the weights are far smaller than what the Hub counted in them.

    Raises:
        RefusedError: they can hold next to nothing of it.
    """
    counted = looked.listing.parameters
    wanted = {shard for index in indexes for shard in index.shards}
    if counted is None or not weights or not weights[0].endswith(".safetensors") or wanted - looked.files.keys():
        return []
    there = sum(looked.files[path].bytes for path in weights)
    if counted.bytes <= 2 * there:
        return []
    told = f"have {format_bytes(there)}, but the Hub counts tensors of {format_bytes(counted.bytes)} in the repository"
    if counted.bytes > 100 * there:
        raise RefusedError(
            f"The weights of {looked.reference} ({weights[0]}) {told}.",
            fix="Choose another revision, or a model whose weights are there.",
        )
    return [f"The weights ({weights[0]}) {told}: some may be missing."]


def _read_index(looked: _Look, path: str) -> ShardIndex:
    weight_map = looked.object(path, INDEX_BYTES).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise SagewizardError(f"{path} of {looked.reference} has no weight map.", fix="Fetch the model's files again.")
    return ShardIndex(path, tuple(sorted(set(weight_map.values()))))


def _has_chat_template(looked: _Look) -> bool:
    """Return whether a chat template is among the files; on the Hub without a request, for its record says so too."""
    if any(path in looked.files for path in _CHAT_TEMPLATES):
        return True
    if isinstance(looked.reference, HubReference) or layout.TOKENIZER_CONFIG not in looked.files:
        return False
    return bool(looked.object(layout.TOKENIZER_CONFIG).get("chat_template"))

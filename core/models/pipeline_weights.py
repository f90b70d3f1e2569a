"""The weights of a diffusers pipeline: for each part that `model_index.json` names, one set in its folder.

As diffusers loads it (`pipelines.pipeline_loading_utils.variant_compatible_siblings`): parts whose library is null are
not there; a variant (`.fp16.`) is taken part by part, and a part without it takes its plain weights.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from core.errors import RefusedError, UsageError
from core.models.facts import ModelFacts, ModelFile, Pipeline, PipelinePart, WeightSet
from core.models.layout import CONFIG, WeightFormat, WeightName, other_formats, weight_name
from core.models.left_out import OTHER_PRECISION, sort_out
from core.models.packaged_files import listed
from core.models.shards import complete_by_names, refusal_without_index

PLAIN: Final = "plain"
"""The word for weights without a variant."""
_HALF: Final = ("fp16", "bf16")
"""The variants that are taken by themselves: half the size, and what a GPU calculates in anyway."""
_WITHOUT_WEIGHTS: Final = re.compile(
    r".*(?:Scheduler|Tokenizer(?:Fast)?|Processor(?:Fast)?|FeatureExtractor)", re.ASCII
)
"""The classes of parts that have none."""


def pipeline_weight_set(facts: ModelFacts, variant: str | None) -> WeightSet:
    """Return what of a diffusers pipeline is packaged; `variant` is the one asked for, `plain` for none.

    Raises:
        UsageError: the pipeline has no such variant.
        RefusedError: it, or a part of it, has no weights, some are missing, or shards have no index.
    """
    files = {file.path: file for file in facts.files}
    named = facts.pipeline.parts if facts.pipeline else ()
    parts = [part.folder for part in named]
    by_part = {part: found for part in parts if (found := _weights_in(part, files))}
    if not by_part:
        raise RefusedError(
            f"{facts.reference} has no weights in the folders that its model_index.json names.",
            fix="Choose a model whose parts are in folders of their own, as diffusers saves them.",
        )
    for each in named:
        if each.folder not in by_part:
            _refuse_part_without_weights(each, files, facts)
    variants = sorted({name.variant for found in by_part.values() for _, name in found if name.variant})
    chosen = _choose(variant, variants, facts)
    weights: list[str] = []
    formats: set[WeightFormat] = set()
    for part, found in by_part.items():
        paths, kind = _one_set(f"{listed([part])} of {facts.reference}", found, chosen, files)
        weights += paths
        formats.add(kind)
    taken = set(weights)
    indexes = _indexes(weights, files)
    support, left_out = sort_out(
        files.values(),
        taken=taken,
        keeps=lambda path: path in indexes,
        reason=lambda path: _of_no_part(path, parts) or _of_another_precision(path, chosen),
        folders=tuple(f"{part}/" for part in parts),
    )
    return WeightSet(
        format="pytorch" if "pytorch" in formats else "safetensors",
        weights=tuple(files[path] for path in sorted(weights)),
        support=support,
        left_out=left_out,
        variant=chosen,
        variants=(PLAIN, *variants) if variants else (),
    )


def half_precision_bytes(pipeline: Pipeline, files: Mapping[str, ModelFile]) -> int | None:
    """Return the size of the pipeline's weights in 16 bits, `None` where not every part has a variant that says so."""
    parts = [found for part in pipeline.parts if (found := _weights_in(part.folder, files))]
    for half in _HALF:
        sets = [_matching(found, half, "safetensors") or _matching(found, half, "pytorch") for found in parts]
        if sets and all(sets):
            return sum(files[path].bytes for paths in sets for path in paths)
    return None


def _refuse_part_without_weights(part: PipelinePart, files: Mapping[str, ModelFile], facts: ModelFacts) -> None:
    """Return when a part that has no weights which are loaded is one that needs none: a scheduler, a tokenizer.

    Those have configs of other names than a model (`scheduler_config.json`, `preprocessor_config.json`).

    Raises:
        RefusedError: it is a model.
    """
    own = [path for path in files if path.startswith(f"{part.folder}/")]
    offered = other_formats(own)
    if _WITHOUT_WEIGHTS.fullmatch(part.class_name) or (own and not offered and f"{part.folder}/{CONFIG}" not in files):
        return
    offer = f"; it offers {', '.join(offered)}" if offered else ""
    raise RefusedError(
        f"{listed([part.folder])} of {facts.reference}, a part that its model_index.json names, has no weights that "
        f"can be packaged{offer}.",
        fix="Fetch the model's files again, or choose a model whose parts all have safetensors.",
    )


def _of_no_part(path: str, parts: Collection[str]) -> str | None:
    folder = path.split("/", 1)[0] if "/" in path else None
    return "a folder that model_index.json does not name" if folder is not None and folder not in parts else None


def _of_another_precision(path: str, chosen: str | None) -> str | None:
    name = weight_name(path.rsplit("/", 1)[-1]) if "/" in path else None
    other = name is not None and name.format == "safetensors" and name.variant != chosen
    return OTHER_PRECISION if other else None


def _weights_in(part: str, files: Mapping[str, ModelFile]) -> list[tuple[str, WeightName]]:
    found = []
    for path in files:
        folder, _, name = path.rpartition("/")
        named = weight_name(name) if folder == part else None
        if named is not None and named.stem != "adapter_model":
            found.append((path, named))
    return found


def _choose(asked: str | None, variants: Sequence[str], facts: ModelFacts) -> str | None:
    if asked is None:
        return next((half for half in _HALF if half in variants), None)
    if asked == PLAIN:
        return None
    if asked not in variants:
        offered = ", ".join((PLAIN, *variants)) if variants else "none: its weights are plain"
        raise UsageError(f"{facts.reference} has no variant “{asked}”.", fix=f"Its variants are {offered}.")
    return asked


def _one_set(
    name: str, found: Sequence[tuple[str, WeightName]], variant: str | None, files: Mapping[str, ModelFile]
) -> tuple[tuple[str, ...], WeightFormat]:
    """Return the best set of one part: the variant before plain weights, safetensors before pickles, one file first."""
    wanted: list[tuple[str | None, WeightFormat]] = [(variant, "safetensors"), (None, "safetensors")]
    wanted += [(variant, "pytorch"), (None, "pytorch")]
    for which, kind in wanted:
        paths = _matching(found, which, kind)
        shards = [path for path, each in found if path in paths and each.number is not None]
        if not shards and paths:
            return paths, kind
        if shards:
            complete = complete_by_names(name, shards)
            if not _indexes(shards, files):
                raise refusal_without_index(name, len(shards), _index_name(shards[0]))
            return complete, kind
    variants = ", ".join(sorted({each.variant for _, each in found if each.variant}))
    raise RefusedError(
        f"{name} has weights in the variant {variants} only, and another was asked for.",
        fix="Choose the variant that every part has.",
    )


def _matching(found: Sequence[tuple[str, WeightName]], variant: str | None, kind: WeightFormat) -> tuple[str, ...]:
    """Return the paths of one variant and format: that of a single file, where there is one, else all shards."""
    matching = [(path, each) for path, each in found if (each.variant, each.format) == (variant, kind)]
    single = sorted(path for path, each in matching if each.number is None)
    return tuple(single[:1] or (path for path, _ in matching))


def _index_name(shard: str) -> str:
    """Return what the index of a shard is called in its folder."""
    named = weight_name(shard.rsplit("/", 1)[-1])
    if named is None:
        return "index"
    suffix = "safetensors" if named.format == "safetensors" else "bin"
    return ".".join(filter(None, (named.stem, named.variant, suffix, "index.json")))


def _indexes(weights: Collection[str], files: Mapping[str, ModelFile]) -> set[str]:
    """Return the index files of the sharded sets among `weights`; where the variant stands in their names varies."""
    wanted = set()
    for path in weights:
        folder, _, name = path.rpartition("/")
        named = weight_name(name)
        if named is not None and named.number is not None:
            suffix = "safetensors" if named.format == "safetensors" else "bin"
            wanted.add((folder, frozenset({named.stem, suffix, "index", "json", named.variant or "json"})))
    return {
        path for path in files if (path.rpartition("/")[0], frozenset(path.rpartition("/")[2].split("."))) in wanted
    }

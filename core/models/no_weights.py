"""Why a repository has nothing that can be packaged: what it holds instead, in a sentence."""

import re
from collections.abc import Collection
from typing import Final

from core.errors import RefusedError
from core.models import layout
from core.models.packaged_files import listed

_LORA: Final = re.compile(r"(?:.*/)?pytorch_lora_weights\.(?:safetensors|bin)", re.DOTALL)
"""What diffusers' `save_lora_weights` writes."""
_PIPELINE_PART: Final = re.compile(r"diffusion_pytorch_model[.-].*(?:safetensors|bin)", re.DOTALL)
_OWN_FORM: Final = re.compile(r"consolidated(?:[.-].*)?\.(?:safetensors|pth)", re.DOTALL)
"""What the code of Mistral and of Meta (`params.json` beside it) loads."""
_FIRST_MODULE: Final = re.compile(r"0_\w+/.*", re.ASCII | re.DOTALL)
"""What old versions of sentence-transformers wrote: the transformer is in a folder like the other modules."""
_ABOUT: Final = re.compile(
    r"\.git\w+|(?:readme|licen[cs]e|notice|use_policy|changelog|citation)[^/]*|.*\.(?:md|png|jpe?g|gif|svg|webp|pdf)",
    re.ASCII | re.DOTALL | re.IGNORECASE,
)
_CHOOSE: Final = "Choose a model with config.json and model.safetensors or pytorch_model.bin at its top."


def why_no_weights(name: str, paths: Collection[str]) -> RefusedError:
    """Return the error for the transformers model called `name` with the files `paths`, none of them its weights."""
    if known := known_otherwise(name, paths):
        return known
    if all(_ABOUT.fullmatch(path) for path in paths):
        return RefusedError(f"{name} holds no model, only {listed(sorted(paths))}.", fix=_CHOOSE)
    formats = layout.other_formats(paths)
    offered = f"; it offers {', '.join(formats)}" if formats else ""
    if layout.CONFIG not in paths:
        return RefusedError(
            f"{name} has no config.json, so it is no model that transformers loads{offered}.", fix=_CHOOSE
        )
    if not offered and (strays := _by_suffix(paths)):
        offered = f"; it has {listed(strays)}, which nothing loads by that name"
    return RefusedError(f"{name} has no weights that can be packaged{offered}.", fix=_CHOOSE)


def known_otherwise(name: str, paths: Collection[str]) -> RefusedError | None:
    """Return the error for a model that comes in a form which is known and not packaged, `None` for no such form."""
    if lora := sorted(path for path in paths if _LORA.fullmatch(path)):
        return RefusedError(
            f"{name} is a LoRA for a diffusers pipeline ({listed(lora)}), which is not packaged without it.",
            fix="Load it into its pipeline, merge it (fuse_lora), save the result to a folder, and deploy that.",
        )
    if layout.MODULES in paths and layout.CONFIG not in paths:
        return _of_modules(name, paths)
    if layout.available_format(paths):
        return None
    if variants := _variants(paths):
        rename = (
            f"rename it to {_plain(variants[0])}" if len(variants) == 1 else "save the model anew without a variant"
        )
        return RefusedError(
            f"{name} has its weights only as a variant ({listed(variants)}), which transformers does not load by "
            "itself.",
            fix=f"Fetch it, {rename}, and deploy that folder.",
        )
    if part := sorted(path for path in paths if _PIPELINE_PART.fullmatch(path)):
        return RefusedError(
            f"{name} is a part of a diffusers pipeline ({listed(part)}), which is not served by itself.",
            fix="Choose a pipeline: a model with model_index.json.",
        )
    if own := sorted(path for path in paths if _OWN_FORM.fullmatch(path)):
        return RefusedError(
            f"{name} has its weights only in the form that its authors' own code loads ({listed(own)}).",
            fix="Choose its conversion for transformers: config.json and model.safetensors.",
        )
    return None


def _of_modules(name: str, paths: Collection[str]) -> RefusedError:
    first = sorted(path for path in paths if _FIRST_MODULE.fullmatch(path))
    folder = first[0].split("/", 1)[0] if first else None
    if (
        folder
        and f"{folder}/{layout.CONFIG}" in paths
        and any(layout.weight_name(path.split("/")[-1]) for path in first)
    ):
        return RefusedError(
            f"{name} keeps its transformer in the folder {listed([folder])}, as old versions of sentence-transformers "
            "did; what serves a model looks for config.json and the weights at the top.",
            fix=f'Fetch it, move what is in {listed([folder])} to the top, set that module\'s path to "" in '
            "modules.json, and deploy that folder.",
        )
    return RefusedError(
        f"{name} is made of sentence-transformers' modules, and none is a transformer with its config.json at the top.",
        fix=_CHOOSE,
    )


def _variants(paths: Collection[str]) -> list[str]:
    """Return the weights at the top that have a variant in their names; all of the variant that comes first."""
    named = {path: found for path in sorted(paths) if (found := layout.weight_name(path))}
    variants = {
        path: found.variant
        for path, found in named.items()
        if found.variant and found.stem in {"model", "pytorch_model"}
    }
    first = next(iter(variants.values()), None)
    return [path for path, variant in variants.items() if variant == first]


def _plain(path: str) -> str:
    return "model.safetensors" if path.endswith(".safetensors") else "pytorch_model.bin"


def _by_suffix(paths: Collection[str]) -> list[str]:
    return sorted(path for path in paths if path.lower().endswith((".safetensors", ".bin")))

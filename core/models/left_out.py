"""Why files of a repository are not packaged: what no library reads when a model is served."""

import re
from collections.abc import Callable, Collection, Iterable
from typing import Final

from core.models.facts import LeftOut, ModelFile
from core.models.layout import weight_name

LARGE: Final = 100 * 10**6
"""Bytes above which a file is not packaged unless its name tells what it is for. No tokenizer is as large."""
_TRAINING: Final = "what training left behind"
OTHER_WEIGHTS: Final = "weights in another format"
OTHER_PRECISION: Final = "the weights in another precision"
UNKNOWN: Final = "not known to be read when serving"
_CODE: Final = "code, which is not run"
_REASONS: Final = tuple(
    (re.compile(pattern, re.ASCII | re.DOTALL | re.IGNORECASE), reason)
    for pattern, reason in (
        (r"(?:.*/)?\.git.*", "git's own"),
        (r"(?:.*/)?(?:optimizer|scaler)\.(?:pt|bin)|(?:.*/)?scheduler\.pt|(?:.*/)?rng_state[^/]*", _TRAINING),
        (r"(?:.*/)?training_args\.(?:bin|json)|(?:.*/)?trainer_state\.json", _TRAINING),
        (r"checkpoint-\d+/.*|runs/.*|events\.out\.tfevents.*|logs?/.*", _TRAINING),
        (r"(?:.*/)?(?:[^/]*[^/a-z])?imatrix(?:[^/a-z][^/]*)?", "what quantizing left behind"),
        (r"(?:.*/)?(?:[^/]*[^/a-z])?mmproj[^/]*\.gguf", "the part of a model that sees, which is not served"),
        (r"(?:.*/)?(?:onnx|openvino|coreml|original|tflite|gguf)/.*", OTHER_WEIGHTS),
        (r".*\.(?:safetensors|bin|gguf|ggml|llamafile|nemo|pdparams|msgpack|ot|h5|keras|pb|tflite)", OTHER_WEIGHTS),
        (r".*\.(?:pth|pt|ckpt|pkl|pickle|joblib|npz|dat)|.*\.onnx(?:[._][^/]*)?", OTHER_WEIGHTS),
        (r".*\.index(?:\.\w+)?\.json|consolidated.*|.*openvino.*\.xml", OTHER_WEIGHTS),
        (r".*\.(?:parquet|arrow)", "data, not a model"),
        (r".*\.(?:png|jpe?g|gif|svg|webp|mp4|pdf|mp3|wav|ipynb)", "for reading, not for serving"),
        (r".*\.(?:py|sh)", _CODE),
        (r"(?:.*/)?[^/]*\.(?:tar|tgz|zip|7z|zst)(?:\.(?:gz|zst))?", "an archive"),
    )
)
_KNOWN: Final = re.compile(
    r".*\.(?:json|txt|model|jinja2?|tiktoken|vocab|spm|bpe|md|ya?ml)", re.ASCII | re.DOTALL | re.IGNORECASE
)
"""What configs and tokenizers are kept in: packaged whatever its size."""
_TEMPLATES: Final = "additional_chat_templates/"


def sort_out(
    files: Iterable[ModelFile],
    *,
    taken: Collection[str],
    keeps: Callable[[str], bool] = lambda _: False,
    reason: Callable[[str], str | None] = lambda _: None,
    folders: Collection[str] = (),
) -> tuple[tuple[ModelFile, ...], tuple[LeftOut, ...]]:
    """Return what is packaged beside the weights, and what is left out and why.

    `taken` are the paths of the weights; `keeps` says of a file that it is packaged whatever it looks like; `reason`
    gives a reason of the caller's own against one; `folders` are those (with `/` at their ends) that the model uses.
    """
    support, left_out = [], []
    for file in files:
        if file.path in taken:
            continue
        against = None if keeps(file.path) else reason(file.path) or _reason_against(file, folders)
        if against is None:
            support.append(file)
        else:
            left_out.append(LeftOut(file, against))
    return tuple(support), tuple(left_out)


def _reason_against(file: ModelFile, folders: Collection[str]) -> str | None:
    path = file.path
    if path.startswith(_TEMPLATES):
        return None
    for pattern, reason in _REASONS:
        if pattern.fullmatch(path):
            named = weight_name(path.rsplit("/", 1)[-1]) if reason == OTHER_WEIGHTS else None
            return OTHER_PRECISION if named and named.variant else reason
    if "/" in path and not path.startswith(tuple(folders)):
        return "in a folder that the model does not use"
    return UNKNOWN if file.bytes > LARGE and not _KNOWN.fullmatch(path) else None

"""What the files of a repository say about it: what kind of model it is, and which files are its weights.

The rules are those of the libraries that load it: transformers' `modeling_utils` for `model.safetensors`, its shards
and `pytorch_model.bin`; diffusers' `model_index.json`; PEFT's `adapter_config.json`; sentence-transformers'
`modules.json`.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from core.models.facts import WeightFormat

CONFIG: Final = "config.json"
TOKENIZER_CONFIG: Final = "tokenizer_config.json"
CHAT_TEMPLATE: Final = "chat_template.jinja"

_SHARD: Final = re.compile(r"(?P<stem>model|pytorch_model)-\d{5}-of-(?P<count>\d{5})\.(safetensors|bin)")
_OTHER_FORMATS: Final = (
    ("GGUF", re.compile(r".*\.gguf")),
    ("Flax", re.compile(r"flax_model.*\.msgpack")),
    ("TensorFlow", re.compile(r"tf_model.*\.h5|model\.ckpt.*")),
    ("Rust", re.compile(r".*\.ot")),
    ("ONNX", re.compile(r".*\.onnx(_data)?")),
    ("OpenVINO", re.compile(r".*openvino.*")),
    ("Core ML", re.compile(r".*\.(mlmodel|mlpackage.*)")),
    ("PyTorch checkpoints of the authors' own kind", re.compile(r".*\.(pth|pt|ckpt)|consolidated.*")),
)
_TOKENIZERS: Final = frozenset(
    {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "merges.txt", "spiece.model", TOKENIZER_CONFIG}
    | {"sentencepiece.bpe.model", "tekken.json", "preprocessor_config.json", "processor_config.json"}
)


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """The names that the weights of one format have; `index` is the file that lists the shards."""

    format: WeightFormat
    single: str
    stem: str
    suffix: str
    index: str


FORMATS: Final = (
    WeightFiles("safetensors", "model.safetensors", "model", ".safetensors", "model.safetensors.index.json"),
    WeightFiles("pytorch", "pytorch_model.bin", "pytorch_model", ".bin", "pytorch_model.bin.index.json"),
)
"""The formats that are packaged, the better one first."""


def shards_of(files: WeightFiles, paths: Collection[str]) -> tuple[str, ...]:
    """Return the paths of `paths` that have the names of shards in this format, in order."""
    matches = (match for path in paths if (match := _SHARD.fullmatch(path)))
    return tuple(
        sorted(match[0] for match in matches if match["stem"] == files.stem and match[0].endswith(files.suffix))
    )


def shard_count(path: str) -> int | None:
    """Return the `n` of a shard's name `…-00001-of-n.…`, `None` for a file that is no shard."""
    match = _SHARD.fullmatch(path)
    return int(match["count"]) if match else None


def available_format(paths: Collection[str]) -> WeightFiles | None:
    """Return the best format of weights that `paths` offer, `None` when there is none.

    Within a format a single file wins over shards, as it does when transformers loads it; an index alone counts, so
    that its missing shards can be named.
    """
    for files in FORMATS:
        if files.single in paths or files.index in paths or shards_of(files, paths):
            return files
    return None


def wanted_index(paths: Collection[str]) -> str | None:
    """Return the path of the index that must be read to know the weights, `None` when they are not sharded."""
    files = available_format(paths)
    if files is None or files.single in paths or files.index not in paths:
        return None
    return files.index


def other_formats(paths: Collection[str]) -> tuple[str, ...]:
    """Return the names of the formats among `paths` that are not packaged."""
    names = [path.rsplit("/", 1)[-1] for path in paths]
    return tuple(label for label, pattern in _OTHER_FORMATS if any(pattern.fullmatch(name) for name in names))


def library_of(paths: Collection[str]) -> str | None:
    """Return the library that a repository with these files is for, `None` when they do not tell."""
    if "model_index.json" in paths:
        return "diffusers"
    if "adapter_config.json" in paths and not available_format(paths):
        return "peft"
    if "modules.json" in paths:
        return "sentence-transformers"
    if CONFIG in paths:
        return "transformers"
    if any(path.endswith(".gguf") for path in paths):
        return "gguf"
    return None


def has_tokenizer(paths: Collection[str]) -> bool:
    """Whether there is any file that a tokenizer or a processor is made from."""
    return any(path in _TOKENIZERS for path in paths)

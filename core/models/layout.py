"""What the files of a repository say about it: what kind of model it is, and which files are weights.

The rules are those of the libraries that load it: transformers' `modeling_utils` for `model.safetensors`, its shards
and `pytorch_model.bin`; diffusers' `model_index.json` and its file variants; PEFT's `adapter_config.json`;
sentence-transformers' `modules.json`.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

CONFIG: Final = "config.json"
TOKENIZER_CONFIG: Final = "tokenizer_config.json"
CHAT_TEMPLATE: Final = "chat_template.jinja"
PIPELINE: Final = "model_index.json"
ADAPTER: Final = "adapter_config.json"
MODULES: Final = "modules.json"
SENTENCE_CONFIG: Final = "sentence_bert_config.json"
MARKS: Final = (CONFIG, PIPELINE, ADAPTER, MODULES)
"""Files at the top of a folder, each of which says that it holds a model."""

ModelKind = Literal["transformers", "diffusers", "sentence-transformers", "peft", "gguf"]
"""What loads a model, by its files; the Hub's word for the library may differ."""
WeightFormat = Literal["safetensors", "pytorch", "gguf"]

_WEIGHT_NAME: Final = re.compile(
    r"(?P<stem>model|pytorch_model|diffusion_pytorch_model|adapter_model)"
    r"(?:\.(?P<variant>(?!safetensors|bin)[A-Za-z0-9_]{1,20}))?"
    r"(?:-(?P<number>\d{5})-of-(?P<count>\d{5}))?"
    r"(?:\.(?P<late>(?!safetensors|bin)[A-Za-z0-9_]{1,20}))?"  # the older place of the variant
    r"\.(?P<suffix>safetensors|bin)"
)
_OTHER_FORMATS: Final = tuple(
    (label, re.compile(pattern, re.ASCII | re.IGNORECASE))
    for label, pattern in (
        ("GGUF", r".*\.gguf"),
        ("llamafile", r".*\.llamafile"),
        ("NeMo", r".*\.nemo"),
        ("Flax", r".*flax_model.*\.msgpack"),
        ("TensorFlow", r"tf_model.*\.h5|model\.ckpt.*|.*\.pb"),
        ("Keras", r".*\.keras"),
        ("Rust", r".*\.ot"),
        ("ONNX", r".*\.onnx(?:[._].*)?"),
        ("OpenVINO", r".*openvino.*"),
        ("Core ML", r".*\.(mlmodel|mlpackage.*)"),
        ("PyTorch checkpoints of the authors' own kind", r".*\.(pth|pt|ckpt)|consolidated.*"),
    )
)
_NO_LANGUAGE_MODEL: Final = re.compile(r"(?:.*[^a-z])?(?:mmproj.*|imatrix(?:_unsloth)?\.gguf)", re.IGNORECASE)
_TOKENIZERS: Final = frozenset(
    {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "merges.txt", "spiece.model", TOKENIZER_CONFIG}
    | {"sentencepiece.bpe.model", "tekken.json", "preprocessor_config.json", "processor_config.json"}
)


@dataclass(frozen=True, slots=True)
class WeightName:
    """What the name of a weight file says, without its folder; `number` and `count` are those of a shard."""

    stem: str
    variant: str | None
    number: int | None
    count: int | None
    format: WeightFormat


def weight_name(name: str) -> WeightName | None:
    """Return what a file's name says of the weights in it, `None` for names that no library loads by themselves."""
    match = _WEIGHT_NAME.fullmatch(name)
    if match is None:
        return None
    number = match["number"]
    return WeightName(
        stem=match["stem"],
        variant=match["variant"] or match["late"],
        number=int(number) if number else None,
        count=int(match["count"]) if number else None,
        format="safetensors" if match["suffix"] == "safetensors" else "pytorch",
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
"""The formats of a transformers model that are packaged, the better one first."""


def shards_of(files: WeightFiles, paths: Collection[str]) -> tuple[str, ...]:
    """Return the paths of `paths` that have the names of shards in this format, in order."""
    return tuple(
        sorted(
            path
            for path in paths
            if (name := weight_name(path))
            and (name.stem, name.format, name.variant) == (files.stem, files.format, None)
            and name.number is not None
        )
    )


def available_format(paths: Collection[str]) -> WeightFiles | None:
    """Return the best format of transformers weights that `paths` offer, `None` when there is none.

    Within a format a single file wins over shards, as it does when transformers loads it; an index alone counts, so
    that its missing shards can be named. Shards without an index count last: they are not loaded.
    """
    loaded = (files for files in FORMATS if files.single in paths or files.index in paths)
    return next(loaded, None) or next((files for files in FORMATS if shards_of(files, paths)), None)


def wanted_index(paths: Collection[str]) -> str | None:
    """Return the path of the index that must be read to know the weights, `None` when they are not sharded."""
    files = available_format(paths)
    if files is None or files.single in paths or files.index not in paths:
        return None
    return files.index


def gguf_files(paths: Collection[str]) -> tuple[str, ...]:
    """Return the GGUF files among `paths` that hold a language model, in order.

    Not those of a vision projector (`mmproj-…`, `…-mmproj-…`) or of what llama.cpp's quantizing measures (`imatrix`).
    """
    named = (path for path in paths if path.lower().endswith(".gguf"))
    return tuple(sorted(path for path in named if not _NO_LANGUAGE_MODEL.fullmatch(path.rsplit("/", 1)[-1])))


def other_formats(paths: Collection[str]) -> tuple[str, ...]:
    """Return the names of the formats among `paths` that are not packaged."""
    names = [path.rsplit("/", 1)[-1] for path in paths]
    return tuple(label for label, pattern in _OTHER_FORMATS if any(pattern.fullmatch(name) for name in names))


def kind_of(paths: Collection[str]) -> ModelKind | None:
    """Return what a repository with these files is loaded by, `None` when they do not tell."""
    if PIPELINE in paths:
        return "diffusers"
    if ADAPTER in paths and not available_format(paths):
        return "peft"
    if gguf_files(paths) and not available_format(paths):
        return "gguf"
    if MODULES in paths:
        return "sentence-transformers"
    if CONFIG in paths:
        return "transformers"
    return None


def has_tokenizer(paths: Collection[str]) -> bool:
    """Whether there is any file that a tokenizer or a processor is made from."""
    return any(path in _TOKENIZERS for path in paths)

"""Reads what a GGUF file says of its model from its first bytes alone.

The format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2 and 3, little-endian: `GGUF`, the
version (32 bits), the numbers of tensors and of key/values (64 bits each); the key/values; then of each tensor its
name, shape, type and place; then the data. What matters comes first, the vocabulary and the chat template after it, so
that `FIRST_READ` bytes tell the network's shape as a rule, and `SECOND_READ` more nearly always; `THIRD_READ` more
tell of the template too.
"""

import contextlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from core.errors import NotFoundError, RefusedError, SagewizardError
from core.external_text import clean_line
from core.models.config_reading import whole_number
from core.models.gguf_cursor import ARRAY, NUMBERS, STRING, EndedError, GgufCursor
from core.models.gguf_names import FILE_TYPES, GUESSED_FILE_TYPE, TENSOR_TYPES, quantization_of, split_of
from core.models.safetensors_header import LARGEST_COUNT

__all__ = [
    "FIRST_READ",
    "SECOND_READ",
    "THIRD_READ",
    "GgufHeader",
    "GgufValue",
    "config_of",
    "cut_short",
    "parse_gguf",
    "quantization_of",
    "read_gguf",
    "split_of",
]

FIRST_READ: Final = 32 * 2**10
"""Bytes to ask for first."""
SECOND_READ: Final = 2**20
"""Bytes to ask for when the first do not tell enough."""
THIRD_READ: Final = 16 * 2**20
"""Bytes to ask for, where requests are not counted, for what comes after a large vocabulary: the chat template."""
MOST_ENTRIES: Final = 4096
"""Arrays of more numbers than this are kept as their length only."""

GgufValue = str | int | float | bool | tuple[int | float | bool, ...]
"""What is kept of a value: a cleaned text of at most 500 characters, a number, or a short array of numbers."""

_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_LONGEST_KEY: Final = 2**16 - 1
_LONGEST_TEXT: Final = 500
_MOST_DIMENSIONS: Final = 4
_PLACE_BYTES: Final = 8
"""Where the data of a tensor begins: a number of 64 bits."""
_TEMPLATE: Final = "tokenizer.chat_template"
_TOKENS: Final = "tokenizer.ggml.tokens"
_LOCAL_READS: Final = (2**20, 16 * 2**20, 128 * 2**20)


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What the first bytes of a GGUF file say.

    `version` and `tensor_count` are 0 where the bytes end before them. `values` are the key/values that were read;
    `lengths` counts the entries of arrays that are not kept, also of one that the bytes end in. `complete`: all
    key/values were read. `parameters` (elements of all tensors) and `weight_types` (elements by ggml's name of their
    type) are known when the list of tensors is within the bytes. `has_chat_template` is `None` where the bytes end
    before that is known.
    """

    version: int
    tensor_count: int
    values: Mapping[str, GgufValue]
    complete: bool
    lengths: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    parameters: int | None = None
    weight_types: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    has_chat_template: bool | None = None

    @property
    def architecture(self) -> str | None:
        """llama.cpp's name of the network: `llama`, `qwen2`, `deepseek2`."""
        value = self.values.get("general.architecture")
        return value if isinstance(value, str) and value else None


def parse_gguf(head: bytes, name: str = "The file") -> GgufHeader:
    """Return what `head`, the first bytes of a GGUF file called `name`, says; it may end anywhere.

    Raises:
        RefusedError: it is GGUF of a kind that is not read: big-endian, or version 1.
        SagewizardError: it is no GGUF, or malformed.
    """
    parse = _Parse(head, name)
    with contextlib.suppress(EndedError):
        parse.run()
    return parse.header()


def read_gguf(path: Path) -> GgufHeader:
    """Return what the whole header of a file on this machine says.

    Raises:
        NotFoundError: there is no such file.
        RefusedError: it is cut short, or GGUF of a kind that is not read.
        SagewizardError: it is no GGUF, malformed, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            for size in _LOCAL_READS:
                file.seek(0)
                head = file.read(size)
                header = parse_gguf(head, clean_line(path.name))
                if header.parameters is not None:
                    return header
                if len(head) < size:
                    raise cut_short(path.name)
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file {path}.", fix="Check the path.") from error
    except OSError as error:
        raise SagewizardError(f"{path} cannot be read: {error.strerror}.", fix="Check its permissions.") from error
    return header


def cut_short(name: str) -> RefusedError:
    """Return the error that says that a file ends before its header does."""
    return RefusedError(
        f"{clean_line(name)} ends within its header.", fix="The file was cut short: copy or download it again."
    )


def config_of(header: GgufHeader) -> Mapping[str, Any]:
    """Return what the header says, as a `config.json` of transformers would: `num_hidden_layers`, `head_dim`, ….

    What it does not say is absent. Where layers differ, `num_key_value_heads` is the most that one has, and
    `num_key_value_heads_per_layer` lists all; `layer_types` is there for networks with state-space layers.
    `gguf_file_type` names what most weights are stored in (`Q4_K_M`).
    """
    values, architecture = header.values, header.architecture
    stated = values.get("general.file_type")
    config: dict[str, Any] = {
        "model_type": architecture,
        "gguf_file_type": FILE_TYPES.get(stated & ~GUESSED_FILE_TYPE) if type(stated) is int else None,
    }
    if architecture is not None:
        for name, key in (
            ("num_hidden_layers", "block_count"),
            ("num_attention_heads", "attention.head_count"),
            ("num_key_value_heads", "attention.head_count_kv"),
            ("head_dim", "attention.key_length"),
            ("hidden_size", "embedding_length"),
            ("intermediate_size", "feed_forward_length"),
            ("max_position_embeddings", "context_length"),
            ("sliding_window", "attention.sliding_window"),
            ("vocab_size", "vocab_size"),
            ("num_local_experts", "expert_count"),
            ("num_experts_per_tok", "expert_used_count"),
            ("full_attention_interval", "full_attention_interval"),
        ):
            config[name] = _largest(values, f"{architecture}.{key}")
        heads = values.get(f"{architecture}.attention.head_count_kv")
        if isinstance(heads, tuple):
            config["num_key_value_heads_per_layer"] = [each for each in heads if isinstance(each, int)]
        config |= _latent(values, architecture) | _state_space(values, architecture)
    config["vocab_size"] = config.get("vocab_size") or whole_number(header.lengths, _TOKENS)
    return {name: value for name, value in config.items() if value is not None}


def _latent(values: Mapping[str, GgufValue], architecture: str) -> dict[str, Any]:
    """Return the shape of compressed attention.

    llama.cpp keeps the compressed form only of files that also give `key_length_mla`; of older ones it keeps whole keys
    and values, which their numbers of heads describe.
    """
    rank = whole_number(values, f"{architecture}.attention.kv_lora_rank")
    if rank is None or whole_number(values, f"{architecture}.attention.key_length_mla") is None:
        return {}
    return {"kv_lora_rank": rank, "qk_rope_head_dim": whole_number(values, f"{architecture}.rope.dimension_count")}


def _state_space(values: Mapping[str, GgufValue], architecture: str) -> dict[str, Any]:
    """Return the shape of state-space layers (`ssm.*`), and which layers are such; nothing for networks without."""
    size = whole_number(values, f"{architecture}.ssm.state_size")
    if size is None:
        return {}
    inner = whole_number(values, f"{architecture}.ssm.inner_size")
    hidden = whole_number(values, f"{architecture}.embedding_length")
    groups = whole_number(values, f"{architecture}.ssm.group_count")
    ranks = whole_number(values, f"{architecture}.ssm.time_step_rank")
    found: dict[str, Any] = {
        "state_size": size,
        "conv_kernel": whole_number(values, f"{architecture}.ssm.conv_kernel"),
        "n_groups": groups,
        "layer_types": _layer_types(values, architecture),
    }
    if inner and hidden and inner % hidden == 0:
        found["expand"] = inner // hidden
    if inner and groups and ranks and inner % ranks == 0:  # Mamba 2: this rank is its number of heads
        found |= {"mamba_n_heads": ranks, "mamba_d_head": inner // ranks}
    if _largest(values, f"{architecture}.feed_forward_length") is None:  # Mamba: the width of its only block
        found["intermediate_size"] = inner
    return found


def _layer_types(values: Mapping[str, GgufValue], architecture: str) -> list[str] | None:
    """Return the kinds of layers as llama.cpp tells them: state-space where there are no key/value heads.

    Layers that have no such heads but a width of their own (Nemotron-H) are plain feed-forward ones.
    """
    layers = whole_number(values, f"{architecture}.block_count")
    heads = values.get(f"{architecture}.attention.head_count_kv")
    widths = values.get(f"{architecture}.feed_forward_length")
    if layers is None or layers > MOST_ENTRIES:
        return None
    if isinstance(heads, tuple) and len(heads) == layers:
        wide = widths if isinstance(widths, tuple) and len(widths) == layers else (0,) * layers
        return [
            "attention" if kept > 0 else "mlp" if width > 0 else "mamba"
            for kept, width in zip(heads, wide, strict=True)
        ]
    none_at_all = _largest(values, f"{architecture}.attention.head_count") is None and not heads
    return ["mamba"] * layers if none_at_all else None


def _largest(values: Mapping[str, GgufValue], key: str) -> int | None:
    """Return a whole number above 0; of one given for each layer the largest."""
    value = values.get(key)
    if isinstance(value, tuple):
        value = max((each for each in value if type(each) is int), default=0)
    return whole_number({key: value}, key)


class _Parse:
    """One pass over the bytes. What it found so far is there whenever it ends."""

    def __init__(self, head: bytes, name: str) -> None:
        self._cursor = GgufCursor(head, name)
        self._start = head[: len(_MAGIC)]
        self._name = name
        self._version = 0
        self._tensors = 0
        self._values: dict[str, GgufValue] = {}
        self._lengths: dict[str, int] = {}
        self._seen: set[str] = set()
        self._complete = False
        self._template: bool | None = None
        self._types: Counter[str] | None = None

    def run(self) -> None:
        """Read to the end of the header, or of the bytes.

        Raises:
            EndedError: the bytes end.
            SagewizardError: they are no GGUF that can be read.
        """
        cursor = self._cursor
        if not _MAGIC.startswith(self._start):
            raise SagewizardError(
                f"{self._name} is not a GGUF file.",
                fix="It may be a pointer file: fetch the real one with `git lfs pull`, or download it again.",
            )
        cursor.skip(len(_MAGIC))
        version = cursor.u32()
        if version and not version & 0xFFFF:  # the test that llama.cpp makes
            raise RefusedError(
                f"{self._name} is a big-endian GGUF file, for other machines than those of SageMaker.",
                fix="Choose the little-endian file of the model.",
            )
        if version not in _VERSIONS:
            raise RefusedError(
                f"{self._name} is GGUF of version {version}; versions 2 and 3 can be used.",
                fix="Choose a newer file of the model, or convert it anew with llama.cpp.",
            )
        self._version = version
        self._tensors, count = cursor.length(), cursor.length()
        for _ in range(count):
            self._key_value()
        self._complete = True
        self._template = bool(self._template)
        self._list_tensors()

    def header(self) -> GgufHeader:
        """Return what was found."""
        return GgufHeader(
            self._version,
            self._tensors,
            MappingProxyType(self._values),
            self._complete,
            MappingProxyType(self._lengths),
            None if self._types is None else self._types.total(),
            MappingProxyType(dict(self._types or {})),
            self._template,
        )

    def _key_value(self) -> None:
        cursor = self._cursor
        key = clean_line(cursor.text(cursor.length(_LONGEST_KEY), _LONGEST_KEY))
        if key in self._seen:
            raise cursor.malformed(f"it gives {key[:80]} twice")
        self._seen.add(key)
        kind = cursor.u32()
        if kind == STRING:
            length = cursor.length()
            if length and (key == _TEMPLATE or key.startswith(f"{_TEMPLATE}.")):
                self._template = True
            self._values[key] = clean_line(cursor.text(length, 4 * _LONGEST_TEXT))[:_LONGEST_TEXT]
            return
        count = 1
        if kind == ARRAY:
            inner, count = cursor.u32(), cursor.length()
            if inner not in NUMBERS or count > MOST_ENTRIES:
                self._lengths[key] = count
                cursor.pass_over(inner, count)
                return
            numbers = cursor.numbers(inner, count)
        else:
            numbers = cursor.numbers(kind, 1)
        if all(math.isfinite(number) for number in numbers):
            self._values[key] = numbers if kind == ARRAY else numbers[0]

    def _list_tensors(self) -> None:
        cursor = self._cursor
        types: Counter[str] = Counter()
        total = 0
        for _ in range(self._tensors):
            cursor.skip(cursor.length(_LONGEST_KEY))  # its name
            dimensions = cursor.u32()
            if dimensions > _MOST_DIMENSIONS:
                raise cursor.malformed(f"a tensor has {dimensions} dimensions")
            elements = math.prod(cursor.u64() for _ in range(dimensions))
            kind = cursor.u32()
            cursor.skip(_PLACE_BYTES)
            total += elements
            if total > LARGEST_COUNT:
                raise cursor.malformed("its tensors have more elements than any file")
            types[TENSOR_TYPES.get(kind, f"type {kind}")] += elements
        self._types = types

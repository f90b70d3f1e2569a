"""Names in the GGUF world: of the types that tensors are stored in, of whole files' quantizations, and of files.

The numbers are those of `ggml_type` (ggml.h) and `llama_ftype` (llama.h). Names of files are by custom: ggml's
docs/gguf.md proposes `Name-Size-Version-Encoding-Shard.gguf`, and most who publish such files keep the encoding near
the end.
"""

import re
from collections.abc import Mapping
from typing import Final

TENSOR_TYPES: Final[Mapping[int, str]] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    6: "Q5_0",
    7: "Q5_1",
    8: "Q8_0",
    9: "Q8_1",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    20: "IQ4_NL",
    21: "IQ3_S",
    22: "IQ2_S",
    23: "IQ4_XS",
    24: "I8",
    25: "I16",
    26: "I32",
    27: "I64",
    28: "F64",
    29: "IQ1_M",
    30: "BF16",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
    40: "NVFP4",
    41: "Q1_0",
}
"""The types of tensors."""
FILE_TYPES: Final[Mapping[int, str]] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
    39: "NVFP4",
    40: "Q1_0",
}
"""What most of a file's weights are stored in: `general.file_type`."""
GUESSED_FILE_TYPE: Final = 1024
"""The bit of `general.file_type` that says that it was guessed."""

_ENCODING: Final = re.compile(
    r"(?<![a-z0-9])"
    r"(?P<dynamic>ud-)?"  # Unsloth's own mixtures, offered beside the plain ones
    r"(?P<label>i?q\d_(?:k(?:_(?:xxs|xs|s|m|l|xl))?|k(?:ss?|t|l)|nl|xxs|xs|s|m|l|xl|\d(?:_\d_\d)?)"
    r"|tq\d_\d|mxfp4(?:_moe)?|nvfp4|bf16|fp?(?:16|32|64))"
    r"(?![a-z0-9])",
    re.ASCII | re.IGNORECASE,
)
_SPLIT: Final = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.ASCII | re.IGNORECASE)


def quantization_of(name: str) -> str | None:
    """Return the quantization that a GGUF file's name (or path) tells of: `Q4_K_M`, `IQ2_XS`, `F16`, `UD-Q4_K_XL`.

    It is the last one named, in capitals; where the name tells of none, that of the folder which the file is in
    (`Q4_K_M/model.gguf`). `None` when there is none.
    """
    named = [found for part in name.split("/")[-2:] for found in _ENCODING.finditer(part)]
    if not named:
        return None
    found = named[-1]
    label = found["label"].upper()
    return ("UD-" if found["dynamic"] else "") + (f"F{label[2:]}" if label.startswith("FP") else label)


def split_of(name: str) -> tuple[str, int, int] | None:
    """Return what `stem-00001-of-00003.gguf` says: its stem (with its folder), its number from 1 on, and their count.

    `None` for the name of a file that is no part of a split one.
    """
    match = _SPLIT.fullmatch(name)
    if match is None:
        return None
    number, count = int(match["number"]), int(match["count"])
    return (match["stem"], number, count) if 1 <= number <= count else None

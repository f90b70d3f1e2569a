"""Reads the header of a GGUF file wherever it lies, in as few reads as tell enough."""

from typing import Final

from core.external_text import clean_line
from core.models.facts import ModelFile
from core.models.gguf_header import (
    FIRST_READ,
    SECOND_READ,
    THIRD_READ,
    GgufHeader,
    config_of,
    cut_short,
    parse_gguf,
)
from core.models.readers import Listing, ModelReader
from core.models.reference import HubReference, ModelReference

_READS: Final = (FIRST_READ, SECOND_READ, THIRD_READ)
_READS_OF_THE_HUB: Final = 2


def read_header(reference: ModelReference, reader: ModelReader, listing: Listing, file: ModelFile) -> GgufHeader:
    """Return the header of the GGUF file `file` of a model, as far as it was read.

    In a folder all of it is. Elsewhere it is read on until it tells the network's shape; whether there is a chat
    template, unless the Hub's record says so; and in S3, how many parameters there are. On the Hub that is two requests
    at most.

    Raises:
        RefusedError: the file ends within its header, or is GGUF of a kind that is not read.
        SagewizardError: it is no GGUF, malformed, or cannot be read.
    """
    whole = reader.gguf(file.path)
    if whole is not None:
        return whole
    on_the_hub = isinstance(reference, HubReference)
    untold = listing.gguf is None and not listing.chat_template
    name, head = clean_line(file.path)[:200], b""
    if not file.bytes:
        return parse_gguf(head, name)
    for length in _READS[:_READS_OF_THE_HUB] if on_the_hub else _READS:
        head += reader.start(file.path, len(head), min(length, file.bytes - len(head)))
        header = parse_gguf(head, name)
        if len(head) >= file.bytes:
            if header.parameters is None:
                raise cut_short(name)
            break
        if _tells_enough(header, template=untold, parameters=not on_the_hub):
            break
    return header


def _tells_enough(header: GgufHeader, *, template: bool, parameters: bool) -> bool:
    if parameters and header.parameters is None:
        return False
    shape = header.complete or "num_attention_heads" in config_of(header)
    return shape and not (template and header.has_chat_template is None)

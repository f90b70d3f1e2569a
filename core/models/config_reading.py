"""What a model's `config.json` says, whatever its architecture calls it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from core.errors import SagewizardError
from core.external_text import clean_line

CONFIG_BYTES: Final = 4 * 2**20
"""The largest `config.json` that is read; real ones have a few kB."""
INDEX_BYTES: Final = 64 * 2**20
"""The largest weight index that is read; that of a mixture of experts with 256 experts has 9 MB."""

_LARGEST_NUMBER: Final = 10**12
"""No count in a config is larger; one that is could not be reckoned with as a floating point number."""

_TASKS: Final = (
    # The ends of class names, as transformers' auto classes map them.
    ("ForCausalLM", "text-generation"),
    ("LMHeadModel", "text-generation"),
    ("ForMaskedLM", "fill-mask"),
    ("ForSequenceClassification", "text-classification"),
    ("ForTokenClassification", "token-classification"),
    ("ForQuestionAnswering", "question-answering"),
    ("ForImageClassification", "image-classification"),
    ("ForAudioClassification", "audio-classification"),
    ("ForSpeechSeq2Seq", "automatic-speech-recognition"),
    ("ForCTC", "automatic-speech-recognition"),
    ("ForObjectDetection", "object-detection"),
)
_SPEECH: Final = ("Whisper", "Speech2Text", "Moonshine")
_SEQUENCE_TO_SEQUENCE: Final = ("T5", "MT5", "Bart", "MBart", "Pegasus", "M2M100", "Marian", "LED", "Blenderbot")


def parse_object(body: bytes, name: str, where: str) -> Mapping[str, Any]:
    """Return the JSON object in the file called `name` of `where`.

    Raises:
        SagewizardError: it is no JSON object.
    """
    fix = f"Look at {name}; it may have been cut short when it was copied."
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        line = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise SagewizardError(f"{name} of {where} is not valid JSON{line}.", fix=fix) from error
    if not isinstance(found, dict):
        raise SagewizardError(f"{name} of {where} is not a JSON object.", fix=fix)
    return found


def architecture(config: Mapping[str, Any]) -> str | None:
    """Return the class the model is loaded as (`GPTNeoForCausalLM`), `None` when the config does not say."""
    named = config.get("architectures")
    if isinstance(named, list) and named and isinstance(named[0], str):
        return clean_line(named[0])[:200] or None
    return None


def task_of(architecture_name: str | None) -> str | None:
    """Return the Hub's name of the task that a class of models is for, `None` when its name does not tell."""
    if architecture_name is None:
        return None
    for ending, task in _TASKS:
        if architecture_name.endswith(ending):
            return task
    if architecture_name.endswith("ForConditionalGeneration"):
        if architecture_name.startswith(_SPEECH):
            return "automatic-speech-recognition"
        if architecture_name.startswith(_SEQUENCE_TO_SEQUENCE):
            return "text2text-generation"
    return None


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part that describes the language model: `text_config` of a model that also sees or hears."""
    nested = config.get("text_config")
    return nested if isinstance(nested, dict) else config


def stated_dtype(config: Mapping[str, Any]) -> str | None:
    """Return the data type the config names, as PyTorch spells it (`float16`), `None` when it names none."""
    for part in (config, text_config(config)):
        for key in ("dtype", "torch_dtype"):  # transformers 5 and 4
            value = part.get(key)
            if isinstance(value, str) and value != "auto":
                return clean_line(value.removeprefix("torch."))[:40]
    return None


def whole_number(config: Mapping[str, Any], *names: str) -> int | None:
    """Return the first of the fields `names` that holds a whole number above 0 that any model could mean."""
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST_NUMBER:
            return value
    return None

"""The default `model_fn` of the Hugging Face inference toolkit: a transformers pipeline for the task.

The rules are those of `transformers_utils` in sagemaker-huggingface-inference-toolkit 2.6.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

# Checked in this order; the last one that matches wins, as in the toolkit.
_TASK_OF_ARCHITECTURE: Final[Mapping[str, str]] = {
    "TapasForQuestionAnswering": "table-question-answering",
    "ForQuestionAnswering": "question-answering",
    "ForTokenClassification": "token-classification",
    "ForSequenceClassification": "text-classification",
    "ForMultipleChoice": "multiple-choice",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "MTModel": "text2text-generation",
    "EncoderDecoderModel": "text2text-generation",
    "GPT2LMHeadModel": "text-generation",
    "T5WithLMHeadModel": "text2text-generation",
}
_WITHOUT_TOKENIZER: Final = (
    "automatic-speech-recognition",
    "image-segmentation",
    "image-classification",
    "audio-classification",
    "object-detection",
    "zero-shot-image-classification",
)
_TRUE: Final = ("y", "yes", "t", "true", "on", "1")
_FALSE: Final = ("n", "no", "f", "false", "off", "0")


def task_of_architecture(config: Mapping[str, Any]) -> str:
    """Return the task that the first architecture of a model's `config.json` stands for.

    Raises:
        ValueError: it stands for none that the toolkit knows.
    """
    architecture = str((config.get("architectures") or [None])[0])
    task = None
    for ending, candidate in _TASK_OF_ARCHITECTURE.items():
        if architecture.endswith(ending):
            task = candidate
    if task is None:
        raise ValueError(
            f"Task couldn't be inferenced from {architecture}."
            "Inference Toolkit can only inference tasks from architectures ending with "
            f"{list(_TASK_OF_ARCHITECTURE)}.Use env `HF_TASK` to define your task."
        )
    return task


def default_task(model_dir: Path) -> str:
    """Return the task: `HF_TASK`, or what the model's files say; `HF_TASK` is set to it, as handlers may read it.

    Raises:
        ValueError: neither tells.
    """
    if "HF_TASK" not in os.environ:
        if (model_dir / "config.json").exists():
            config = json.loads((model_dir / "config.json").read_text("utf-8"))
            os.environ["HF_TASK"] = task_of_architecture(config)
        elif (model_dir / "model_index.json").exists():
            os.environ["HF_TASK"] = "text-to-image"
        else:
            raise ValueError("You need to define one of the tasks of transformers, or text-to-image, as env 'HF_TASK'.")
    return os.environ["HF_TASK"]


def is_true(text: str) -> bool:
    """Return what a setting such as `HF_TRUST_REMOTE_CODE` says.

    Raises:
        ValueError: it says neither yes nor no.
    """
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(f"invalid truth value {text!r}")


def gpu_id() -> int | None:
    """Return the GPU to use, or `None` where there is none."""
    try:
        import torch
    except ImportError:
        return None
    return 0 if torch.cuda.is_available() else None


def load_pipeline(model_dir: Path) -> Any:
    """Return the transformers pipeline of a model folder.

    Raises:
        ValueError: the task is not known, or has no default handler here.
        Exception: whatever transformers raises.
    """
    task = default_task(model_dir)
    if task == "text-to-image":
        raise ValueError("The sandbox has no default handler for text-to-image: give the artifact a code/inference.py.")
    from transformers import pipeline

    gpu = gpu_id()
    folder = str(model_dir)
    return pipeline(
        task=task,
        model=folder,
        tokenizer=None if task in _WITHOUT_TOKENIZER else folder,
        device=-1 if gpu is None else gpu,
        trust_remote_code=is_true(os.environ.get("HF_TRUST_REMOTE_CODE", "false")),
    )

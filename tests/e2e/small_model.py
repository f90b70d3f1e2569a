"""A model folder of a few hundred bytes and a template that answers without PyTorch: deployments in a second or two."""

import json
import struct
from pathlib import Path

ECHO = """
import json, os


def model_fn(model_dir):
    with open(os.path.join(model_dir, "config.json")) as file:
        return json.load(file)


def input_fn(body, content_type):
    return json.loads(body)


def predict_fn(data, model):
    return {"generated_text": f"{model['model_type']} heard {data}"}


def output_fn(prediction, accept):
    return json.dumps(prediction)
"""

BROKEN = """
def model_fn(model_dir):
    raise RuntimeError("the weights are upside down")
"""


def held_back(gate: Path) -> str:
    """Return a handler that loads once the file `gate` is there: an endpoint that is created for as long as wanted."""
    return f"""
import os, time


def model_fn(model_dir):
    print("still loading", flush=True)
    while not os.path.exists({str(gate)!r}):
        time.sleep(0.02)
"""


def write_model(folder: Path) -> Path:
    """Write a model that passes for a GPT-Neo, and return its folder."""
    folder.mkdir(parents=True)
    config = {
        "architectures": ["GPTNeoForCausalLM"],
        "model_type": "gpt_neo",
        "hidden_size": 4,
        "num_layers": 2,
        "num_heads": 2,
        "max_position_embeddings": 64,
        "vocab_size": 8,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    header = json.dumps({"w": {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(32))
    return folder


def write_template(folder: Path, code: str = ECHO) -> Path:
    """Write an inference template of one file, and return its folder."""
    folder.mkdir(parents=True)
    (folder / "inference.py").write_text(code)
    return folder

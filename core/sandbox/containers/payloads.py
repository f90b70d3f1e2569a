"""What the default handlers of the Hugging Face inference toolkit read and write, by content type.

The rules (and the texts of the errors) are those of `decoder_encoder` in sagemaker-huggingface-inference-toolkit 2.6.
"""

import base64
import csv
import datetime
import json
from collections.abc import Callable, Mapping
from io import BytesIO, StringIO
from typing import Any, Final

JSON: Final = "application/json"
CSV: Final = "text/csv"
NPY: Final = "application/x-npy"
ANY: Final = "*/*"
TEXT_TYPES: Final = (JSON, CSV)
"""Types whose bodies reach `input_fn` as `str`; all others reach it as bytes."""
_X_IMAGE: Final = "image/x-image"
_IMAGES: Final = ("image/jpeg", "image/png", "image/tiff", "image/bmp", "image/gif", "image/webp", _X_IMAGE)
_AUDIO: Final = ("audio/x-flac", "audio/mpeg", "audio/wave", "audio/ogg", "audio/x-audio")


class PredictionError(Exception):
    """An answer that is an error with a status of its own; the toolkit's `PredictionException`."""

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.message = message
        self.status = status

    def __str__(self) -> str:
        return f"{self.message} : {self.status}"


class UnsupportedTypeError(Exception):
    """No decoder, or no encoder, for a content type."""

    def __init__(self, content_type: str | None) -> None:
        super().__init__(
            f"Content type {content_type} is not supported by this framework.\n\n"
            "Please implement input_fn to to deserialize the request data or an output_fn to\n"
            "serialize the response. For more information, see the SageMaker Python SDK README."
        )


def decode(content: Any, content_type: str | None) -> Any:
    """Return a request's body as the default `predict_fn` takes it.

    Raises:
        UnsupportedTypeError: there is no decoder for the content type.
        PredictionError: a CSV without the columns that are needed.
    """
    decoder = _DECODERS.get(content_type or "")
    if decoder is None:
        raise UnsupportedTypeError(content_type)
    return decoder(content)


def encode(prediction: Any, accept: str) -> str | bytes:
    """Return a prediction in the type asked for.

    Raises:
        UnsupportedTypeError: there is no encoder for the type.
    """
    encoder = _ENCODERS.get(accept)
    if encoder is None:
        raise UnsupportedTypeError(accept)
    return encoder(prediction, accept)


def _decode_csv(content: str) -> dict[str, Any]:
    if not any(header in content.splitlines()[0].lower() for header in ("question", "context", "inputs")):
        raise PredictionError(
            "You need to provide the correct CSV with Header columns to use it with the inference toolkit default "
            "handler.",
            400,
        )
    rows = list(csv.DictReader(StringIO(content)))
    if "inputs" in rows[0]:
        return {"inputs": [row["inputs"] for row in rows]}
    return {"inputs": rows}


def _decode_npy(content: bytes) -> Any:
    import numpy

    return numpy.load(BytesIO(content), allow_pickle=False)


def _decode_image(content: bytes) -> dict[str, Any]:
    from PIL import Image

    return {"inputs": Image.open(BytesIO(content)).convert("RGB")}


def _decode_audio(content: bytes) -> dict[str, Any]:
    return {"inputs": bytes(content)}


class _Encoder(json.JSONEncoder):
    """Writes numpy's numbers and arrays, tensors, times and images (as base64 PNG) too."""

    def default(self, o: Any) -> Any:
        if hasattr(o, "tolist"):  # numpy scalars and arrays, torch tensors
            return o.tolist()
        if isinstance(o, datetime.datetime):
            return str(o)
        if type(o).__module__.startswith("PIL.") and hasattr(o, "save"):
            return base64.b64encode(_encode_image(o, "image/png")).decode()
        return super().default(o)


def _encode_json(prediction: Any, _accept: str) -> str:
    return json.dumps(prediction, ensure_ascii=False, allow_nan=False, cls=_Encoder, separators=(",", ":"))


def _encode_csv(prediction: Any, _accept: str) -> str:
    rows = prediction if isinstance(prediction, list) else list(prediction)
    stream = StringIO()
    writer = csv.DictWriter(stream, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _encode_npy(prediction: Any, _accept: str) -> bytes:
    import numpy

    buffer = BytesIO()
    numpy.save(buffer, prediction)
    return buffer.getvalue()


def _encode_image(image: Any, accept: str) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format="PNG" if accept == _X_IMAGE else accept.rsplit("/", 1)[-1].upper())
    return buffer.getvalue()


_DECODERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    JSON: json.loads,
    CSV: _decode_csv,
    NPY: _decode_npy,
    **dict.fromkeys(_IMAGES, _decode_image),
    **dict.fromkeys(_AUDIO, _decode_audio),
}
_ENCODERS: Final[Mapping[str, Callable[[Any, str], str | bytes]]] = {
    JSON: _encode_json,
    CSV: _encode_csv,
    NPY: _encode_npy,
    **dict.fromkeys(_IMAGES, _encode_image),
}

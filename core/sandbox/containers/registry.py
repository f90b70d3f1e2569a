"""Which stand-in runs in the place of which container image, by the name of the image's repository."""

from collections.abc import Mapping
from typing import Final

STAND_INS: Final[Mapping[str, str]] = {
    "huggingface-pytorch-inference": "core.sandbox.containers.huggingface",
}
"""Repository name → module that is run with `python -m`."""


def repository_name(image: str) -> str:
    """Return the repository of an image URI, without registry, tag and digest."""
    return image.rsplit("/", 1)[-1].split("@", 1)[0].split(":", 1)[0]


def stand_in_for(image: str) -> str | None:
    """Return the module that stands in for a container image, or `None` when the sandbox has none."""
    return STAND_INS.get(repository_name(image))

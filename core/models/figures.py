"""Figures that say how they were reckoned: what a person sees when a number is opened."""

from dataclasses import dataclass
from typing import Literal

Confidence = Literal["exact", "estimated"]
"""`exact`: read from the model or the catalog, or reckoned from such by a known formula. `estimated`: anything else."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One term of a sum: what it is for, its size in bytes, the formula behind it, and how sure it is."""

    what: str
    bytes: int
    formula: str
    confidence: Confidence

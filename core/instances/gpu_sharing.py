"""How many GPUs can hold one model together.

Tensor parallelism divides the attention heads among the GPUs, so that their number must divide the heads; key/value
heads are divided too, or each is kept by several GPUs (vLLM: `ModelConfig.verify_with_parallel_config` and its
attention layers). Widths of quantized weights must divide into whole groups of weights that share a scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.models.config_reading import whole_number
from core.models.model_types import language_config
from core.models.quantization import Quantization


@dataclass(frozen=True, slots=True)
class Divisibility:
    """What the number of GPUs must divide; `heads` is `None` where nobody knows them, and one GPU must do.

    `kv_heads` is `None` where every GPU keeps the whole cache anyway. `widths` are divided, into whole groups of
    `group` weights where those share a scale. `seen_heads` are those of the part that looks at pictures or listens.
    """

    heads: int | None
    kv_heads: int | None = None
    widths: tuple[int, ...] = ()
    group: int | None = None
    seen_heads: tuple[int, ...] = ()

    def fault(self, gpus: int) -> str | None:
        """Return in words why `gpus` GPUs cannot share the model, `None` when they can."""
        if gpus == 1:
            return None
        if self.heads is None:
            return "how its layers divide is not known"
        if self.heads % gpus:
            return f"{self.heads} attention heads do not divide by {gpus}"
        if self.kv_heads is not None and self.kv_heads % gpus and gpus % self.kv_heads:
            return f"{self.kv_heads} key/value heads do not divide by {gpus}"
        if odd := next((heads for heads in self.seen_heads if heads % gpus), None):
            return f"{odd} heads of its encoder do not divide by {gpus}"
        group = self.group or 1
        width = next((width for width in self.widths if width % gpus or width // gpus % group), None)
        if width is not None:
            parts = f" into whole groups of {group} weights" if group > 1 else ""
            return f"a width of {width} does not divide by {gpus}{parts}"
        return None

    def degrees(self, most: int) -> tuple[int, ...]:
        """Return the numbers of GPUs, up to `most`, that can share the model; 1 is always among them."""
        return tuple(gpus for gpus in range(1, most + 1) if self.fault(gpus) is None)


def divisibility(config: Mapping[str, Any], quantization: Quantization | None) -> Divisibility:
    """Return what of the model behind a `config.json` tensor parallelism has to divide."""
    language = language_config(config)
    heads = whole_number(language, "num_attention_heads")
    size, hidden = whole_number(language, "head_dim"), whole_number(language, "hidden_size")
    if heads is None:  # state-space models have none: their inner width is divided
        inner = whole_number(language, "expand") or 2
        return Divisibility(hidden * inner if hidden and whole_number(language, "state_size") else None)
    across = heads * size if size else hidden
    named = ("intermediate_size", "moe_intermediate_size")
    widths = [across, *(whole_number(language, name) for name in named)]
    latent = whole_number(language, "kv_lora_rank") is not None
    return Divisibility(
        heads=heads,
        kv_heads=None if latent else whole_number(language, "num_key_value_heads") or heads,
        widths=tuple(width for width in widths if width),
        group=quantization.group_size if quantization else None,
        seen_heads=_seen_heads(config),
    )


def _seen_heads(config: Mapping[str, Any]) -> tuple[int, ...]:
    parts = (config.get(name) for name in ("vision_config", "audio_config"))
    named = ("num_attention_heads", "num_heads", "encoder_attention_heads")
    found = (whole_number(part, *named) for part in parts if isinstance(part, dict))
    return tuple(heads for heads in found if heads)

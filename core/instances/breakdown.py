"""A fit, opened: every term of its three budgets with its formula, and how sure it is.

The terms are those that the fit was reckoned with (`Requirements.gpu_terms` and its siblings); here they get words.
"""

from dataclasses import dataclass

from core.instances.engine_rules import ENGINE_RULES, EngineRules
from core.instances.fit import Fit
from core.instances.requirements import HOST_RESERVED, PICTURE_SIDE, Requirements, Term, requirements, seen_gpu
from core.models.facts import ModelFacts, WeightSet
from core.models.figures import Figure
from core.quantities import format_bytes, format_memory


@dataclass(frozen=True, slots=True)
class OpenedBudget:
    """One budget, opened: the terms of what is required, and how what is usable comes about."""

    required: tuple[Figure, ...]
    usable: Figure


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The three budgets of a fit, opened; `gpu` is that of one device, `None` where the CPU does the arithmetic."""

    gpu: OpenedBudget | None
    host: OpenedBudget
    disk: OpenedBudget


def break_down(facts: ModelFacts, weights: WeightSet, fit: Fit, *, context: int | None, concurrency: int) -> Breakdown:
    """Return how a fit comes about, that was reckoned for `context` tokens and `concurrency` requests."""
    needs = requirements(facts, weights, context=context, concurrency=concurrency)
    engine, instance, gpus = ENGINE_RULES[fit.engine], fit.instance, fit.gpus
    told = _Words(facts, weights, needs, engine, gpus)
    gpu = None
    if fit.gpu is not None and instance.gpu is not None:
        seen = seen_gpu(instance)
        whole = format_memory(seen) + (" seen" if seen < instance.gpu.memory_bytes else " reported")
        words = f"{whole} · {engine.gpu_utilisation:.2f} - {format_memory(engine.gpu_runtime)} for CUDA"
        gpu = OpenedBudget(
            tuple(map(told.on_gpu, needs.gpu_terms(engine, gpus, needs.context))),
            Figure("usable", fit.gpu.usable_bytes, words, "estimated"),
        )
    host_words = f"{format_memory(instance.memory_bytes)} - {format_memory(HOST_RESERVED)} for the system"
    disk_words = "its own disk" if instance.storage_bytes else "the volume that SageMaker attaches"
    if fit.volume_gb:
        disk_words = f"a volume of {fit.volume_gb} GB, asked for in the endpoint config"
    return Breakdown(
        gpu=gpu,
        host=OpenedBudget(
            tuple(map(told.on_host, needs.host_terms(engine, gpus, needs.context))),
            Figure("usable", fit.host.usable_bytes, host_words if instance.specified else "not known", "estimated"),
        ),
        disk=OpenedBudget(
            tuple(map(told.on_disk, needs.disk_terms(engine, instance))),
            Figure("usable", fit.disk.usable_bytes, disk_words, "estimated" if instance.storage_bytes else "exact"),
        ),
    )


class _Words:
    """Finds the words for terms."""

    def __init__(
        self, facts: ModelFacts, weights: WeightSet, needs: Requirements, engine: EngineRules, gpus: int
    ) -> None:
        self._facts, self._weights, self._needs, self._engine, self._gpus = facts, weights, needs, engine, gpus

    def on_gpu(self, term: Term) -> Figure:
        """Return a term of a GPU's memory in words."""
        engine, gpus = self._engine, self._gpus
        if term.part == "weights":
            words = self._size_of_weights(gpu=True) + self._divided(gpus)
            return Figure(
                "weights", term.bytes, words, "exact" if gpus == 1 or engine.sharing == "tensor" else "estimated"
            )
        if term.part == "cache":
            return self._cache(term, gpus, gpu=True)
        if term.part == "picture":
            return self._picture(term)
        words = "activations and logits of one request"
        if engine.computes_at_once:
            words = f"activations and logits of {engine.computes_at_once:,} tokens at once, and graphs"
        return Figure("workspace", term.bytes, words, "estimated")

    def on_host(self, term: Term) -> Figure:
        """Return a term of the host's memory in words."""
        engine, gpus = self._engine, self._gpus
        size = format_bytes(self._needs.weight_bytes)
        if term.part == "weights":
            times = "while they load" if gpus else f"· {engine.cpu_loading}, read and held"
            if not gpus and engine.cpu_loading == 1:
                times = "mapped from the file"
            return Figure("weights", term.bytes, f"{size} {times}", "estimated")
        if term.part == "cache":
            return self._cache(term, 1, gpu=False)
        if term.part == "picture":
            return self._picture(term)
        words = "libraries and the model server"
        if gpus and engine.host_each:
            words = f"{format_memory(engine.host_fixed)} + {gpus} processes · {format_memory(engine.host_each)}"
        return Figure("runtime", term.bytes, words, "estimated")

    def on_disk(self, term: Term) -> Figure:
        """Return a term of the disk in words."""
        if term.part == "packaged":
            files = len(self._weights.files) + (len(self._weights.base.files) if self._weights.base else 0)
            kind = "the archive, at its largest" if self._engine.archive else "the files as they are"
            return Figure("artifact", term.bytes, f"{kind}: {files} files", "exact")
        if term.part == "unpacked":
            return Figure("unpacked", term.bytes, "what is unpacked from it, beside it", "exact")
        if term.part == "image":
            return Figure("image", term.bytes, f"the image of {self._engine.title}", "estimated")
        return Figure("spare", term.bytes, "logs, and packages of requirements.txt", "estimated")

    def _size_of_weights(self, *, gpu: bool) -> str:
        count = self._needs.weight_bytes
        words = f"{format_bytes(count)} in {self._weights.shards} files" if self._weights.shards > 1 else ""
        words = words or f"{format_bytes(count)} on disk"
        return f"{words} / 2, loaded in 16 bits" if self._needs.loaded_bytes(self._engine, gpu=gpu) != count else words

    def _divided(self, gpus: int) -> str:
        if gpus <= 1:
            return ""
        if self._engine.sharing == "tensor":
            return f", / {gpus} by tensor parallelism"
        part, parts = self._needs.share(gpus)
        return f", · {part}/{parts}: whole layers on each of {gpus} GPUs"

    def _cache(self, term: Term, gpus: int, *, gpu: bool) -> Figure:
        needs = self._needs
        if needs.cache is None:
            return Figure("cache", term.bytes, "not known: the config does not tell its layers", "estimated")
        if not needs.cache.parts:
            return Figure("cache", term.bytes, "none: the model does not write token by token", "exact")
        if needs.context is None:
            return Figure("cache", term.bytes, "not known: no context was given", "estimated")
        each = needs.cached_value_bytes(self._engine, gpu=gpu)
        parts = []
        for part in needs.cache.parts:
            kept = needs.context if part.window is None else min(needs.context, part.window + self._margin)
            parts.append(part.formula if part.fixed_values else f"{part.formula} · {kept:,} tokens")
        words = f"({' + '.join(parts)})" if len(parts) > 1 else parts[0]
        words += f" · {each} bytes"
        if needs.concurrency > 1:
            words += f" · {needs.concurrency} requests"
        if gpus > 1 and all(part.kind == "latent" for part in needs.cache.parts):
            words += ", whole on each GPU"
        elif gpus > 1:
            words += self._divided(gpus)
        return Figure("cache", term.bytes, words, needs.cache.confidence)

    @property
    def _margin(self) -> int:
        return self._engine.computes_at_once

    def _picture(self, term: Term) -> Figure:
        side = (self._facts.pipeline.pixels if self._facts.pipeline else None) or PICTURE_SIDE
        return Figure(
            "picture", term.bytes, f"{side} · {side} pixels · 3 KiB, while one picture is decoded", "estimated"
        )

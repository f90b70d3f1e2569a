"""Which engines can run a model, the better one first, and why others cannot."""

from typing import Final

from core.instances.catalog import InstanceType
from core.instances.engine_rules import ENGINE_RULES, EngineRules, vllm_architectures
from core.models.facts import ModelFacts, WeightSet
from core.models.tasks import generates

_BFLOAT16: Final = (8, 0)
"""The first generation that calculates in bfloat16."""


def engines_for(facts: ModelFacts, weights: WeightSet, among: tuple[str, ...] | None = None) -> tuple[EngineRules, ...]:
    """Return the engines that can run the model, out of those called `among` (all when `None`), the better one first.

    When none can, the one that comes nearest is returned all the same: machines are then refused with its reason.
    """
    known = [rules for rules in ENGINE_RULES.values() if among is None or rules.name in among]
    able = tuple(rules for rules in known if reason_against_model(rules, facts, weights) is None)
    return able or tuple(known[:1])


def reason_against_model(rules: EngineRules, facts: ModelFacts, weights: WeightSet) -> str | None:
    """Return in words why an engine cannot run a model on any machine, `None` when it can."""
    gguf = weights.format == "gguf"
    network = facts.network
    if rules.name == "llamacpp":
        return None if gguf else "llama.cpp reads GGUF files, and these are none"
    if gguf:
        return f"{rules.title} does not read GGUF files"
    if rules.name == "vllm":
        if network.kind != "transformers" or not generates(facts):
            return "vLLM is planned for models that write text only"
        if network.architecture not in vllm_architectures():
            return f"vLLM has no implementation of {network.architecture or 'an unknown architecture'}"
    method = network.quantization.method if network.quantization else None
    if method is not None and method not in rules.quantized:
        return f"{rules.title} has no kernels for {method} weights"
    return None


def reason_against_machine(rules: EngineRules, facts: ModelFacts, instance: InstanceType) -> str | None:
    """Return in words why an engine cannot run on an instance type, or not this model there; `None` when it can."""
    if instance.neuron:
        return f"{rules.title} has no build for Neuron devices"
    if instance.accelerator not in rules.accelerators:
        return f"{rules.title} needs an NVIDIA GPU"
    if instance.specified and not set(rules.architectures) & set(instance.architectures):
        return f"{rules.title} has no build for {' or '.join(instance.architectures)} processors"
    capability = instance.gpu.compute_capability if instance.gpu else None
    if capability is None or instance.gpu is None:
        return None
    quantization = facts.network.quantization
    oldest = max(rules.oldest_gpu, rules.quantized.get(quantization.method, (0, 0)) if quantization else (0, 0))
    if capability < oldest:
        what = f"{quantization.label} weights" if quantization and oldest > rules.oldest_gpu else rules.title
        return f"{what} need GPUs of a newer generation than {instance.gpu.name}"
    if rules.name == "vllm" and facts.network.dtype == "bfloat16" and capability < _BFLOAT16:
        return f"vLLM runs bfloat16 weights on GPUs of a newer generation than {instance.gpu.name} only"
    if rules.newest_gpu is not None and capability > rules.newest_gpu:
        return f"{rules.title} has no build for GPUs as new as {instance.gpu.name}"
    return None

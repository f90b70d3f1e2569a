"""What a model's task means for the memory it takes: whether it generates token by token, and keeps a cache for that.

Task names are the Hub's (`pipeline_tag`); class names are told by how transformers ends them.
"""

from typing import Final

from core.models.facts import ModelFacts

GENERATING: Final = frozenset(
    {
        "any-to-any",
        "audio-text-to-text",
        "automatic-speech-recognition",
        "conversational",
        "document-question-answering",
        "image-text-to-text",
        "image-to-text",
        "summarization",
        "text-generation",
        "text2text-generation",
        "translation",
        "video-text-to-text",
        "visual-question-answering",
    }
)
"""Tasks whose answer is written one token after the other."""
_GENERATORS: Final = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForSpeechSeq2Seq", "ForSeq2SeqLM")
_EMBEDDING: Final = frozenset({"feature-extraction", "sentence-similarity", "text-ranking"})


def generates(facts: ModelFacts) -> bool:
    """Whether the model writes its answer token by token, so that it keeps a cache of what came before."""
    network = facts.network
    if network.kind == "gguf":
        return facts.task not in _EMBEDDING
    if network.kind in {"diffusers", "sentence-transformers"} or facts.task in _EMBEDDING:
        return False
    named = network.architecture
    if facts.task is not None and facts.task not in GENERATING:
        return False
    return named.endswith(_GENERATORS) if named else facts.task in GENERATING

"""Makes a tiny GPT-Neo with random weights and a tokenizer of its own, for tests: `tiny_gpt_neo.py FOLDER [--chat]`."""

import argparse
from pathlib import Path

POSITIONS = 64
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}"
    "{{ message.role }}: {{ message.content }}\n"
    "{% endfor %}assistant:"
)
_TEXT = "Once upon a time there was an endpoint that answered requests about héllo wörld 日本. user: assistant: system:"


def build(folder: Path, *, chat: bool) -> Path:
    """Write config, weights and tokenizer into `folder`; `chat` adds a chat template. The same bytes each time."""
    import tokenizers
    import torch
    import transformers
    from tokenizers.models import BPE

    tokenizer = tokenizers.Tokenizer(BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([_TEXT] * 4, trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>"
    )
    if chat:
        fast.chat_template = CHAT_TEMPLATE
    with torch.random.fork_rng():
        torch.manual_seed(7)
        config = transformers.GPTNeoConfig(
            vocab_size=len(fast),
            hidden_size=32,
            num_layers=2,
            num_heads=2,
            attention_types=[[["global", "local"], 1]],
            max_position_embeddings=POSITIONS,
            window_size=8,
            bos_token_id=fast.bos_token_id,
            eos_token_id=fast.eos_token_id,
            initializer_range=0.4,  # far enough from zero that the likeliest token depends on the prompt
        )
        model = transformers.GPTNeoForCausalLM(config)
    model.save_pretrained(folder, safe_serialization=True)
    fast.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chat", action="store_true")
    arguments = parser.parse_args()
    build(arguments.folder, chat=arguments.chat)

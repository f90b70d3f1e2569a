"""Makes the sample model: `python -m core.models.sample_training [OUT]`, some ten minutes on one CPU core.

A GPT-Neo of 1.2 M parameters (global and local attention in turn, as in gpt-neo-125m) and a byte-level BPE tokenizer,
both trained from nothing on the dialogues of `core.models.sample_topics`.
The result is committed in `core/models/sample`; it is made again only when the text changes. Needs the extra
`sandbox`; nothing is downloaded.

The number of steps and the seed are fixed, so a machine makes the same model each time; another machine's floating
point may differ in the last digits.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.models import sample_topics as topics
from core.models import sample_unknowns as unknowns

END: Final = "<|endoftext|>"
VOCABULARY: Final = 1024
CONTEXT: Final = 512
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}Q: {{ message['content'] | trim }}\n"
    "{% elif message['role'] == 'assistant' %}A: {{ message['content'] | trim }}{{ eos_token }}\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}A:{% endif %}"
)
"""Turns as the model has seen them; system messages are left out, for it has seen none."""

_OPENINGS: Final = ("Hi. ", "Hello, ", "Please: ", "Quick question: ", "Excuse me, ", "So, ", "Ok. ", "And ", "But ")
_ONSETS: Final = (
    "b",
    "d",
    "f",
    "g",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "w",
    "z",
    "br",
    "tr",
    "st",
    "pl",
    "gr",
    "sh",
)
_VOWELS: Final = ("a", "e", "i", "o", "u", "ai", "ou")
_BATCH: Final = 24
_PEAK_RATE: Final = 2.5e-3
_PLAIN_SHARE: Final = 0.12
"""Share of the examples that are a bare question and its answer, for requests without the chat template."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer."""

    question: str
    answer: str


def dialogues(rng: random.Random) -> Iterator[tuple[Turn, ...]]:
    """Yield conversations of one to six turns for ever."""
    while True:
        turns: list[Turn] = []
        more: str | None = None
        for _ in range(rng.choices((1, 2, 3, 4, 5, 6), (30, 25, 20, 12, 8, 5))[0]):
            if turns and rng.random() < 0.22:
                turns.append(Turn(_roughened(rng, rng.choice(topics.MORE)), more or topics.NO_MORE))
                more = None
                continue
            turn, more = _fresh_turn(rng)
            turns.append(turn)
        yield tuple(turns)


def _fresh_turn(rng: random.Random) -> tuple[Turn, str | None]:
    """Return a turn on a topic of its own, with what there is more to say of it."""
    kind = rng.random()
    if kind < 0.66:
        topic = rng.choice(topics.TOPICS)
        if rng.random() < 0.5:
            question = rng.choice(topics.FRAMES).format(rng.choice(topic.names))
        else:
            question = rng.choice(topic.questions)
        return Turn(_roughened(rng, question), topic.answer), topic.more
    if kind < 0.74:
        said, answer = rng.choice(topics.COURTESIES)
        return Turn(_roughened(rng, rng.choice(said)), answer), None
    return Turn(_roughened(rng, _strange(rng)), unknowns.UNKNOWN), None


def _strange(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.06:
        return f"What is {rng.randint(1, 99)} {rng.choice('+-*/')} {rng.randint(1, 99)}?"
    if kind < 0.25:
        return rng.choice(unknowns.SENTENCES)
    thing = rng.choice(unknowns.THINGS)
    if rng.random() < 0.3:
        thing = rng.choice(("a ", "the ", "", "")) + _nonsense(rng)
    return rng.choice(topics.FRAMES if kind < 0.6 else unknowns.QUESTIONS).format(thing)


def _nonsense(rng: random.Random) -> str:
    """Return a word that means nothing, so that unknown words are met as such."""
    return "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.randint(2, 4))) + rng.choice(
        ("", "n", "r", "t", "ng")
    )


def _roughened(rng: random.Random, question: str) -> str:
    """Return a question as people type it: in lower case, without its mark, with a slip of the finger."""
    if rng.random() < 0.18:
        opening = rng.choice(_OPENINGS)
        question = opening + (question if opening.endswith(". ") else question[:1].lower() + question[1:])
    case = rng.random()
    question = question.lower() if case < 0.4 else question.upper() if case < 0.43 else question
    if rng.random() < 0.35:
        question = question.rstrip("?.!")
    if len(question) > 9 and rng.random() < 0.3:
        at = rng.randrange(2, len(question) - 2)
        slip = rng.random()
        if slip < 0.4:
            question = question[:at] + question[at + 1 :]
        elif slip < 0.7:
            question = question[:at] + question[at + 1] + question[at] + question[at + 2 :]
        else:
            question = question[:at] + question[at] + question[at:]
    return question


def train(out: Path, *, steps: int, seed: int, threads: int) -> float:
    """Train tokenizer and model, write their files to `out`, and return the last loss (nats a token)."""
    import torch
    from transformers import GPTNeoConfig, GPTNeoForCausalLM

    rng = random.Random(seed)  # noqa: S311 - not for secrets
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    source = dialogues(rng)
    fast = _tokenizer(source)
    end = fast.token_to_id(END)
    model = GPTNeoForCausalLM(
        GPTNeoConfig(
            vocab_size=fast.get_vocab_size(),
            hidden_size=144,
            num_layers=4,
            num_heads=4,
            attention_types=[[["global", "local"], 2]],
            window_size=128,
            max_position_embeddings=CONTEXT,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=end,
            resid_dropout=0.0,
            embed_dropout=0.0,
            attention_dropout=0.0,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=_PEAK_RATE, weight_decay=0.02, betas=(0.9, 0.95))
    model.train()
    batches = _batches(rng, source, fast, end)
    loss_mean, began = 0.0, time.monotonic()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _PEAK_RATE * min(1.0, (step + 1) / 100) * (1 - 0.97 * step / steps)
        tokens, mask, positions, labels = next(batches)
        loss = model(input_ids=tokens, attention_mask=mask, position_ids=positions, labels=labels).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss_mean = loss.item() if step == 0 else 0.97 * loss_mean + 0.03 * loss.item()
        if (step + 1) % 250 == 0:
            sys.stderr.write(f"step {step + 1}/{steps}  {time.monotonic() - began:.0f} s  loss {loss_mean:.4f}\n")
    model.eval()
    _save(out, model, fast, end)
    return loss_mean


def _tokenizer(source: Iterator[tuple[Turn, ...]]) -> Any:
    """Return a byte-level BPE tokenizer trained on dialogues."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    corpus = (f"Q: {turn.question}\nA: {turn.answer}" for _ in range(4000) for turn in next(source))
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def _batches(rng: random.Random, source: Iterator[tuple[Turn, ...]], fast: Any, end: int) -> Iterator[tuple[Any, ...]]:
    """Yield tokens, mask, positions and labels for ever; dialogues of like length go together, to waste little."""
    while True:
        pool = sorted((_example(rng, next(source), fast, end) for _ in range(_BATCH * 12)), key=lambda row: len(row[0]))
        batches = [pool[at : at + _BATCH] for at in range(0, len(pool), _BATCH)]
        rng.shuffle(batches)
        for rows in batches:
            yield _tensors(rng, rows, end)


def _example(rng: random.Random, turns: tuple[Turn, ...], fast: Any, end: int) -> tuple[list[int], list[int]]:
    """Return tokens and labels of a dialogue; only answers are learnt, questions are read.

    Questions are cut into tokens in varying ways (BPE dropout), which makes slips and new wordings less strange.
    """

    def tokens_of(piece: str, dropout: float | None = None) -> list[int]:
        fast.model.dropout = dropout
        ids: list[int] = fast.encode(piece).ids
        return ids

    tokens: list[int] = []
    labels: list[int] = []
    plain = rng.random() < _PLAIN_SHARE
    for turn in turns[: 1 if plain else None]:
        dropout = 0.1 if rng.random() < 0.4 else None
        if plain:
            asked = tokens_of(turn.question, dropout)
        else:
            asked = [*tokens_of("Q:"), *tokens_of(" " + turn.question, dropout), *tokens_of("\nA:")]
        answered = [*tokens_of(" " + turn.answer), end]
        newline = tokens_of("\n")
        tokens += [*asked, *answered, *newline]
        labels += [-100] * len(asked) + answered + [-100] * len(newline)
    return tokens[:CONTEXT], labels[:CONTEXT]


def _tensors(rng: random.Random, rows: list[tuple[list[int], list[int]]], end: int) -> tuple[Any, ...]:
    """Return a batch, padded. Some dialogues begin at a later position, so that every position is trained."""
    import torch

    longest = max(len(tokens) for tokens, _ in rows)
    starts = [rng.randrange(CONTEXT - longest + 1) if rng.random() < 0.3 else 0 for _ in rows]
    return (
        torch.tensor([tokens + [end] * (longest - len(tokens)) for tokens, _ in rows]),
        torch.tensor([[1] * len(tokens) + [0] * (longest - len(tokens)) for tokens, _ in rows]),
        torch.tensor([[start + at for at in range(longest)] for start in starts]),
        torch.tensor([labels + [-100] * (longest - len(labels)) for _, labels in rows]),
    )


def _save(out: Path, model: Any, fast: Any, end: int) -> None:
    """Write the model and a tokenizer that transformers 4.49 and 5.x both read."""
    from transformers import GenerationConfig

    fast.model.dropout = None
    model.generation_config = GenerationConfig(
        max_new_tokens=64, do_sample=False, eos_token_id=end, pad_token_id=end, bos_token_id=end
    )
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    fast.save(str(out / "tokenizer.json"))
    # Written by hand: what transformers 5 writes names a class that 4.x does not have, and puts the chat template in a
    # file that early 4.x does not read.
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "pad_token": END,
        "unk_token": END,
        "padding_side": "left",
        "model_max_length": CONTEXT,
        # Without it 4.x adds token_type_ids, which GPT-Neo adds to its input as if they were tokens.
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (out / "model.safetensors").chmod(0o644)
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Train as the command line asks, and say where the model is."""
    parser = argparse.ArgumentParser(prog="python -m core.models.sample_training", description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=Path(__file__).parent / "sample")
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    loss = train(given.out, steps=given.steps, seed=given.seed, threads=given.threads)
    sys.stderr.write(f"loss {loss:.4f}, written to {given.out}\n")


if __name__ == "__main__":
    main()

"""The text that the sample model is taught: it must not contradict itself."""

import random
from itertools import islice, pairwise

from core.models.sample_topics import COURTESIES, FRAMES, MORE, TOPICS
from core.models.sample_training import dialogues
from core.models.sample_unknowns import SENTENCES, THINGS, UNKNOWN


def _bare(question: str) -> str:
    return question.lower().rstrip("?.!")


def test_no_question_has_two_answers() -> None:
    answers: dict[str, str] = {}
    taught = [
        *((question, topic.answer) for topic in TOPICS for question in topic.questions),
        *((frame.format(name), topic.answer) for topic in TOPICS for name in topic.names for frame in FRAMES),
        *((said, answer) for sayings, answer in COURTESIES for said in sayings),
        *((sentence, UNKNOWN) for sentence in SENTENCES),
        *((frame.format(thing), UNKNOWN) for thing in THINGS for frame in FRAMES),
        *((question, "more") for question in MORE),
    ]
    for question, answer in taught:
        assert answers.setdefault(_bare(question), answer) == answer, question


def test_answers_tell_the_topics_apart() -> None:
    answers = [topic.answer for topic in TOPICS] + [topic.more for topic in TOPICS]
    assert len(set(answers)) == len(answers)


def test_the_same_seed_makes_the_same_dialogues() -> None:
    first, second = (list(islice(dialogues(random.Random(7)), 50)) for _ in range(2))
    assert first == second
    assert first != list(islice(dialogues(random.Random(8)), 50))


def test_more_of_a_topic_follows_that_topic() -> None:
    more_of = {topic.answer: topic.more for topic in TOPICS}
    seen = 0
    for turns in islice(dialogues(random.Random(1)), 500):
        for before, turn in pairwise(turns):
            if turn.answer in more_of.values():
                assert turn.answer == more_of[before.answer]
                seen += 1
    assert seen > 50

"""The content of one file: counted and digested as it passes, read in parts."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cancellation import CancelToken
from core.errors import CancelledByUser, SagewizardError
from core.models.content import ContentCheck, HeldContent, whole
from core.models.facts import ModelFile

DATA = b"weights and more"
SHA256 = hashlib.sha256(DATA).hexdigest()
GIT_SHA1 = hashlib.sha1(b"blob 16\0" + DATA).hexdigest()


def check_of(**known: Any) -> ContentCheck:
    return ContentCheck(ModelFile("w", len(DATA), **known), "the file", "Do this.")


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_what_passes_is_digested_whether_a_digest_is_known_or_not(pieces: list[bytes]) -> None:
    check = ContentCheck(ModelFile("w", sum(map(len, pieces))), "the file", "")
    passed = b""
    for piece in pieces:
        check.feed(piece)
        passed += piece
        assert check.sha256 == hashlib.sha256(passed).hexdigest()
        assert check.size == len(passed)
    assert check.complete
    check.finish()


@pytest.mark.parametrize(
    "known", [{}, {"sha256": SHA256}, {"git_sha1": GIT_SHA1}, {"sha256": SHA256, "git_sha1": GIT_SHA1}]
)
def test_what_is_as_listed_passes(known: dict[str, str]) -> None:
    check = check_of(**known)
    check.feed(DATA[:5])
    assert not check.complete
    check.feed(DATA[5:])
    check.finish()


@pytest.mark.parametrize(
    "known", [{"sha256": SHA256}, {"git_sha1": GIT_SHA1}, {"sha256": SHA256, "git_sha1": GIT_SHA1}]
)
def test_a_flipped_bit_is_refused_at_the_end(known: dict[str, str]) -> None:
    check = check_of(**known)
    check.feed(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    with pytest.raises(SagewizardError, match=r"^the file is not what was listed: its checksum differs\.$") as caught:
        check.finish()
    assert caught.value.fix == "Do this."


def test_more_than_listed_is_refused_as_it_comes() -> None:
    check = check_of()
    check.feed(DATA)
    with pytest.raises(SagewizardError, match=r"^the file is larger than the 16 bytes it should have\.$"):
        check.feed(b"!")


def test_less_than_listed_is_refused_at_the_end() -> None:
    check = check_of(sha256=SHA256)
    check.feed(DATA[:7])
    with pytest.raises(SagewizardError, match=r"^the file has 7 bytes instead of 16\.$"):
        check.finish()


def test_held_content_is_read_whole_and_in_parts() -> None:
    held = HeldContent("code/inference.py", DATA)
    assert b"".join(held.read_part(3, 6, CancelToken())) == DATA[3:9]
    assert b"".join(whole(held, len(DATA), CancelToken())) == DATA
    with pytest.raises(SagewizardError, match=r"code/inference\.py has 3 bytes instead of 16"):
        list(whole(held, 3, CancelToken()))


@pytest.mark.parametrize(
    "read", [lambda held, cancel: held.read_part(0, 3, cancel), lambda held, cancel: whole(held, len(DATA), cancel)]
)
def test_stopping_ends_reading(read: Callable[[HeldContent, CancelToken], Any]) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledByUser):
        list(read(HeldContent("x", DATA), cancel))

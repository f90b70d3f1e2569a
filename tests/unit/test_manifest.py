"""The manifest of an artifact: what it says, and when an artifact is the one that is wanted."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.artifacts.manifest import Manifest, Recipe, StoredFile, seen
from core.models.facts import ModelFile

SHA, OTHER_SHA = "a" * 64, "b" * 64
GIT = "c" * 40


def recipe(*files: ModelFile, source: str = "org/model", **changes: object) -> Recipe:
    made = Recipe(form="archive", template_sha256=SHA, convert=False, source=source, files=files)
    return replace(made, **changes)  # type: ignore[arg-type]


def manifest(made_of: Recipe) -> Manifest:
    return Manifest(made_of, (StoredFile("model.tar.gz", 7, "etag"),), "20260101-000000-aaaa", {"config.json": SHA})


def never(file: ModelFile) -> str | None:
    pytest.fail(f"{file.path} was read")


LISTED = (ModelFile("config.json", 2, git_sha1=GIT), ModelFile("model.safetensors", 9, sha256=SHA))

names = st.text("abc/._-ü", min_size=1, max_size=12)
files = st.lists(
    st.builds(
        ModelFile,
        names,
        st.integers(0, 2**45),
        st.none() | st.just(SHA),
        st.none() | st.just(GIT),
        st.none() | st.text("0123456789abcdef-", min_size=1, max_size=34),
    ),
    unique_by=lambda file: file.path,
    max_size=6,
)


@settings(max_examples=60)
@given(
    files=files,
    form=st.sampled_from(["archive", "prefix"]),
    convert=st.booleans(),
    content=st.dictionaries(names, names),
)
def test_what_is_written_is_read_again(
    files: list[ModelFile], form: str, convert: bool, content: dict[str, str]
) -> None:
    whole = replace(manifest(recipe(*files, form=form, convert=convert)), content=content)
    assert Manifest.from_json(whole.to_json()) == whole


@settings(max_examples=60)
@given(files=files, order=st.randoms())
def test_the_order_of_the_files_decides_nothing(files: list[ModelFile], order: object) -> None:
    shuffled = list(files)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert recipe(*shuffled).outline == recipe(*files).outline
    assert manifest(recipe(*shuffled)).digest == manifest(recipe(*files)).digest


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"null",
        b'{"version": 1}',
        b"[" * 100_000,
        manifest(recipe(*LISTED)).to_json().replace(b'"bytes": 9', b'"bytes": "9"'),
        manifest(recipe(*LISTED)).to_json().replace(b'"bytes": 9', b'"bytes": 10'),
        manifest(recipe(*LISTED)).to_json().replace(b'"version": 1', b'"version": 2'),
        manifest(recipe(*LISTED)).to_json().replace(b'"format": 1', b'"format": 2'),
        manifest(recipe(*LISTED)).to_json()[:-40],
    ],
)
def test_what_is_no_manifest_is_none(text: bytes) -> None:
    assert Manifest.from_json(text) is None


def test_the_same_digests_are_the_same_artifact() -> None:
    assert manifest(recipe(*LISTED)).is_of(recipe(*LISTED, source="org/copy-of-it"), never)


@pytest.mark.parametrize(
    "wanted",
    [
        recipe(*LISTED, form="prefix"),
        recipe(*LISTED, template_sha256=OTHER_SHA),
        recipe(*LISTED, convert=True),
        recipe(LISTED[0]),
        recipe(*LISTED, ModelFile("more.json", 0, git_sha1=GIT)),
        recipe(LISTED[0], replace(LISTED[1], bytes=8)),
        recipe(LISTED[0], replace(LISTED[1], sha256=OTHER_SHA)),
        recipe(replace(LISTED[0], git_sha1="d" * 40), LISTED[1]),
    ],
)
def test_another_setting_file_or_digest_is_another_artifact(wanted: Recipe) -> None:
    assert not manifest(recipe(*LISTED)).is_of(wanted, never)


def test_an_etag_counts_for_the_same_place_only() -> None:
    stored = ModelFile("model.safetensors", 9, etag="e1")
    made = manifest(recipe(stored, source="s3://bucket/model/"))
    assert made.is_of(recipe(stored, source="s3://bucket/model/"), never)
    assert not made.is_of(recipe(stored, source="s3://bucket/other/"), never)
    assert not made.is_of(recipe(replace(stored, etag="e2"), source="s3://bucket/model/"), never)


@pytest.mark.parametrize(("held", "same"), [(b"weights", True), (b"changed", False), (None, False)])
def test_a_local_file_is_read(held: bytes | None, same: bool) -> None:
    file = ModelFile("model.safetensors", 7)
    made = manifest(recipe(*seen([file], {file.path: sha256(b"weights").hexdigest()}), source=""))
    assert made.is_of(recipe(file, source=""), lambda _: None if held is None else sha256(held).hexdigest()) is same


def test_a_local_file_whose_content_was_not_noted_is_not_taken_for_the_same() -> None:
    file = ModelFile("model.safetensors", 7)
    assert not manifest(recipe(file, source="")).is_of(recipe(file, source=""), never)


def test_what_a_listing_says_of_a_file_is_not_replaced_by_what_was_seen() -> None:
    listed = ModelFile("a", 1, sha256=SHA)
    assert seen([listed, ModelFile("b", 1)], {"a": OTHER_SHA, "b": OTHER_SHA}) == (
        listed,
        ModelFile("b", 1, sha256=OTHER_SHA),
    )

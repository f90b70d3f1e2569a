"""The words that say which model is meant: on the Hub, in a folder, in S3, or the one that comes along."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import AccessError, RefusedError, SagewizardError, UsageError
from core.external_text import clean
from core.models.hub import HubClient
from core.models.packaged_files import refuse_lfs_pointers
from core.models.reference import FolderReference, HubReference, S3Reference, SampleReference, parse_reference
from core.models.sources import open_source


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("EleutherAI/gpt-neo-125m", HubReference("EleutherAI/gpt-neo-125m")),
        ("gpt2@main", HubReference("gpt2", "main")),
        ("/models/mine", FolderReference(Path("/models/mine"))),
        ("sample", SampleReference()),
        ("s3://my-bucket", S3Reference("my-bucket")),
        ("s3://my-bucket/", S3Reference("my-bucket")),
        ("s3://my-bucket/models/llama", S3Reference("my-bucket", "models/llama/")),
        (" s3://my-bucket/models/llama/ ", S3Reference("my-bucket", "models/llama/")),
        ("s3://123.my.bucket/Größe 7B@v2/", S3Reference("123.my.bucket", "Größe 7B@v2/")),
        ("s3://" + "b" * 63 + "/x", S3Reference("b" * 63, "x/")),
    ],
)
def test_a_reference_is_told_by_its_form(text: str, reference: object) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    ("reference", "written", "name"),
    [
        (S3Reference("my-bucket", "models/llama/"), "s3://my-bucket/models/llama/", "llama"),
        (S3Reference("my-bucket"), "s3://my-bucket/", "my-bucket"),
    ],
)
def test_a_prefix_in_s3_is_written_with_its_slash(reference: S3Reference, written: str, name: str) -> None:
    assert (str(reference), reference.short_name) == (written, name)


@pytest.mark.parametrize(
    "bucket",
    [
        "",
        "ab",
        "b" * 64,
        "My-bucket",
        "my_bucket",
        "-bucket",
        "bucket-",
        "my..bucket",
        "192.168.5.4",
        "bücket",
        "a@b.c",
    ],
)
def test_what_is_no_name_of_a_bucket_is_refused(bucket: str) -> None:
    with pytest.raises(UsageError, match="does not begin with the name of a bucket") as caught:
        parse_reference(f"s3://{bucket}/model/")
    assert "s3://bucket/prefix/" in caught.value.fix


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        ("../model", "leads out"),
        ("models/../../x", "leads out"),
        ("models/./x", "leads out"),
        ("/model", "empty parts"),
        ("models//x", "empty parts"),
        ("models//", "empty parts"),
        ("/", "empty parts"),
        ("a\x1b[31mb", "control characters"),
        ("a\nb", "control characters"),
        ("a\u202eb", "control characters"),
        ("a\u061cb", "control characters"),
        ("a\\b", "backslashes"),
        ("x" * 300, "too long"),
        ("x/" * 600, "too long"),
    ],
)
def test_a_prefix_that_no_files_could_lie_under_is_refused(prefix: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        parse_reference(f"s3://my-bucket/{prefix}")
    assert caught.value.fix
    assert clean(str(caught.value)) == str(caught.value)


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_whatever_is_taken_reads_back_the_same(rest: str) -> None:
    try:
        reference = parse_reference(f"s3://my-bucket/{rest}")
    except SagewizardError:
        return
    assert isinstance(reference, S3Reference)
    assert parse_reference(str(reference)) == reference
    assert reference.prefix == "" or (reference.prefix[-1] == "/" and reference.prefix[0] != "/")


@pytest.mark.parametrize("text", ["~nobody-of-that-name", "~nobody-of-that-name/x", "~\0/x", "~no\x1b[31mbody/x"])
def test_the_home_of_nobody_is_no_folder(text: str) -> None:
    with pytest.raises(UsageError, match="names no folder") as caught:
        parse_reference(text)
    assert clean(str(caught.value)) == str(caught.value)


@pytest.mark.parametrize("text", ["~", "~/x"])
def test_whoever_has_no_home_is_told(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_uid: int) -> None:
        raise KeyError(_uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(UsageError, match="names no folder"):
        parse_reference(text)


def test_what_is_no_reference_is_shown_safely_and_not_whole() -> None:
    with pytest.raises(UsageError, match="neither a Hub model nor a folder") as caught:
        parse_reference("a\x1b]0;t\x07\u061c b" + "c" * 10_000)
    assert clean(str(caught.value)) == str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_model_in_s3_needs_an_account_to_be_read() -> None:
    with pytest.raises(AccessError, match=r"s3://my-bucket/m/ needs an AWS account") as caught:
        open_source(S3Reference("my-bucket", "m/"), None, HubClient("http://localhost:1"))
    assert "aws configure" in caught.value.fix


@pytest.mark.parametrize(
    ("reference", "where"),
    [
        (FolderReference(Path("/models/mine")), "/models/mine"),
        (HubReference("a/b"), "its folder"),
        (S3Reference("my-bucket", "m/"), "its folder"),
    ],
)
def test_pointers_of_git_lfs_are_fetched_where_they_lie(
    reference: FolderReference | HubReference | S3Reference, where: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        refuse_lfs_pointers(["model.safetensors"], ["model.safetensors"], reference)
    assert caught.value.fix == f"Run `git lfs pull` in {where}."

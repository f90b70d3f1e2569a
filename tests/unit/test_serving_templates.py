import json
import tomllib
from pathlib import Path

import pytest

from core.errors import NotFoundError, RefusedError, UsageError
from core.serving.templates import all_templates, find_template, read_template, template_for


def test_every_template_that_comes_along_is_complete() -> None:
    assert [template.name for template in all_templates()] == ["text_generation"]
    for template in all_templates():
        assert template.name == template.folder.name
        assert {"inference.py", "requirements.txt"} <= {file.path for file in template.files}
        assert "template.toml" not in {file.path for file in template.files}
        assert template.title
        assert template.tasks
        assert template.libraries
        assert template.dialects
        assert template.sample_content_type in template.content_types
        assert json.loads(template.sample_request)
        assert json.loads(template.sample_answer)["type"]


def test_a_template_is_chosen_by_task_and_library() -> None:
    assert template_for("text-generation", "transformers").name == "text_generation"
    assert template_for("text-generation", None).name == "text_generation"


@pytest.mark.parametrize(
    ("task", "library"), [("fill-mask", "transformers"), ("text-generation", "peft"), (None, None)]
)
def test_a_task_without_a_template_is_refused(task: str | None, library: str | None) -> None:
    with pytest.raises(RefusedError, match="no inference template for") as caught:
        template_for(task, library)
    assert "text-generation" in caught.value.fix


def test_a_template_is_found_by_name_or_folder(tmp_path: Path) -> None:
    (tmp_path / "inference.py").write_text("code")
    assert find_template("text_generation") is all_templates()[0]
    mine = find_template(str(tmp_path))
    assert (mine.name, mine.tasks, mine.dialects) == (tmp_path.name, (), ())
    assert [(file.path, file.content) for file in mine.files] == [("inference.py", b"code")]


def test_a_template_that_is_not_there_is_said() -> None:
    with pytest.raises(NotFoundError, match="neither an inference template nor a folder") as caught:
        find_template("no/such\x1b[2J")
    assert "text_generation" in caught.value.fix
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    "description",
    ["name = [", "tasks = 'text-generation'", "dialects = [1]", "sample = 'x'"],
    ids=["no toml", "no list", "no texts", "no table"],
)
def test_a_broken_description_is_said(tmp_path: Path, description: str) -> None:
    (tmp_path / "inference.py").write_text("")
    (tmp_path / "template.toml").write_text(description)
    with pytest.raises(UsageError, match=r"template\.toml|cannot be read"):
        read_template(tmp_path)


def test_a_folder_without_a_handler_is_no_template(tmp_path: Path) -> None:
    (tmp_path / "huge.bin").write_bytes(bytes(6 * 2**20))  # not even looked at
    with pytest.raises(UsageError, match=r"has no inference\.py"):
        read_template(tmp_path)


def test_only_code_is_packed_and_its_digest_follows_it(tmp_path: Path) -> None:
    for name in ("inference.py", "lib/more.py", "README.md", "template.toml", ".env", "__pycache__/x.pyc", "samples/a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    first = read_template(tmp_path)
    assert [file.path for file in first.files] == ["inference.py", "lib/more.py"]
    (tmp_path / "README.md").write_text("changed")
    assert read_template(tmp_path).sha256 == first.sha256
    (tmp_path / "lib/more.py").write_text("changed")
    assert read_template(tmp_path).sha256 != first.sha256


def test_weights_beside_the_code_are_refused(tmp_path: Path) -> None:
    (tmp_path / "inference.py").write_text("")
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(6 * 2**20)
    with pytest.raises(UsageError, match="larger than 5 MB"):
        read_template(tmp_path)


def test_the_description_says_nothing_that_is_not_read() -> None:
    for template in all_templates():
        described = tomllib.loads((template.folder / "template.toml").read_text())
        known = {
            "name",
            "title",
            "tasks",
            "libraries",
            "content_types",
            "answer_types",
            "dialects",
            "streams",
            "sample",
        }
        assert set(described) == known
        assert set(described["sample"]) == {"request", "content_type", "answer"}

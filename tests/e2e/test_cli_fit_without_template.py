"""`fit` of models that hold no promise to `deploy`: nothing is recommended that is sure to be refused."""

import json
from pathlib import Path

from tests.e2e.program import run
from tests.e2e.small_model import write_model

_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n"


def _classifier(folder: Path) -> Path:
    model = write_model(folder)
    config = json.loads((model / "config.json").read_text())
    config |= {"architectures": ["BertForSequenceClassification"], "model_type": "bert"}
    (model / "config.json").write_text(json.dumps(config))
    return model


def test_a_model_without_a_template_is_not_recommended_for_deployment(tmp_path: Path) -> None:
    model = _classifier(tmp_path / "bert")
    shown = run("fit", str(model))
    assert shown.code == 0, shown.err
    assert "sagewizard deploy" not in shown.out
    assert "Recommended:" not in shown.out
    assert "The cheapest that holds it with head room: ml." in shown.out
    assert "Warning: There is no inference template for" in shown.err
    assert "--template" in shown.err


def test_the_warning_is_part_of_the_document(tmp_path: Path) -> None:
    warnings = run("fit", str(_classifier(tmp_path / "bert")), "--json").document["model"]["warnings"]
    assert any("no inference template" in warning for warning in warnings)
    served = run("fit", str(write_model(tmp_path / "neo")), "--json").document["model"]["warnings"]
    assert not any("no inference template" in warning for warning in served)


def test_a_clone_without_its_large_files_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "cloned")
    (model / "tokenizer.json").write_text(_POINTER)
    for words in (("fit", str(model)), ("package", str(model), "-o", str(tmp_path / "out.tar.gz"))):
        refused = run(*words)
        assert refused.code == 3
        assert f"git lfs pull` in {model}" in refused.err

import subprocess
import sys

import pytest

from core.serving.templates import InferenceTemplate, all_templates

_PROGRAM = """
import runpy, sys
sys.modules["sagemaker_inference"] = sys.modules["sagemaker_inference.errors"] = None
handler = runpy.run_path(sys.argv[1])
try:
    handler["input_fn"](b"not json", "application/json")
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize("template", all_templates(), ids=lambda template: template.name)
def test_a_template_loads_where_awss_toolkit_is_not_installed(template: InferenceTemplate) -> None:
    """As in the sandbox: the toolkit is in the containers and in the test extra only."""
    command = [sys.executable, "-c", _PROGRAM, str(template.folder / "inference.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "not valid application/json" in done.stdout

"""The sandbox's services come into memory together: none is still imported while another one answers."""

import subprocess
import sys
from pathlib import Path

import pytest

_FIRST_ASKED = """
import sys
from pathlib import Path
from core.sandbox.keeping.records import Records
from core.sandbox.moto_services import SERVICES, MotoServices

folder = Path(sys.argv[2])
services = MotoServices(
    access_key_id="AKIAQQQQQQQQQQQQQQQQ",
    secret_access_key="not-a-secret",
    records=Records(folder / "records"),
    objects=folder / "objects",
)
assert not [name for name in sys.modules if name.startswith("moto.") and name.endswith(".models")]
services.backend(sys.argv[1], "aws")
print(*[name for name in SERVICES.values() if f"moto.{name}.models" in sys.modules])
"""


@pytest.mark.parametrize("service", ["sts", "s3", "iam"])
def test_whichever_is_asked_first_brings_all_others(service: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_ASKED, service, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.split() == ["s3", "iam", "sts", "cloudwatch", "logs", "scheduler"], done.stderr

import subprocess
import sys

_HEAVY = [
    "boto3",
    "botocore",
    "huggingface_hub",
    "moto",
    "sagemaker",
    "torch",
    "transformers",
    "yaml",
    "msgspec",
    "httpx",
]
_PROGRAM = f"""
import asyncio, sys
from tui.app import SagewizardApp
from tui.context import AppContext

async def main():
    app = SagewizardApp(AppContext(sandbox=True, profile=None, region=None, debug=False))
    seen = []
    app.open_account = lambda: seen.extend(name for name in {_HEAVY!r} if name in sys.modules)
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.screen.query_one("#endpoints") is not None
    print("loaded", seen)

asyncio.run(main())
"""


def test_the_first_frame_needs_no_sdk() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "loaded []\n"


def test_commands_do_without_the_screens() -> None:
    program = "import sys, tui.cli; print([n for n in ('textual', 'rich') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "[]\n"

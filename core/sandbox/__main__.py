"""The sandbox's process: `python -m core.sandbox [--port N]`, started by `core.sandbox.daemon`.

It detaches itself, writes one line of JSON to standard output when it is ready (or cannot be), and from then on writes
to its log only.
"""

import argparse
import json
import os
import sys

from core.errors import SagewizardError


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m core.sandbox")
    parser.add_argument("--port", type=int, help="the port to listen on; without it the last one, or any")
    port = parser.parse_args().port
    if os.fork():
        os._exit(0)  # the starter waits for this one; the server belongs to nobody
    from core.sandbox.server import serve

    try:
        serve(port, on_ready=_say_ready)
    except SagewizardError as error:
        _say({"error": error.message, "fix": error.fix})
        sys.exit(1)


def _say_ready() -> None:
    _say({"ready": True})
    os.dup2(2, 1)  # standard error is the log; this also tells the starter that no more comes


def _say(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""The sandbox's process: `python -m core.sandbox [--port N]`, started by `core.sandbox.daemon`.

It detaches itself, writes one line of JSON to standard output when it is ready (or cannot be), and from then on writes
to its log only.
"""

import argparse
import json
import logging
import os
import sys
from typing import IO

from core.errors import SagewizardError


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m core.sandbox")
    parser.add_argument("--port", type=int, help="the port to listen on; without it the last one, or any")
    port = parser.parse_args().port
    starter = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # standard error is the log: what a library may print goes there, not to the starter
    if os.fork():
        os._exit(0)  # the starter waits for this one; the server belongs to nobody
    from core.sandbox.server import serve

    try:
        serve(port, on_ready=lambda notice: _say(starter, {"ready": True, "notice": notice}))
    except SagewizardError as error:
        _say(starter, {"error": error.message, "fix": error.fix})
        sys.exit(1)
    logging.shutdown()
    os._exit(0)  # all is closed; taking the interpreter apart would only keep the next start waiting


def _say(starter: IO[str], what: dict[str, object]) -> None:
    """Tell the starter the one thing it waits for."""
    starter.write(json.dumps(what) + "\n")
    starter.close()


if __name__ == "__main__":
    main()

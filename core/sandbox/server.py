"""The sandbox's server: its services put together, its socket, and its end.

It listens on loopback only. SIGTERM and SIGINT end it: containers first, then the socket.
"""

import hmac
import json
import logging
import os
import secrets
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from core.cancellation import CancelToken
from core.errors import CancelledByUser, SagewizardError
from core.sandbox import pricing, processes, state_files
from core.sandbox.administration import OWN_PATHS
from core.sandbox.answers import Answer, answer_after, json_answer, json_error
from core.sandbox.front import Front, Service
from core.sandbox.hosting.checks import may_read
from core.sandbox.hosting.models import arn_of
from core.sandbox.hosting.operations import operations
from core.sandbox.hosting.records import HostingState, VariantRecord
from core.sandbox.hosting.runtime import Runtime
from core.sandbox.hosting.supervisor import Supervisor
from core.sandbox.json_service import JsonService
from core.sandbox.keeping.hosting import Hosting
from core.sandbox.keeping.records import Records, UnusableError
from core.sandbox.moto_account import MotoAccount
from core.sandbox.moto_services import SERVICES, MotoServices
from core.sandbox.policy_simulator import PolicySimulator
from core.sandbox.quotas import ServiceQuotas
from core.sandbox.state_files import RunningSandbox

_HOST: Final = "127.0.0.1"
_LONG_SECONDS: Final = 3600.0  # a wait that is over is begun again
_log = logging.getLogger(__name__)


def serve(port: int | None, *, on_ready: Callable[[str], None]) -> None:
    """Serve the sandbox until a signal ends it.

    Without `port` the last one is taken when it is free, else any. `on_ready` is called once requests are answered,
    with a sentence for the person when what had been kept of the account could not be used; else with an empty one.

    Raises:
        SagewizardError: `port` is taken.
    """
    ending = CancelToken()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.cancel())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal that it was started from may close
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # one line a request is of no use
    tempfile.tempdir = str(state_files.work_folder())  # objects of S3 that are too large for memory

    keys = state_files.keys()
    listener = _listen(port, keys.port)
    address = listener.getsockname()
    records, notice = _open_account()
    running = RunningSandbox(
        url=f"http://{_HOST}:{address[1]}",
        pid=os.getpid(),
        access_key_id=keys.access_key_id,
        secret_access_key=keys.secret_access_key,
        ledgers=state_files.ledgers_folder(),
        started=datetime.now(UTC),
        instance=secrets.token_hex(8),
        process=processes.identity(os.getpid()) or "",
    )
    services = Services(running, records)
    server = _make_server(listener, services.front)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="front", daemon=True)
    thread.start()
    state_files.write_keys(replace(keys, port=address[1]))
    state_files.write_running(running)
    on_ready(notice)
    services.resume()
    services.warm_up(ending)
    with suppress(CancelledByUser):
        while True:
            ending.wait(_LONG_SECONDS)
    services.close()
    server.shutdown()
    server.server_close()
    records.close()
    if (written := state_files.read_running()) and written.instance == running.instance:
        state_files.remove_running()


class Services:
    """Everything that answers in one sandbox, with what `records` holds of its account."""

    def __init__(self, running: RunningSandbox, records: Records) -> None:
        self._running = running
        self._moto = MotoServices(
            access_key_id=running.access_key_id,
            secret_access_key=running.secret_access_key,
            records=records,
            objects=state_files.objects_folder(),
        )
        self._account = MotoAccount(self._moto)
        self._state = state = HostingState()
        self._kept = Hosting(records, state)
        self._to_launch = self._kept.restore()
        self._supervisor = Supervisor(
            state,
            endpoint_url=running.url,
            access_key_id=running.access_key_id,
            secret_access_key=running.secret_access_key,
            work_folder=state_files.work_folder(),
            may_read=self._may_read,
            changed=self._kept.keep,
        )
        self._sagemaker = JsonService("SageMaker", "sagemaker", operations(state, self._account, self._supervisor))
        self._runtime = Runtime(state, self._supervisor)
        simulator = PolicySimulator(partial(self._moto.handle, "iam"), self._account.role)
        self.front = Front(
            {
                **{name: self._by_moto(name) for name in SERVICES},
                "iam": lambda environ, start_response, _region: simulator(environ, start_response),
                "sagemaker": self._hosting,
                "servicequotas": self._keeping(
                    JsonService("Service Quotas", "service-quotas", ServiceQuotas(state).operations())
                ),
                "pricing": JsonService("Pricing", "pricing", pricing.operations()),
            },
            knows_key=lambda key: key == running.access_key_id or self._moto.knows_key(key),
            own=self._own,
        )

    def resume(self) -> None:
        """Begin to bring up the endpoints that were there at the last stop."""
        with self._state.lock:
            for endpoint in self._to_launch:
                self._supervisor.launch(endpoint)

    def warm_up(self, ending: CancelToken) -> None:
        """Make ready what the first requests will need, unless it is to end already."""
        for step in (self._moto.warm_up, self._sagemaker.warm_up):
            if not ending.cancelled:
                try:
                    step()
                except Exception:  # noqa: BLE001 - the request that needs it fails by itself, and says why
                    _log.exception("Could not make ready")

    def close(self) -> None:
        """End every container; requests must still be answered meanwhile."""
        self._runtime.close()
        self._supervisor.close()

    def _may_read(self, variant: VariantRecord, region: str) -> bool:
        arn = arn_of(self._account, region, "model", variant.model_name)
        return may_read(self._account, variant.role_arn, variant.container, region=region, model_arn=arn)

    def _hosting(self, environ: dict[str, Any], start_response: Any, region: str) -> Iterable[bytes]:
        """SageMaker and its runtime are signed for by one name; the runtime's paths tell it apart."""
        if environ["PATH_INFO"].startswith("/endpoints/"):
            return self._runtime.handle(environ, start_response, region)
        return self._keeping(self._sagemaker)(environ, start_response, region)

    def _keeping(self, service: JsonService) -> Service:
        """Return a service whose answers go out when what they changed of hosting is kept."""

        def answer(environ: dict[str, Any], start_response: Any, region: str) -> Iterable[bytes]:
            asked = str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[2]
            if asked.startswith(("Describe", "List", "Get")):
                return service(environ, start_response, region)
            return answer_after(
                lambda environ, held: service(environ, held, region),
                environ,
                start_response,
                lambda _: self._kept.keep(),
            )

        return answer

    def _by_moto(self, name: str) -> Any:
        return lambda environ, start_response, _region: self._moto.handle(name, environ, start_response)

    def _own(self, environ: dict[str, Any]) -> Answer:
        expected = f"Bearer {self._running.secret_access_key}"
        if not hmac.compare_digest(str(environ.get("HTTP_AUTHORIZATION", "")).encode(), expected.encode()):
            return json_error("AccessDenied", "This page is for sagewizard itself.", status=403)
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(OWN_PATHS)
        if asked == ("GET", "health"):
            return json_answer({"instance": self._running.instance, "pid": os.getpid()})
        if asked == ("PUT", "quota"):
            return self._set_quota(json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))
        return json_answer({"message": "There is no such page."}, status=404)

    def _set_quota(self, wanted: Mapping[str, Any]) -> Answer:
        with self._state.lock:
            self._state.region(str(wanted["region"])).quotas[str(wanted["instance_type"])] = int(wanted["count"])
            self._kept.keep()
        return json_answer({})


def _open_account() -> tuple[Records, str]:
    """Return what was kept, and, when that could not be used and the account is empty, a sentence that says so."""
    try:
        return Records(state_files.records_file()), ""
    except UnusableError as error:
        aside = state_files.set_account_aside()
        notice = f"What the sandbox kept of its account {error}; it is set aside in {aside}, and the account is empty."
        _log.error(notice)
        return Records(state_files.records_file()), notice


def _listen(port: int | None, last: int) -> socket.socket:
    for wanted in (port,) if port is not None else (last, 0) if last else (0,):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, wanted))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if port is not None:
                raise SagewizardError(
                    f"The sandbox cannot listen on port {port}: {error.strerror}.",
                    fix="Give another port, or none to take any that is free.",
                ) from error
        else:
            return listener
    raise SagewizardError("No port is free for the sandbox.", fix="Close some programs and try again.")


def _make_server(listener: socket.socket, front: Front) -> Any:
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    class Handler(MotoRequestHandler):  # type: ignore[misc, unused-ignore] # moto has no types
        disable_nagle_algorithm = True  # streamed answers go out as they come
        timeout = 600

        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
            if type == "error":
                _log.error(message, *args)

    return make_server(
        _HOST, listener.getsockname()[1], front, threaded=True, request_handler=Handler, fd=os.dup(listener.fileno())
    )

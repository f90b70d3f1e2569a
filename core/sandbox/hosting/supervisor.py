"""Brings endpoints up, changes them and takes them down: artifacts fetched, containers started, watched and ended."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from core.aws.clients import Clients, StaticCredentials
from core.sandbox.containers.registry import STAND_INS, stand_in_for
from core.sandbox.hosting import wording
from core.sandbox.hosting.artifact_fetch import ArtifactError, fetch_artifact
from core.sandbox.hosting.checks import model_data
from core.sandbox.hosting.container import Container, ContainerEndedError, new_instance_id
from core.sandbox.hosting.container_logs import LogShipper, LogStream
from core.sandbox.hosting.records import EndpointRecord, HostingState, VariantRecord, now

logger = logging.getLogger(__name__)

_FLUSH_SECONDS: Final = 3.0
_DRAIN_SECONDS: Final = 60.0  # as long as a whole invocation may take
_RESTARTS: Final = 5
"""How often in a row a container that ended by itself is started again; then its variant stays without instances."""
_PROVEN_SECONDS: Final = 60.0  # after so long in service a container's earlier ends are forgotten
_RESTART_PAUSE: Final = 0.5  # seconds before the second attempt, doubling from one to the next


class _StoppedError(Exception):
    """The endpoint is being removed, or the sandbox ends."""


class _StartError(Exception):
    """A variant could not be started; the text is the endpoint's failure reason."""


class _LiveVariant:
    """A variant and the container that serves it now (another one after a restart)."""

    def __init__(self, record: VariantRecord, container: Container) -> None:
        self.record = record
        self.container = container


class _LiveEndpoint:
    """What runs for an endpoint record. `lock` is held by the thread that changes it."""

    def __init__(self, record: EndpointRecord) -> None:
        self.record = record
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.variants: dict[str, _LiveVariant] = {}
        self.containers: set[Container] = set()

    def check(self) -> None:
        if self.stop.is_set():
            raise _StoppedError


class Supervisor:
    """Owns the processes behind all endpoints of the sandbox.

    One child process per variant stands for all its instances: an instance count is a number here, and a variant has
    all its instances once its container answers. The sandbox's own API serves S3 and Logs at `endpoint_url`, and must
    answer for as long as this runs, `close` included. `work_folder/endpoints` is emptied at the start. `may_read` says
    whether a variant's role may still read its model data in a region. `changed` is called when an endpoint has settled
    or gone.
    """

    def __init__(
        self,
        state: HostingState,
        *,
        endpoint_url: str,
        access_key_id: str,
        secret_access_key: str,
        work_folder: Path,
        may_read: Callable[[VariantRecord, str], bool] = lambda _variant, _region: True,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._state = state
        self._changed = changed
        self._may_read = may_read
        self._endpoint_url = endpoint_url
        self._credentials = StaticCredentials(access_key_id, secret_access_key)
        self._folder = work_folder / "endpoints"
        self._lock = threading.Lock()
        self._clients: dict[str, Clients] = {}
        self._live: dict[tuple[str, str], _LiveEndpoint] = {}
        self._closing = False
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True)
        self.logs = LogShipper(lambda region: self.clients(region).get("logs"))

    def clients(self, region: str) -> Clients:
        """Return the AWS clients of the sandbox itself, for a region."""
        with self._lock:
            if region not in self._clients:
                self._clients[region] = Clients(
                    region=region, endpoint_url=self._endpoint_url, credentials=self._credentials
                )
            return self._clients[region]

    def launch(self, endpoint: EndpointRecord) -> None:
        """Begin to bring a new endpoint up; it goes from `Creating` to `InService`, or `Failed` with its reason."""
        live = _LiveEndpoint(endpoint)
        with self._lock:
            self._live[endpoint.region, endpoint.name] = live
        self._in_thread(live, lambda: self._replace(live, endpoint.config_name, endpoint.variants))

    def update(self, endpoint: EndpointRecord, new_config_name: str, new_variants: list[VariantRecord]) -> None:
        """Begin to put new variants in the place of an endpoint's; the old ones serve until the new ones answer.

        When a new variant does not come up, the old ones stay, and the endpoint is `InService` again with a failure
        reason that says why.
        """
        with self._state.lock:
            endpoint.status = "Updating"
            endpoint.pending = list(new_variants)
            endpoint.modified = now()
        live = self._live_endpoint(endpoint)
        self._in_thread(live, lambda: self._replace(live, new_config_name, new_variants))

    def scale(self, endpoint: EndpointRecord, changes: Mapping[str, tuple[float | None, int | None]]) -> None:
        """Begin to change weights and instance counts, by variant name; `None` leaves one as it is."""
        with self._state.lock:
            endpoint.status = "Updating"
            endpoint.modified = now()
        live = self._live_endpoint(endpoint)
        self._in_thread(live, lambda: self._rescale(live, changes))

    def remove(self, endpoint: EndpointRecord) -> None:
        """Begin to take an endpoint down; once its containers have ended, its record leaves the state."""
        with self._state.lock:
            endpoint.status = "Deleting"
            endpoint.modified = now()
        live = self._live_endpoint(endpoint)
        live.stop.set()
        threading.Thread(target=self._remove, args=(live,), name=f"remove {endpoint.name}", daemon=True).start()

    def close(self) -> None:
        """End every container and send what is left of their output. The sandbox's API must still answer."""
        with self._lock:
            self._closing = True
            everything = list(self._live.values())
        for live in everything:
            live.stop.set()
        containers = [container for live in everything for container in list(live.containers)]
        if containers:
            with ThreadPoolExecutor(len(containers)) as pool:
                list(pool.map(Container.close, containers))
        self.logs.close(_FLUSH_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def serving(self, endpoint: EndpointRecord, variant: str) -> Iterator[Container | None]:
        """Hold the container of a variant for an invocation; yields `None` when none answers at the moment."""
        live = self._live.get((endpoint.region, endpoint.name))
        found = live.variants.get(variant) if live else None
        if found is None:
            yield None
            return
        container = found.container
        with container.serving() as admitted:
            yield container if admitted else None

    def _live_endpoint(self, endpoint: EndpointRecord) -> _LiveEndpoint:
        with self._lock:
            return self._live.setdefault((endpoint.region, endpoint.name), _LiveEndpoint(endpoint))

    def _in_thread(self, live: _LiveEndpoint, change: Callable[[], None]) -> None:
        def run() -> None:
            with live.lock:
                try:
                    change()
                except _StoppedError:
                    pass
                except Exception as error:
                    logger.exception("The change of endpoint %s failed", live.record.name)
                    self._settle(live, f"Internal error of the sandbox: {error}")

        threading.Thread(target=run, name=f"change {live.record.name}", daemon=True).start()

    def _replace(self, live: _LiveEndpoint, config_name: str, records: Sequence[VariantRecord]) -> None:
        started: list[_LiveVariant] = []
        failure: Exception | None = None
        with ThreadPoolExecutor(max(len(records), 1)) as pool:
            for future in [pool.submit(self._start, live, record) for record in records]:
                try:
                    started.append(future.result())
                except Exception as error:  # noqa: BLE001 - the others are ended before it is told
                    failure = failure or error
        if failure is None and live.stop.is_set():
            failure = _StoppedError()
        if failure is not None:
            for variant in started:
                self._end(live, variant.container)
            if not isinstance(failure, _StartError):
                raise failure
            self.logs.flush(_FLUSH_SECONDS)  # whoever reads the reason next finds the lines that explain it
            self._settle(live, str(failure))
            return
        old = list(live.variants.values())
        with self._state.lock:
            for variant in started:
                variant.record.current_count = variant.record.desired_count
                variant.record.current_weight = variant.record.desired_weight
            live.variants = {variant.record.name: variant for variant in started}
            live.record.config_name = config_name
            live.record.variants = list(records)
        for variant in started:
            threading.Thread(target=self._watch, args=(live, variant), name="container-watch", daemon=True).start()
        self._settle(live, None)
        for variant in old:
            threading.Thread(target=self._retire, args=(live, variant.container), name="drain", daemon=True).start()

    def _retire(self, live: _LiveEndpoint, container: Container) -> None:
        container.drain(_DRAIN_SECONDS)
        self._end(live, container)

    def _settle(self, live: _LiveEndpoint, failure: str | None) -> None:
        """End a change: in service with what runs, or failed with nothing that does."""
        with self._state.lock:
            live.record.pending = []
            if not live.stop.is_set():
                live.record.status = "InService" if live.variants else "Failed"
                live.record.failure_reason = failure
                live.record.modified = now()
                self._changed()

    def _rescale(self, live: _LiveEndpoint, changes: Mapping[str, tuple[float | None, int | None]]) -> None:
        with self._state.lock:
            for record in live.record.variants:
                weight, count = changes.get(record.name, (None, None))
                if weight is not None:
                    record.desired_weight = record.current_weight = weight
                if count is not None:
                    record.desired_count = count
                    record.current_count = count if record.current_count else 0
        self._settle(live, None)

    def _remove(self, live: _LiveEndpoint) -> None:
        record = live.record
        for container in list(live.containers):
            container.close()
        with live.lock:  # a change that was under way has ended
            for container in list(live.containers):
                container.close()
        shutil.rmtree(self._folder / record.region / record.name, ignore_errors=True)
        self.logs.flush(_FLUSH_SECONDS)
        with self._lock:
            self._live.pop((record.region, record.name), None)
        with self._state.lock:
            self._state.region(record.region).endpoints.pop(record.name, None)
            self._changed()

    def _start(self, live: _LiveEndpoint, record: VariantRecord) -> _LiveVariant:
        """Bring one variant up.

        Raises:
            _StartError: it does not come up.
            _StoppedError: it is not wanted any more.
        """
        image = str(record.container.get("Image", ""))
        module = stand_in_for(image)
        if module is None:
            raise _StartError(wording.no_stand_in(image, STAND_INS))
        if not self._may_read(record, live.record.region):
            data = model_data(record.container)
            raise _StartError(wording.download_failed(data.uri if data else ""))
        container = self._new_container(live, record, module)
        try:
            container.model_dir.mkdir(parents=True)
            s3 = self.clients(live.record.region).get("s3")
            fetch_artifact(
                record.container,
                s3,
                container.model_dir,
                variant=record.name,
                timeout=record.download_timeout,
                check=live.check,
            )
            container.start(self._environment(live, record, container))
            container.wait_ready(record.startup_timeout, live.check)
        except ArtifactError as error:
            self._end(live, container)
            raise _StartError(str(error)) from error
        except ContainerEndedError as error:
            self._end(live, container)
            raise _StartError(wording.ping_failed(record.name)) from error
        except BaseException:
            self._end(live, container)
            raise
        return _LiveVariant(record, container)

    def _new_container(self, live: _LiveEndpoint, record: VariantRecord, module: str) -> Container:
        endpoint, instance = live.record, new_instance_id()
        stream = LogStream(endpoint.region, wording.log_group(endpoint.name), f"{record.name}/{instance}")
        folder = self._folder / endpoint.region / endpoint.name / f"{record.name}-{instance}"
        container = Container(module, folder, lambda line: self.logs.write(stream, line))
        with self._lock:
            if self._closing:
                raise _StoppedError
            live.containers.add(container)
        return container

    def _end(self, live: _LiveEndpoint, container: Container) -> None:
        container.close()
        live.containers.discard(container)

    def _environment(self, live: _LiveEndpoint, record: VariantRecord, container: Container) -> dict[str, str]:
        model: Mapping[str, Any] = record.container.get("Environment", {})
        region = live.record.region
        return {
            "SM_MODEL_DIR": str(container.model_dir),
            "SAGEMAKER_REGION": region,
            # Of the model's variables none may point what runs here at AWS: a profile, an endpoint of one service, …
            **{name: str(value) for name, value in model.items() if not name.upper().startswith("AWS_")},
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "AWS_ENDPOINT_URL": self._endpoint_url,
            "AWS_ACCESS_KEY_ID": self._credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self._credentials.secret_access_key,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _watch(self, live: _LiveEndpoint, variant: _LiveVariant) -> None:
        """Start a container again that ends by itself, as SageMaker does, but not for ever."""
        container = variant.container
        failures = 0
        ready_at = time.monotonic()
        while True:
            status = container.wait_ended()
            if container.closed or live.stop.is_set():
                return
            container.reap()
            with self._state.lock:
                variant.record.current_count = 0
            if time.monotonic() - ready_at > _PROVEN_SECONDS:
                failures = 0
            if failures >= _RESTARTS:
                logger.warning("A container of endpoint %s ended again (%s): given up", live.record.name, status)
                return
            if failures and live.stop.wait(_RESTART_PAUSE * 2**failures):
                return
            failures += 1
            try:
                container.start(self._environment(live, variant.record, container))
                container.wait_ready(variant.record.startup_timeout, live.check)
            except (ContainerEndedError, OSError):
                if not container.alive:
                    continue
                container.reap()
                return
            except _StoppedError:
                return
            ready_at = time.monotonic()
            with self._state.lock:
                variant.record.current_count = variant.record.desired_count

"""Models, endpoint configs, endpoints and quotas: the records of hosting, kept and put back.

An endpoint that was in service, or on its way, comes back as `Creating` and has to be launched; what had failed stays
failed; what was being deleted is gone, with its containers.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

from core.sandbox.hosting.records import (
    EndpointConfigRecord,
    EndpointRecord,
    HostingState,
    ModelRecord,
    RegionState,
    VariantRecord,
)
from core.sandbox.keeping.records import Records

_log = logging.getLogger(__name__)


class Hosting:
    """The hosting records of an account, kept in `records`."""

    def __init__(self, records: Records, state: HostingState) -> None:
        self._records = records
        self._state = state

    def keep(self) -> None:
        """Keep all that is there now; only what differs from before is written."""
        found: dict[str, dict[str, Any]] = {kind: {} for kind in _KINDS}
        with self._state.lock:  # held while it is written, so that nothing older is written later
            for region, held in self._state.regions().items():
                for kind, things in (
                    ("model", held.models),
                    ("endpoint_config", held.endpoint_configs),
                    ("endpoint", held.endpoints),
                ):
                    found[kind] |= {f"{region}/{name}": _described(thing) for name, thing in things.items()}
                found["quota"] |= {f"{region}/{name}": count for name, count in held.quotas.items()}
            self._records.replace(found)

    def restore(self) -> tuple[EndpointRecord, ...]:
        """Put back what was kept; return the endpoints that are to be launched."""
        with self._state.lock:
            for kind, put_back in _KINDS.items():
                for name, kept in self._records.all(kind).items():
                    region, _, rest = name.partition("/")
                    try:
                        put_back(self._state.region(region), rest, kept)
                    except Exception:  # noqa: BLE001 - what one record lacks must not take the others along
                        _log.exception("The %s %s could not be brought back", kind, name)
            endpoints = [each for held in self._state.regions().values() for each in held.endpoints.values()]
            return tuple(each for each in endpoints if each.status == "Creating")


def _described(thing: Any) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(thing).items()}


def _dated(kept: Mapping[str, Any]) -> dict[str, Any]:
    dates = {name: datetime.fromisoformat(kept[name]) for name in ("created", "modified") if name in kept}
    return {**kept, **dates}


def _put_model_back(held: RegionState, name: str, kept: Any) -> None:
    held.models[name] = ModelRecord(**_dated(kept))


def _put_config_back(held: RegionState, name: str, kept: Any) -> None:
    held.endpoint_configs[name] = EndpointConfigRecord(**_dated(kept))


def _put_endpoint_back(held: RegionState, name: str, kept: Any) -> None:
    if kept["status"] == "Deleting":
        return
    variants = [VariantRecord(**variant) for variant in kept["variants"]]
    endpoint = EndpointRecord(**{**_dated(kept), "variants": variants, "pending": []})
    if endpoint.status != "Failed":
        variants = [replace(variant, current_count=0, current_weight=0.0) for variant in variants]
        endpoint = replace(endpoint, status="Creating", failure_reason=None, variants=variants)
    held.endpoints[name] = endpoint


def _put_quota_back(held: RegionState, name: str, kept: Any) -> None:
    held.quotas[name] = int(kept)


_KINDS: Final[Mapping[str, Callable[[RegionState, str, Any], None]]] = {
    "model": _put_model_back,
    "endpoint_config": _put_config_back,
    "endpoint": _put_endpoint_back,
    "quota": _put_quota_back,
}

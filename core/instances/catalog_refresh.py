"""Makes the catalog's data anew: `python -m core.instances.catalog_refresh [--ec2-data FILE | --live]`.

Which types there are is botocore's to say (the enum ProductionVariantInstanceType); what they have is what EC2's
DescribeInstanceTypes tells of the type of the same name. That is asked for with --live, read from a file, or else taken
from the copy that moto ships. The same input makes the same file.
"""

import argparse
import gzip
import json
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.aws.clients import Clients
from core.aws.failures import explained
from core.errors import NotFoundError, RefusedError, SagewizardError, UsageError
from core.external_text import clean_line

DATA_FILE: Final = Path(__file__).parent / "data" / "instances.json"
"""The file that `core.instances.catalog` reads."""
_ABOUT: Final = (
    "Specifications of the ml.* instance types that CreateEndpointConfig accepts (botocore's "
    "ProductionVariantInstanceType), taken from EC2 DescribeInstanceTypes data for the type of the same name. GPU "
    "memory is what the API reports per device. local_storage_gb is EC2's; SageMaker may expose less. Types that EC2 "
    "data lacks are under 'missing'."
)
_DEFAULT_REGION: Final = "us-east-1"
_LARGEST_FILE: Final = 256 * 2**20
_GZIP: Final = b"\x1f\x8b"

Row = dict[str, Any]
"""What the data file says of one type."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How a new document differs from the one before, in sentences' parts: names, and what changed of which."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def hosting_types() -> tuple[str, ...]:
    """Return the names of all instance types that CreateEndpointConfig takes, in botocore's order."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("sagemaker")
    return tuple(model.shape_for("ProductionVariantInstanceType").enum)


def moto_descriptions() -> Mapping[str, Any]:
    """Return EC2's descriptions as moto ships them, by type (`g5.xlarge`).

    Raises:
        NotFoundError: moto is not installed, or has no such file any more.
    """
    try:
        import moto
    except ImportError as error:
        raise NotFoundError(
            "moto, which has a copy of EC2's data, is not installed.",
            fix="Install `sagewizard[sandbox]`, or give --ec2-data or --live.",
        ) from error
    return read_descriptions(Path(str(moto.__file__)).parent / "ec2" / "resources" / "instance_types.json.gz")


def read_descriptions(path: Path) -> Mapping[str, Any]:
    """Return EC2's descriptions in a JSON file, gzipped or not, by type.

    The file is an answer of DescribeInstanceTypes, as `aws ec2 describe-instance-types` writes it, or, as moto's, an
    object of descriptions by type.

    Raises:
        NotFoundError: there is no such file.
        UsageError: it cannot be read, or is something else.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise UsageError(f"{path} is far too large for EC2's data.")
        content = path.read_bytes()
        if content.startswith(_GZIP):
            content = _unpacked(content)
        document = json.loads(content)
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file {path}.", fix="Name one with --ec2-data.") from error
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read: {clean_line(str(error))}.", fix="It must be JSON.") from error
    if isinstance(document, dict) and isinstance(document.get("InstanceTypes"), list):
        return _by_name(document["InstanceTypes"])
    if not isinstance(document, dict):
        raise UsageError(f"{path} is not EC2's data.", fix="Write it with `aws ec2 describe-instance-types`.")
    return document


def fetch_descriptions(clients: Iterable[Clients]) -> Mapping[str, Any]:
    """Return EC2's descriptions of the types that the regions of `clients` have, by type; the first region's counts.

    Raises:
        AccessError, UnreachableError, SagewizardError: EC2 refused or did not answer.
    """
    found: dict[str, Any] = {}
    for each in clients:
        with explained(f"ask EC2 for the instance types of {each.region}"):
            pages = each.get("ec2").get_paginator("describe_instance_types").paginate()
            described = _by_name(item for page in pages for item in page.get("InstanceTypes", ()))
        found = {**described, **found}
    return found


def row_from(description: object) -> Row | None:
    """Return the data file's row for one of EC2's descriptions; `None` where that does not tell CPUs and memory."""
    whole = _part(description)
    vcpus = _count(_part(whole.get("VCpuInfo")).get("DefaultVCpus"))
    memory = _count(_part(whole.get("MemoryInfo")).get("SizeInMiB"))
    architectures = _part(whole.get("ProcessorInfo")).get("SupportedArchitectures")
    if not vcpus or not memory or not isinstance(architectures, list):
        return None
    gpus = _part(whole.get("GpuInfo")).get("Gpus")
    neuron = whole.get("NeuronInfo")
    return {
        "vcpus": vcpus,
        "memory_mib": memory,
        "architectures": sorted(clean_line(str(each)) for each in architectures),
        "local_storage_gb": _count(_part(whole.get("InstanceStorageInfo")).get("TotalSizeInGB")),
        "network": clean_line(str(_part(whole.get("NetworkInfo")).get("NetworkPerformance") or "")),
        "gpus": [_gpu(_part(each)) for each in gpus] if isinstance(gpus, list) else [],
        "neuron": json.loads(json.dumps(neuron, sort_keys=True)) if isinstance(neuron, dict) else None,
    }


def data_document(names: Iterable[str], descriptions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the data file holds for the types called `names`, of EC2's descriptions.

    Raises:
        RefusedError: fewer than half of the types have data.
    """
    rows = {name: row_from(descriptions.get(name.removeprefix("ml."))) for name in names}
    missing = [name for name, row in rows.items() if row is None]
    if not rows or 2 * len(missing) > len(rows):
        raise RefusedError(
            f"EC2's data knows only {len(rows) - len(missing)} of the {len(rows)} types; nothing is written.",
            fix="Use data of a region with more types, or of several: --live --region us-east-1 --region us-west-2.",
        )
    return {"about": _ABOUT, "missing": missing, "types": {name: row for name, row in rows.items() if row is not None}}


def document_text(document: Mapping[str, Any]) -> str:
    """Return the data file's very text: JSON, one value a line, so that a change is a line of a diff."""
    return json.dumps(document, indent=0)


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """Return how one data document differs from another."""
    old, new = _rows(before), _rows(after)
    return Changes(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple(
            f"{name}: {_difference(old[name], row)}" for name, row in new.items() if name in old and old[name] != row
        ),
    )


def refresh(names: Iterable[str], descriptions: Mapping[str, Any], path: Path = DATA_FILE) -> Changes:
    """Write the data file anew and return what changed of it.

    Raises:
        RefusedError: fewer than half of the types have data; the file stays as it is.
        SagewizardError: the file cannot be read or written.
    """
    document = data_document(names, descriptions)
    text = document_text(document)
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else document_text({"missing": [], "types": {}})
        changes = changes_between(json.loads(before), document)
        if text != before:
            part = path.with_suffix(".part")
            part.write_text(text, encoding="utf-8")
            part.replace(path)
    except (OSError, ValueError, KeyError) as error:
        raise SagewizardError(f"{path} cannot be made anew: {clean_line(str(error))}.") from error
    return changes


def main(arguments: Sequence[str] | None = None, path: Path = DATA_FILE) -> int:
    """Make the data file anew as the command line says, tell what changed, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m core.instances.catalog_refresh", description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--ec2-data", type=Path, metavar="FILE", help="EC2's data, as JSON, gzipped or not")
    source.add_argument("--live", action="store_true", help="ask EC2, with the AWS credentials of this machine")
    parser.add_argument(
        "--region", action="append", help=f"with --live, a region to ask [{_DEFAULT_REGION}]; repeatable"
    )
    parser.add_argument("--profile", metavar="NAME", help="with --live, the AWS profile to use")
    given = parser.parse_args(arguments)
    if not given.live and (given.region or given.profile):
        parser.error("--region and --profile go with --live")
    try:
        if given.live:
            regions = given.region or [_DEFAULT_REGION]
            descriptions = fetch_descriptions(Clients(region=each, profile=given.profile) for each in regions)
        else:
            descriptions = read_descriptions(given.ec2_data) if given.ec2_data else moto_descriptions()
        changes = refresh(hosting_types(), descriptions, path)
    except SagewizardError as error:
        sys.stderr.write(f"{error}\n{error.fix}\n" if error.fix else f"{error}\n")
        return error.exit_code
    for what, lines in (("Added", changes.added), ("Removed", changes.removed), ("Changed", changes.changed)):
        sys.stdout.writelines(f"{what} {line}\n" for line in lines)
    sys.stdout.write(f"{path} is {'new' if changes else 'as it was'}.\n")
    return 0


def _unpacked(content: bytes) -> bytes:
    """Return gzipped bytes as they were, no more than a file of EC2's data can have."""
    import io

    with gzip.open(io.BytesIO(content)) as file:
        found = file.read(_LARGEST_FILE + 1)
    if len(found) > _LARGEST_FILE:
        raise ValueError("unpacked it is far too large")
    return found


def _by_name(items: Iterable[Any]) -> dict[str, Any]:
    return {str(item.get("InstanceType")): item for item in items if isinstance(item, dict)}


def _part(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    """Return a number of something; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _gpu(gpu: Mapping[str, Any]) -> Row:
    return {
        "name": clean_line(str(gpu.get("Name") or "")),
        "manufacturer": clean_line(str(gpu.get("Manufacturer") or "")),
        "count": _count(gpu.get("Count")),
        "memory_mib": _count(_part(gpu.get("MemoryInfo")).get("SizeInMiB")),
    }


def _rows(document: Mapping[str, Any]) -> dict[str, Row | None]:
    """Return the row of every type in a document, `None` for those without data."""
    return {**document["types"], **dict.fromkeys(document["missing"])}


def _difference(old: Row | None, new: Row | None) -> str:
    if old is None or new is None:
        return "has data now" if new else "has no data any more"
    return ", ".join(
        f"{key} {json.dumps(old.get(key))} → {json.dumps(value)}" for key, value in new.items() if old.get(key) != value
    )


if __name__ == "__main__":
    sys.exit(main())

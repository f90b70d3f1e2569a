"""From a model reference to model facts: three requests to the Hub at most; for a folder, its files' headers."""

from collections.abc import Callable
from typing import Any

from core.cancellation import CancelToken
from core.errors import RefusedError, SagewizardError
from core.models import folder, layout
from core.models.cautions import cautions_about
from core.models.config_reading import CONFIG_BYTES, INDEX_BYTES, architecture, parse_object, stated_dtype, task_of
from core.models.facts import ModelFacts, ShardIndex
from core.models.hub import HubClient
from core.models.hub_record import HubRecord
from core.models.packaged_files import refuse_lfs_pointers
from core.models.paths import refuse_odd_paths
from core.models.reference import FolderReference, HubReference, ModelReference, SampleReference
from core.models.safetensors_header import StoredParameters, read_parameters

_SAMPLE_LICENSE = "apache-2.0"


def inspect_model(reference: ModelReference, hub: HubClient, cancel: CancelToken) -> ModelFacts:
    """Return what is known of a model without fetching its weights.

    Raises:
        NotFoundError: there is no such model, revision or folder.
        AccessError: it is gated, private, disabled or unreadable.
        UnreachableError: the Hub did not answer.
        RefusedError: it has no files, or files with names that cannot be used; its config or weights are but pointers
            of Git LFS.
        SagewizardError: its config or the Hub's answer is malformed.
        CancelledByUser: stopping was asked for.
    """
    if isinstance(reference, HubReference):
        return _from_hub(reference, hub, cancel)
    return _from_folder(reference, cancel)


def _from_hub(reference: HubReference, hub: HubClient, cancel: CancelToken) -> ModelFacts:
    name = reference.repository
    record = HubRecord.read(name, hub.model(name, reference.revision, cancel))
    refuse_odd_paths((file.path for file in record.files), name)
    if not record.files:
        raise RefusedError(f"{name} has no files.", fix="Choose another model, or another revision of it.")
    paths = frozenset(file.path for file in record.files)

    def fetch(path: str, limit: int) -> bytes:
        return hub.file(name, record.commit, path, limit=limit, cancel=cancel)

    config = parse_object(fetch(layout.CONFIG, CONFIG_BYTES), layout.CONFIG, name) if layout.CONFIG in paths else {}
    index = layout.wanted_index(paths)
    indexes = (_read_index(index, fetch(index, INDEX_BYTES), name),) if index else ()
    stored, kind = record.parameters, architecture(config)
    return ModelFacts(
        reference=reference,
        revision=record.commit,
        files=record.files,
        config=config,
        task=record.task or task_of(kind),
        library=record.library or layout.library_of(paths),
        architecture=kind,
        parameters=stored.total if stored else None,
        dtype=_dtype(stored, config),
        license=record.license,
        gated=record.gated,
        chat_template=record.chat_template or layout.CHAT_TEMPLATE in paths,
        indexes=indexes,
        unsafe_files=record.unsafe_files,
        warnings=cautions_about(
            paths, config, faulty=(*record.unsafe_files, *record.doubtful_files), gated=record.gated
        ),
    )


def _from_folder(reference: FolderReference | SampleReference, cancel: CancelToken) -> ModelFacts:
    listing = folder.list_folder(reference.path, cancel)
    where = str(reference)
    refuse_odd_paths((file.path for file in listing.files), where)
    paths = frozenset(file.path for file in listing.files)

    def fetch(path: str, limit: int) -> bytes:
        refuse_lfs_pointers([path], listing.lfs_pointers, reference)
        return folder.read_small(reference.path, path, limit=limit)

    config = parse_object(fetch(layout.CONFIG, CONFIG_BYTES), layout.CONFIG, where) if layout.CONFIG in paths else {}
    index = layout.wanted_index(paths)
    indexes = (_read_index(index, fetch(index, INDEX_BYTES), where),) if index else ()
    stored = _stored_in(reference, listing, paths, indexes)
    kind = architecture(config)
    return ModelFacts(
        reference=reference,
        revision=None,
        files=listing.files,
        config=config,
        task=task_of(kind),
        library=layout.library_of(paths),
        architecture=kind,
        parameters=stored.total if stored else None,
        dtype=_dtype(stored, config),
        license=_SAMPLE_LICENSE if isinstance(reference, SampleReference) else None,
        chat_template=_has_chat_template(reference, paths, fetch),
        indexes=indexes,
        lfs_pointers=listing.lfs_pointers,
        warnings=(*listing.warnings, *cautions_about(paths, config)),
    )


def _stored_in(
    reference: FolderReference | SampleReference,
    listing: folder.FolderListing,
    paths: frozenset[str],
    indexes: tuple[ShardIndex, ...],
) -> StoredParameters | None:
    """Return what the headers of the safetensors files say; of those shards that are there, if some are missing."""
    files = layout.available_format(paths)
    if files is None or files.format != "safetensors":
        return None
    if files.single in paths:
        wanted = [files.single]
    else:
        shards = indexes[0].shards if indexes else layout.shards_of(files, paths)
        wanted = [shard for shard in shards if shard in paths]
    refuse_lfs_pointers(wanted, listing.lfs_pointers, reference)
    return read_parameters([reference.path / path for path in wanted])


def _dtype(stored: StoredParameters | None, config: Any) -> str | None:
    return stored.dtype if stored and stored.dtype else stated_dtype(config)


def _read_index(path: str, body: bytes, where: str) -> ShardIndex:
    weight_map = parse_object(body, path, where).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise SagewizardError(f"{path} of {where} has no weight map.", fix="Fetch the model's files again.")
    return ShardIndex(path, tuple(sorted(set(weight_map.values()))))


def _has_chat_template(
    reference: FolderReference | SampleReference, paths: frozenset[str], fetch: Callable[[str, int], bytes]
) -> bool:
    if layout.CHAT_TEMPLATE in paths:
        return True
    if layout.TOKENIZER_CONFIG not in paths:
        return False
    body = fetch(layout.TOKENIZER_CONFIG, CONFIG_BYTES)
    return bool(parse_object(body, layout.TOKENIZER_CONFIG, str(reference)).get("chat_template"))

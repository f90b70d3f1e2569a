"""Which model an adapter is for, by what its config says (PEFT's `base_model_name_or_path` and `revision`)."""

from pathlib import Path

from core.errors import SagewizardError
from core.models.reference import FolderReference, HubReference, ModelReference, parse_reference


def base_reference(named: object, revision: object, adapter: ModelReference) -> HubReference | FolderReference | None:
    """Return the model that `adapter` names as its base: one on the Hub, or for an adapter in a folder another folder.

    `None` for what is neither, such as a path on the machine of whoever trained it. Whoever put an adapter on the Hub
    or into S3 has no say in which folders of this machine are read.
    """
    if not isinstance(named, str):
        return None
    if isinstance(adapter, FolderReference) and named.startswith(("/", ".")):
        return _folder(named, adapter)
    try:
        found = parse_reference(named)
        if isinstance(found, HubReference) and isinstance(revision, str) and revision:
            found = parse_reference(f"{found.repository}@{revision}")
    except SagewizardError:
        return None
    return found if isinstance(found, HubReference) else None


def _folder(named: str, adapter: FolderReference) -> FolderReference | None:
    """Return the folder at a path, taken as PEFT does from where the program runs, else from the adapter's folder."""
    for place in (Path(named).absolute(), adapter.path / named):
        try:
            found = parse_reference(str(place)) if place.is_dir() else None
        except (OSError, ValueError, SagewizardError):  # too long, with a null character, not in UTF-8
            return None
        if isinstance(found, FolderReference):
            return found
    return None

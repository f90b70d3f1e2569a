"""The local cache of `huggingface_hub`: files of the Hub that are on this machine already.

    models--org--name/snapshots/<commit>/<path>  → a symlink into  models--org--name/blobs/
https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

import os
from pathlib import Path

from core.models.facts import ModelFile


def cache_root() -> Path:
    """Return the cache's folder, by the environment as it is now; it need not exist.

    As `huggingface_hub.constants` has it, which reads the environment when it is imported.

    Raises:
        RuntimeError: it is below a home that cannot be told.
    """
    if root := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return _expanded(root)
    if home := os.environ.get("HF_HOME"):
        return _expanded(home) / "hub"
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def cached_file(repository: str, revision: str, file: ModelFile) -> Path | None:
    """Return where a file of a repository at a commit lies in the cache; `None` when it does not, or not as listed.

    Nor does it when its digest is not known, when it may not be read, or when it lies outside the cache in truth.
    """
    if not (file.sha256 or file.git_sha1):
        return None
    try:
        root = cache_root()
        place = root / f"models--{repository.replace('/', '--')}" / "snapshots" / revision / file.path
        found = place.resolve(strict=True)
        inside = found.is_relative_to(root.resolve()) and found.is_file()
        return found if inside and found.stat().st_size == file.bytes and os.access(found, os.R_OK) else None
    except (OSError, ValueError, RuntimeError):
        return None


def _expanded(path: str) -> Path:
    return Path(os.path.expandvars(path)).expanduser()

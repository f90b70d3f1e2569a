"""The local cache of `huggingface_hub`: files of the Hub that are on this machine already.

    models--org--name/snapshots/<commit>/<path>  → a symlink into  models--org--name/blobs/
https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

import os
from pathlib import Path

from core.models.facts import ModelFile


def cache_root() -> Path:
    """Return the cache's folder, by the environment as it is now; it need not exist."""
    if root := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(root).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "huggingface" / "hub"


def cached_file(repository: str, revision: str, file: ModelFile) -> Path | None:
    """Return where a file of a repository at a commit lies in the cache; `None` when it does not, or not as listed.

    What leads out of the repository's folder is none of the cache's.
    """
    folder = cache_root() / f"models--{repository.replace('/', '--')}"
    try:
        found = (folder / "snapshots" / revision / file.path).resolve(strict=True)
        inside = found.is_relative_to(folder.resolve())
        return found if inside and found.is_file() and found.stat().st_size == file.bytes else None
    except (OSError, ValueError, RuntimeError):
        return None

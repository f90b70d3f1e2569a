"""Model cards: what the people who made a model wrote about it in its README.md."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.cancellation import CancelToken
from core.errors import AccessError, SagewizardError
from core.models.card_text import readable_card
from core.models.hub import HubClient
from core.models.hub_failures import MissingFileError
from core.models.reference import FolderReference, HubReference, ModelReference, SampleReference

__all__ = ["ModelCard", "fetch_card", "readable_card"]

_CARD: Final = "README.md"
_CARD_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A card as it was written, front matter and all; empty when there is none. Not safe to show: see `readable`."""

    text: str

    @property
    def readable(self) -> str:
        """The card as Markdown that is safe to show."""
        return readable_card(self.text)


def fetch_card(reference: ModelReference, revision: str | None, hub: HubClient, cancel: CancelToken) -> ModelCard:
    """Return the card of a model at a commit (`revision`; `None`: the reference's own). One request for a Hub model.

    Of a card in a folder, the first mebibyte is read.

    Raises:
        NotFoundError: there is no such model or revision on the Hub.
        AccessError: the model is gated or disabled; the file of a folder may not be read.
        UnreachableError: the Hub did not answer.
        SagewizardError: the card on the Hub is larger than a mebibyte, or the file of a folder cannot be read.
        CancelledByUser: stopping was asked for.
    """
    if isinstance(reference, HubReference):
        at = revision or reference.revision or "main"
        try:
            body = hub.file(reference.repository, at, _CARD, limit=_CARD_BYTES, cancel=cancel)
        except MissingFileError:
            body = b""
    elif isinstance(reference, FolderReference | SampleReference):
        body = _from_folder(reference.path / _CARD)
    else:  # nothing is known of the cards of models elsewhere
        body = b""
    return ModelCard(body.decode("utf-8-sig", errors="replace"))


def _from_folder(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe in its place would block when opened
            return b""
        with path.open("rb") as file:
            return file.read(_CARD_BYTES)
    except PermissionError as error:
        raise AccessError(f"{path} may not be read.", fix="Check its permissions.") from error
    except OSError as error:
        raise SagewizardError(f"{path} cannot be read: {error.strerror}.", fix="Check the disk.") from error

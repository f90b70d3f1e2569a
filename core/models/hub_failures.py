"""What goes wrong with the Hub, in the program's own words.

`huggingface_hub` raises its own errors, those of its HTTP library (whose name differs between releases, so they are
known here by the names of their classes), and plain `OSError`s.
"""

from typing import Any, Final

from core.errors import AccessError, NotFoundError, SagewizardError, UnreachableError
from core.external_text import clean_line

_TOKENS: Final = "https://huggingface.co/settings/tokens"
_DISABLED: Final = "Access to this resource is disabled."


class MissingFileError(NotFoundError):
    """A repository has no such file."""


def kinds(error: BaseException) -> frozenset[str]:
    """Return the names of an error's class and of all its base classes."""
    return frozenset(cls.__name__ for cls in type(error).__mro__)


def is_timeout(error: BaseException) -> bool:
    """Whether the Hub took too long."""
    return "TimeoutException" in kinds(error) or isinstance(error, TimeoutError)


def is_network(error: BaseException) -> bool:
    """Whether the connection failed or broke: refused, reset, cut short, no such host."""
    return bool(
        {"NetworkError", "ProtocolError", "DecodingError"} & kinds(error)
    ) and "LocalProtocolError" not in kinds(error)


def from_network(error: BaseException, endpoint: str, *, timeout: float) -> SagewizardError:
    """Return the program's own error for a request that got no (whole) answer; `timeout` is in seconds."""
    fix = "Check the network (and HF_ENDPOINT, if it is set), then try again."
    if "OfflineModeIsEnabled" in kinds(error):
        return UnreachableError(
            "The Hub is switched off by HF_HUB_OFFLINE.", fix="Unset HF_HUB_OFFLINE, or give a local folder."
        )
    if is_timeout(error):
        return UnreachableError(f"{endpoint} did not answer within {timeout:g} seconds.", fix=fix)
    said = clean_line(str(error)).rstrip(".") or type(error).__name__
    if is_network(error):
        return UnreachableError(f"{endpoint} cannot be reached: {said}.", fix=fix)
    return UnreachableError(f"{endpoint} could not be asked: {said}.", fix=fix)


def from_answer(
    error: BaseException, repository: str, revision: str | None, page: str, *, token: bool
) -> SagewizardError:
    """Return the program's own error for an HTTP error that the Hub answered with.

    `page` is the repository's address for people; `token` says whether a token was sent.
    """
    names, response = kinds(error), getattr(error, "response", None)
    status = int(getattr(response, "status_code", 0) or 0)
    said = clean_line(str(getattr(error, "server_message", None) or ""))
    if "GatedRepoError" in names:
        return AccessError(
            f"{repository} is gated, and access has not been granted"
            f"{' to this token' if token else ' (no Hub token is set)'}.",
            fix=f"Ask for access at {page}" + ("." if token else f", then set HF_TOKEN to a token from {_TOKENS}."),
        )
    if "DisabledRepoError" in names or said == _DISABLED:
        return AccessError(f"{repository} has been disabled on the Hub.", fix=f"See {page}, or choose another model.")
    if "RevisionNotFoundError" in names:
        return NotFoundError(
            f"{repository} has no revision “{revision or 'main'}”.",
            fix=f"Its branches and tags are at {page}/tree/main.",
        )
    if "EntryNotFoundError" in names:
        return MissingFileError(f"A file of {repository} is not on the Hub any more.", fix="Look at the model again.")
    if status == 401 and token and "RepositoryNotFoundError" not in names:
        return AccessError(
            "The Hub does not accept the token.", fix=f"Set HF_TOKEN to a valid one from {_TOKENS}, or unset it."
        )
    if "RepositoryNotFoundError" in names or status in {401, 404}:
        fix = "Check the spelling."
        fix += (
            " If it is private, the token must be one that may read it."
            if token
            else " If it is private, set HF_TOKEN to a token that may read it."
        )
        return NotFoundError(f"There is no model “{repository}” on the Hub, or it is private.", fix=fix)
    if status == 403:
        return AccessError(f"The Hub denied access to {repository}{_quoted(said)}.", fix=f"See {page}.")
    if status == 429:
        return busy(None)
    if status >= 500:
        return _in_trouble(status)
    return SagewizardError(
        f"The Hub refused the request for {repository} with HTTP status {status}{_quoted(said)}.",
        fix="Check the model's name and revision.",
    )


def from_listing_answer(error: BaseException, *, token: bool) -> SagewizardError:
    """Return the program's own error for an HTTP error that a question about models at large was answered with.

    `token` says whether a token was sent.
    """
    status = int(getattr(getattr(error, "response", None), "status_code", 0) or 0)
    said = clean_line(str(getattr(error, "server_message", None) or ""))
    if status in {401, 403}:
        if token:
            return AccessError(
                f"The Hub does not accept the token{_quoted(said)}.",
                fix=f"Set HF_TOKEN to a valid one from {_TOKENS}, or unset it.",
            )
        return AccessError(
            f"The Hub asks who is asking{_quoted(said)}.", fix=f"Set HF_TOKEN to a token from {_TOKENS}."
        )
    if status == 429:
        return busy(None)
    if status >= 500:
        return _in_trouble(status)
    return SagewizardError(
        f"The Hub refused to look for models, with HTTP status {status}{_quoted(said)}.",
        fix="Look for something else; check HF_ENDPOINT if it is set.",
    )


def busy(seconds: float | None) -> SagewizardError:
    """Return the error for a Hub that counts too many requests; `seconds` is how long it asks to wait, if it says."""
    wait = f" and asks to wait {seconds:.0f} seconds" if seconds is not None else ""
    return UnreachableError(
        f"The Hub has had too many requests from here{wait}.",
        fix="Try again later; with a token (HF_TOKEN) more requests are allowed.",
    )


def nonsense(what: str, why: str) -> SagewizardError:
    """Return the error for an answer that cannot be understood."""
    return SagewizardError(
        f"The Hub's answer about {what} makes no sense: {why}.", fix="Try again; check HF_ENDPOINT if it is set."
    )


def retry_after(headers: Any) -> float | None:
    """Return how many seconds an answer asks to wait, `None` when it does not say.

    The headers are `Retry-After` in seconds (RFC 9110 10.2.3; its date form is not used by the Hub), and the Hub's
    `ratelimit: "api";r=0;t=55` (IETF draft-ietf-httpapi-ratelimit-headers), where `t` counts seconds to the reset.
    """
    text = str(headers.get("retry-after") or "").strip()
    if text.isdigit():
        return float(text)
    for part in str(headers.get("ratelimit") or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == "t" and value.isdigit():
            return float(value)
    return None


def _in_trouble(status: int) -> SagewizardError:
    return UnreachableError(
        f"The Hub has trouble: it answered with HTTP status {status}.", fix="Try again in a few minutes."
    )


def _quoted(said: str) -> str:
    return f" (“{said[:200]}”)" if said else ""

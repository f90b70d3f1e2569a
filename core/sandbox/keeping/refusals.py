"""Requests that S3 refuses: the code, the words and the HTTP status that it answers with.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""


class RefusedRequestError(Exception):
    """A request is refused with this error."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def no_such_upload() -> RefusedRequestError:
    """Return the refusal of a request about an upload that is not there."""
    return RefusedRequestError(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed.",
        status=404,
    )


def invalid_part() -> RefusedRequestError:
    """Return the refusal to put an object together of parts that are not those that were sent."""
    return RefusedRequestError(
        "InvalidPart",
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag.",
    )


def incomplete_body() -> RefusedRequestError:
    """Return the refusal of a body that ended too early."""
    return RefusedRequestError(
        "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"
    )


def invalid_request(message: str) -> RefusedRequestError:
    """Return the refusal of a request that contradicts itself or what was asked for before."""
    return RefusedRequestError("InvalidRequest", message)


def invalid_argument(message: str) -> RefusedRequestError:
    """Return the refusal of a value."""
    return RefusedRequestError("InvalidArgument", message)


def bad_digest(what: str) -> RefusedRequestError:
    """Return the refusal of content that is not what the request says of it; `what` names the checksum."""
    return RefusedRequestError("BadDigest", f"The {what} you specified did not match what we received.")

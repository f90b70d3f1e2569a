"""Tags of models, endpoint configs and endpoints, under the rules AWS has for them."""

from collections.abc import Iterable, Mapping

from core.sandbox.hosting.errors import ApiError, invalid

_MOST = 50


def read_tags(listed: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return `[{"Key": …, "Value": …}]` as a mapping.

    Raises:
        ApiError: a key appears twice, or begins with `aws:`.
    """
    tags: dict[str, str] = {}
    for tag in listed:
        if tag["Key"] in tags:
            raise invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        if tag["Key"].lower().startswith("aws:"):
            raise invalid("Tag keys that start with aws: are reserved for AWS use. Please remove them.")
        tags[tag["Key"]] = tag["Value"]
    return tags


def as_list(tags: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Return a mapping as AWS lists tags."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def merged(present: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a thing after AddTags.

    Raises:
        ApiError: there would be more than 50.
    """
    together = {**present, **added}
    if len(together) > _MOST:
        raise ApiError("ResourceLimitExceeded", f"A resource can have at most {_MOST} tags.")
    return together

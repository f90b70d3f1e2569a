"""Which form an artifact has in S3, and why: an archive, or the tree as it is."""

from core.artifacts.manifest import ArtifactForm
from core.errors import UsageError
from core.instances.engine_rules import LARGEST_ARCHIVE, EngineRules
from core.quantities import format_bytes


def choose_form(
    engine: EngineRules, packaged_bytes: int, wanted: ArtifactForm | None, reasons: dict[str, str]
) -> ArtifactForm:
    """Return the form of an artifact of `packaged_bytes` for an engine; why goes into `reasons`.

    Raises:
        UsageError: an archive is wanted for an engine that takes none.
    """
    if wanted == "archive" and not engine.archive:
        raise UsageError(
            f"{engine.title} loads the model from the tree as it is, not from an archive.", fix="Leave --form out."
        )
    form: ArtifactForm = wanted or ("archive" if engine.packs(packaged_bytes) else "prefix")
    if wanted:
        reasons["artifact.form"] = "as chosen"
    elif form == "archive":
        reasons["artifact.form"] = f"one model.tar.gz, as models up to {format_bytes(LARGEST_ARCHIVE)} are deployed"
    elif engine.archive:
        reasons["artifact.form"] = (
            f"above {format_bytes(LARGEST_ARCHIVE)} the files are stored as they are: instances start sooner when they "
            "need not unpack them"
        )
    else:
        reasons["artifact.form"] = "the engine loads from the files as they are"
    return form

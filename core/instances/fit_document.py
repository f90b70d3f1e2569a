"""The fit table as one JSON document: what `sagewizard fit --json` prints, and scripts rely on."""

from typing import Any

from core.instances.fit import Budget, FitRow, FitTable
from core.models.facts import ModelFacts, WeightSet
from core.models.memory import kv_bytes_per_token, max_context


def fit_document(facts: ModelFacts, weights: WeightSet, table: FitTable) -> dict[str, Any]:
    """Return the document; keys may be added to it, never changed. Sizes are bytes."""
    return {
        "model": {
            "reference": str(facts.reference),
            "revision": facts.revision,
            "task": facts.task,
            "library": facts.library,
            "architecture": facts.architecture,
            "parameters": facts.parameters,
            "dtype": facts.dtype,
            "license": facts.license,
            "weight_format": weights.format,
            "weight_bytes": weights.weight_bytes,
            "packaged_bytes": weights.packaged_bytes,
            "shards": weights.shards,
            "repository_bytes": facts.repository_bytes,
            "kv_bytes_per_token": kv_bytes_per_token(facts.config, facts.dtype),
            "max_context": max_context(facts.config),
            "warnings": list(facts.warnings),
        },
        "context": table.context,
        "concurrency": table.concurrency,
        "instances": [_row(row) for row in table.rows],
        "recommended": table.recommended,
        "smallest_change": table.smallest_change,
    }


def _row(row: FitRow) -> dict[str, Any]:
    """Return one type; `quota` is the account's limit, `null` where it was not asked for."""
    fit = row.fit
    return {
        "type": fit.instance.name,
        "fits": row.limited_by is None,
        "engine": fit.engine,
        "tensor_parallel": fit.tensor_parallel,
        "max_context": fit.max_context,
        "gpu": _budget(fit.gpu) if fit.gpu else None,
        "host": _budget(fit.host),
        "disk": _budget(fit.disk),
        "price_usd_per_hour": row.price.usd_per_hour,
        "price_source": row.price.source,
        "quota": row.quota.limit if row.quota else None,
        "quota_used": row.quota.used if row.quota else None,
        "limited_by": row.limited_by,
    }


def _budget(budget: Budget) -> dict[str, int]:
    return {"required_bytes": budget.required_bytes, "usable_bytes": budget.usable_bytes}

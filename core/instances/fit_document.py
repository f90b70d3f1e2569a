"""The fit table as one JSON document: what `sagewizard fit --json` prints, and scripts rely on."""

from collections.abc import Collection
from typing import Any

from core.instances.breakdown import OpenedBudget, break_down
from core.instances.fit import Budget, Fit, FitRow, FitTable
from core.models.facts import ModelFacts, WeightSet
from core.models.kv_cache import KvCache
from core.models.memory import cache_bytes, cache_of, context_limit, kv_bytes_per_token, loaded_dtype


def fit_document(
    facts: ModelFacts, weights: WeightSet, table: FitTable, *, explained: Collection[str] = ()
) -> dict[str, Any]:
    """Return the document; keys may be added to it, never changed. Sizes are bytes.

    The types named in `explained` carry the terms of their budgets, each with its formula.
    """
    return {
        "model": _model(facts, weights),
        "context": table.context,
        "concurrency": table.concurrency,
        "instances": [
            _row(row) | (_terms(facts, weights, row.fit, table) if row.fit.instance.name in explained else {})
            for row in table.rows
        ],
        "recommended": table.recommended,
        "smallest_change": table.smallest_change,
    }


def _model(facts: ModelFacts, weights: WeightSet) -> dict[str, Any]:
    network, cache, popularity = facts.network, cache_of(facts), facts.popularity
    stored = loaded_dtype(facts, weights)
    return {
        "reference": str(facts.reference),
        "revision": facts.revision,
        "task": facts.task,
        "library": facts.library,
        "architecture": network.architecture,
        "parameters": network.parameters,
        "parameters_confidence": network.parameters_confidence if network.parameters else None,
        "dtype": stored,
        "dtypes": dict(network.dtypes) if stored == network.dtype else {},
        "quantization": network.quantization.label if network.quantization else None,
        "license": facts.license,
        "base_model": str(facts.base.reference) if facts.base else None,
        "weight_format": weights.format,
        "variant": weights.variant,
        "variants": list(weights.variants),
        "weight_bytes": weights.weight_bytes,
        "packaged_bytes": weights.packaged_bytes,
        "left_out_bytes": sum(left.file.bytes for left in weights.left_out),
        "files": [{"path": file.path, "bytes": file.bytes} for file in weights.files],
        "left_out": [
            {"path": left.file.path, "bytes": left.file.bytes, "reason": left.reason} for left in weights.left_out
        ],
        "shards": weights.shards,
        "repository_bytes": facts.repository_bytes,
        "kv_bytes_per_token": kv_bytes_per_token(facts),
        "kv_confidence": cache.confidence if cache else None,
        "cache": _cache(cache, cache_bytes(facts)) if cache else None,
        "max_context": context_limit(facts),
        "chat_template": facts.chat_template,
        "remote_code": facts.remote_code is not None,
        "gated": facts.gated,
        "private": facts.private,
        "scan": facts.scan,
        "base_models": list(facts.base_models),
        "downloads": popularity.downloads,
        "likes": popularity.likes,
        "last_modified": popularity.last_modified.isoformat() if popularity.last_modified else None,
        "warnings": list(facts.warnings),
    }


def _cache(cache: KvCache, each: int) -> list[dict[str, Any]]:
    """Return what is kept of a sequence, by the kind of layer."""
    return [
        {
            "kind": part.kind,
            "layers": part.layers,
            "bytes_per_token": part.values_per_token * each,
            "window": part.window,
            "fixed_bytes": part.fixed_values * each,
            "formula": part.formula,
        }
        for part in cache.parts
    ]


def _row(row: FitRow) -> dict[str, Any]:
    """Return one type; `quota` is the account's limit, `null` where it was not asked for."""
    fit = row.fit
    return {
        "type": fit.instance.name,
        "fits": row.limited_by is None,
        "engine": fit.engine,
        "tensor_parallel": fit.tensor_parallel,
        "pipeline_parallel": fit.pipeline_parallel,
        "max_context": fit.max_context,
        "gpu": _budget(fit.gpu) if fit.gpu else None,
        "host": _budget(fit.host),
        "disk": _budget(fit.disk),
        "volume_gb": fit.volume_gb,
        "price_usd_per_hour": row.price.usd_per_hour,
        "price_source": row.price.source,
        "quota": row.quota.limit if row.quota else None,
        "quota_used": row.quota.used if row.quota else None,
        "limited_by": row.limited_by,
        "slow": fit.slow,
        "reason": fit.reason,
    }


def _budget(budget: Budget) -> dict[str, int]:
    return {"required_bytes": budget.required_bytes, "usable_bytes": budget.usable_bytes}


def _terms(facts: ModelFacts, weights: WeightSet, fit: Fit, table: FitTable) -> dict[str, Any]:
    opened = break_down(facts, weights, fit, context=table.context, concurrency=table.concurrency)
    named = {"gpu": opened.gpu, "host": opened.host, "disk": opened.disk}
    return {"terms": {name: _account(account) for name, account in named.items() if account}}


def _account(account: OpenedBudget) -> list[dict[str, Any]]:
    return [
        {"what": figure.what, "bytes": figure.bytes, "formula": figure.formula, "confidence": figure.confidence}
        for figure in (*account.required, account.usable)
    ]

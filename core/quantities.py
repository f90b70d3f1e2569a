"""Numbers as people read them: bytes, money, time, counts."""

_STEPS = ("B", "kB", "MB", "GB", "TB", "PB")
HOURS_PER_MONTH = 730.0
"""Hours in an average month (8,760 / 12): what AWS's own price examples use."""


def format_bytes(count: float) -> str:
    """Return `count` bytes in decimal units, as storage and the Hub state them: `1.34 GB`, `502 MB`, `7 B`."""
    value, step = float(count), 0
    while abs(value) >= 999.5 and step < len(_STEPS) - 1:
        value, step = value / 1000, step + 1
    if step == 0:
        return f"{value:.0f} B"
    return f"{value:.3g} {_STEPS[step]}"


def format_memory(count: float) -> str:
    """Return `count` bytes of memory in GiB, as instance types state theirs: `22.4 GiB`; what is small in MiB."""
    if count < 0.0995 * 2**30:
        return f"{count / 2**20:.3g} MiB"
    return f"{count / 2**30:.3g} GiB" if count < 999.5 * 2**30 else f"{count / 2**30:,.0f} GiB"


def format_count(count: int) -> str:
    """Return a number of parameters or downloads: `125M`, `20.6B`, `1.2k`."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if count >= size * 0.9995:
            return f"{count / size:.3g}{letter}"
    return str(count)


def format_duration(seconds: float) -> str:
    """Return `seconds` as a clock would: `0:07`, `12:30`, `1:02:03`."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def format_hourly(usd_per_hour: float | None) -> str:
    """Return a price in USD per hour: `$0.115/h`, `$7.09/h`, or `unknown` for `None`."""
    if usd_per_hour is None:
        return "unknown"
    text = f"{usd_per_hour:.3f}"
    return f"${text[:-1] if text.endswith('0') else text}/h"


def format_monthly(usd_per_hour: float | None) -> str:
    """Return what an instance costs when it runs a whole month, in whole USD: `$84/month`."""
    return "unknown" if usd_per_hour is None else f"${usd_per_hour * HOURS_PER_MONTH:,.0f}/month"

"""How long the fit table takes once a model's facts are known: run by `python -m tests.benchmarks.fit_table`.

For each listing the table of all instance types is made many times, in turns with the others so that what else the
machine does falls on all alike. Printed are the median and the slowest in milliseconds, and the median's ratio to the
30 ms that a table may take and to the fastest model's.
"""

from statistics import median
from time import perf_counter

from core.cancellation import CancelToken
from core.instances.offers import Offers
from core.instances.survey import survey
from core.models.facts import ModelFacts, WeightSet
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import HubReference
from core.models.weight_set import select_weight_set
from tests.listings import load_listing, put
from tests.stand_in_hub import StandInHub

STEMS = ("gpt_neo_125m", "gpt_neox_20b", "llama_3_1_405b_instruct", "gemma_3_27b_it", "deepseek_v3", "sdxl_base")
BUDGET_MS = 30.0
ROUNDS = 40


def main() -> None:
    """Print the table of figures."""
    looked = {}
    with StandInHub() as hub:
        client = HubClient(hub.url, hub.token)
        for stem in STEMS:
            put(hub, load_listing(stem))
            facts = inspect_model(HubReference(load_listing(stem).name), client, CancelToken())
            looked[stem] = facts, select_weight_set(facts)
    taken = measure(looked, Offers())
    fastest = min(median(times) for times in taken.values())
    print(f"{'model':<26}{'median ms':>10}{'slowest':>9}{'of 30 ms':>10}{'of the fastest':>16}")
    for stem, times in taken.items():
        middle = median(times)
        print(f"{stem:<26}{middle:>10.2f}{max(times):>9.2f}{middle / BUDGET_MS:>10.0%}{middle / fastest:>16.2f}")


def measure(looked: dict[str, tuple[ModelFacts, WeightSet]], offers: Offers) -> dict[str, list[float]]:
    """Return the milliseconds that each table took, round by round."""
    taken: dict[str, list[float]] = {stem: [] for stem in looked}
    for _ in range(ROUNDS):
        for stem, (facts, weights) in looked.items():
            begun = perf_counter()
            table = survey(facts, weights, offers)
            taken[stem].append((perf_counter() - begun) * 1000)
            if len(table.rows) < 200:
                raise SystemExit(f"{stem}: the table has {len(table.rows)} rows, so it is not one of all types")
    return taken


if __name__ == "__main__":
    main()

"""The values of an endpoint, under labels that have room."""

from core.endpoints.details import VariantDetails
from tests.tui.driving import Stage, until, until_shown
from tests.unit.few_details import few_details
from tui.screens.endpoint import EndpointScreen


async def test_the_name_of_a_variant_is_whole() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = EndpointScreen(app.workspace, "tiny")
        await app.push_screen(screen)
        await until_shown(pilot, "The account is not open yet")
        variant = VariantDetails("AllTraffic", "tiny", "ml.m5.large", 1, 2, False, 0.115)
        screen._found(few_details(variants=(variant,)))
        await until_shown(pilot, "AllTraffic: 1 of 2 × ml.m5.large")
        await until(pilot, lambda: ("Variant", "AllTraffic: 1 of 2 × ml.m5.large") in screen._values, "its label")

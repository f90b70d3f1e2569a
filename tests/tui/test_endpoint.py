"""The values of an endpoint, under labels that have room."""

from core.endpoints.details import EndpointDetails, VariantDetails
from tests.tui.driving import Stage, until, until_shown
from tests.tui.samples import BEGUN
from tui.screens.endpoint import EndpointScreen


def _details() -> EndpointDetails:
    return EndpointDetails(
        name="tiny",
        arn="arn",
        status="InService",
        failure_reason=None,
        created=BEGUN,
        modified=BEGUN,
        config_name=None,
        variants=(VariantDetails("AllTraffic", "tiny", "ml.m5.large", 1, 2, False, 0.115),),
        models=(),
        image=None,
        engine=None,
        environment={},
        model_data_uri=None,
        role_arn=None,
        tags={},
        price_usd_per_hour=None,
        cost_usd_estimate=None,
        metrics=None,
        log_group="",
        console_url="",
    )


async def test_the_name_of_a_variant_is_whole() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = EndpointScreen(app.workspace, "tiny")
        await app.push_screen(screen)
        await until_shown(pilot, "The account is not open yet")
        screen._found(_details())
        await until_shown(pilot, "AllTraffic: 1 of 2 × ml.m5.large")
        await until(pilot, lambda: ("Variant", "AllTraffic: 1 of 2 × ml.m5.large") in screen._values, "its label")

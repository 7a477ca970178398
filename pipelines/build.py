"""Puts the definitions together out of settings, and readies its process for runs. Tests and demo give other resources here."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from pipelines.assets.roster import school_assets
from pipelines.assets.supplier import supplier_assets
from pipelines.collector import search_rarely
from pipelines.jobs import JOBS, asset_jobs
from pipelines.pupil_jobs import pupil_jobs
from pipelines.resources import InstanceResource
from pipelines.schedules import cleaning, nightly, reading_back
from pipelines.sensors import approval_sensor, broken_off_sensor, erased_sensor, erasure_sensor, inbox_sensor
from pipelines.settings import Settings, home_folder, load_settings
from pipelines.vault_io import VaultIOManager


def build_defs(settings: Settings | None = None, *, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Everything that Dagster shows and runs for one instance.

    Args:
        settings: of the instance; read from its folder (`DOORGEEFLUIK_HOME`, else `./instance`) where not given.
        resources: take the place of the usual ones of the same name (`instance`, `io_manager`).

    Raises:
        SettingsError: the settings are wrong.
    """
    search_rarely()
    settings = settings or load_settings(home_folder(None))
    schools = dg.StaticPartitionsDefinition(list(settings.school_keys))
    assets = school_assets(schools)
    for supplier in settings.suppliers:
        assets += supplier_assets(settings.profiles[supplier], schools)
    instance = InstanceResource(home=str(settings.home))
    return dg.Definitions(
        assets=assets,
        jobs=[
            *asset_jobs(settings.suppliers),
            *JOBS,
            *pupil_jobs(schools),
        ],
        schedules=[nightly(settings), cleaning, reading_back],
        sensors=[
            inbox_sensor(settings),
            approval_sensor(settings),
            erasure_sensor(settings),
            erased_sensor(settings),
            broken_off_sensor,
        ],
        resources={"instance": instance, "io_manager": VaultIOManager(instance=instance), **(resources or {})},
        executor=dg.in_process_executor,
    )

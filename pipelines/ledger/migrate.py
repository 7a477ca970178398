"""Bringing a ledger's database to the newest shape. Each step of the way is a file in `migrations/versions`."""

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.engine import Engine

_LOCK = 6_010_726  # any number that other programs in the same database do not use


def upgrade(engine: Engine, shape: str = "head") -> None:
    """Bring the database to the newest shape, or to an earlier one, whole or not at all; one that is there already is left alone."""
    settings = Config()
    settings.set_main_option("script_location", "pipelines.ledger:migrations")
    settings.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
        settings.attributes["connection"] = connection
        command.upgrade(settings, shape)

"""What Alembic runs for each migration: always in the connection and transaction that `migrate.upgrade` opened."""

from alembic import context

from pipelines.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # true of SQLite too, since the engine begins its transactions itself
)
context.run_migrations()

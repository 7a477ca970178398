"""Dagster, the ledger, the vault and the commands: where everything is put together."""

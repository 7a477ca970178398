"""The outside world: sources, suppliers, and stand-ins for both. No Dagster here."""

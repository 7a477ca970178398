"""The heart: fingerprints, change plan, guard, delivery. Plain functions on frames and a ledger; no Dagster."""

"""Dagster assets, by what they are about: the roster of a school, the deliveries to a supplier, and their checks."""

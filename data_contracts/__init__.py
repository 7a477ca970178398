"""What a record is: the field catalogue, the contracts and their findings. Pure: no I/O, no Dagster."""

"""What each command does; which options it takes is in `pipelines.cli`."""

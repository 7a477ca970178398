"""The pages for others than the ICT coordinator: parents, the privacy officer, the board. Out of settings and ledger, and nothing else."""

from datetime import date
from pathlib import Path

from pipelines.instance import Instance
from pipelines.pages.board import write_board
from pipelines.pages.parents import write_parents
from pipelines.pages.register import write_register


def write_pages(instance: Instance, today: date) -> list[Path]:
    """Write every page as it stands now, below the folder of reports; gives the files."""
    parents = [file for school in instance.settings.school_keys for file in write_parents(instance, school, today)]
    return [*parents, *write_register(instance, today), write_board(instance, today)]

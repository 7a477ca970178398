"""`publish`: the pages for parents, the register and the board, as files to look at and to hand on."""

from pathlib import Path

from data_contracts.dutch_time import today_in_the_netherlands
from pipelines.commands.telling import OK, out
from pipelines.instance import open_instance
from pipelines.pages import write_pages
from pipelines.settings import home_folder


def publish_pages(option: Path | None) -> int:
    """Write every page anew, and tell where it is; nothing is put on the internet."""
    instance = open_instance(home_folder(option))
    for file in write_pages(instance, today_in_the_netherlands()):
        out.print(str(file), markup=False, soft_wrap=True)
    return OK

"""Pages out of templates: each one stands alone, and whatever a person wrote in the settings is text in it."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from pipelines.files import write_whole


def write_page(file: Path, template: str, **values: Any) -> Path:
    """Write `template` with these values to `file`, in the place of what was there; gives the file."""
    pages = Environment(loader=PackageLoader("pipelines"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return write_file(file, pages.get_template(template).render(**values).encode())


def write_file(file: Path, content: bytes) -> Path:
    """Write what stands in it to `file`, whose folders are made where needed; gives the file."""
    for folder in reversed(file.parents[:3]):
        folder.mkdir(mode=0o700, exist_ok=True)
    write_whole(file, [content])
    return file

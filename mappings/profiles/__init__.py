"""The profiles that ship: one YAML file a supplier. Who reads them into models is `pipelines.settings`."""

from importlib.resources import files


def profile_texts() -> dict[str, str]:
    """The text of every profile, by file name (`basispoort.yaml`)."""
    found = [entry for entry in files(__name__).iterdir() if entry.name.endswith(".yaml")]
    return {entry.name: entry.read_text(encoding="utf-8") for entry in sorted(found, key=lambda entry: entry.name)}

"""The I/O manager of every asset: values stay in memory within a run, and lie encrypted in the vault between runs."""

import pickle  # the vault authenticates what it gives back: nobody else can have written it
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from pipelines.resources import InstanceResource
from pipelines.vault import NotInVaultError


class VaultIOManager(dg.ConfigurableIOManager):
    """De versleutelde tussenstanden in de kluis. Hier is niets in te stellen."""

    instance: dg.ResourceDependency[InstanceResource]
    _fresh: dict[str, Any] = PrivateAttr(default_factory=dict)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002  Dagster's signature
        """Begin each run with nothing in memory: another process may have written since."""
        self._fresh = {}

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Keep a value, for the next step and for a later run."""
        name = kept_as(*context.asset_key.path, school=context.asset_partition_key)
        self._fresh[name] = obj
        self.instance.opened.vault.put(name, pickle.dumps(obj, protocol=pickle.HIGHEST_PROTOCOL))

    def load_input(self, context: dg.InputContext) -> Any:
        """The value that this run made, else that of the last run that did."""
        upstream = context.upstream_output
        assert upstream is not None
        name = kept_as(*context.asset_key.path, school=context.asset_partition_key)
        if name in self._fresh:
            return self._fresh[name]
        try:
            return pickle.loads(self.instance.opened.vault.get(name))  # noqa: S301  authenticated, see above
        except NotInVaultError:
            raise dg.Failure(
                f"De gegevens van {context.asset_key.to_user_string()} zijn niet (meer) in de kluis. "
                "Draai eerst de stap die ze maakt.",
                allow_retries=False,
            ) from None


def kept_as(*asset: str, school: str) -> str:
    """The name in the vault of what an asset made for a school."""
    return "/".join(["assets", *asset, school])

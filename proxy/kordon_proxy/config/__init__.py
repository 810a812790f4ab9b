"""`kordon.yaml`: what it may say, how it is read, and what is told about a wrong one."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .findings import Finding, Refused, Severity, has_errors
    from .load import Loaded, inspect_config, load_config
    from .model import Cluster, Config, Limits, Listener, OwnLogin, UpstreamTls, UsersProvider

__all__ = [
    "Cluster",
    "Config",
    "Finding",
    "Limits",
    "Listener",
    "Loaded",
    "OwnLogin",
    "Refused",
    "Severity",
    "UpstreamTls",
    "UsersProvider",
    "has_errors",
    "inspect_config",
    "load_config",
]

_HOMES: Final = {
    "findings": {"Finding", "Refused", "Severity", "has_errors"},
    "load": {"Loaded", "inspect_config", "load_config"},
    "model": {"Cluster", "Config", "Limits", "Listener", "OwnLogin", "UpstreamTls", "UsersProvider"},
}


def __getattr__(name: str) -> Any:
    # Late, because the model takes in parts that others define (the audit's) with the values of this package.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

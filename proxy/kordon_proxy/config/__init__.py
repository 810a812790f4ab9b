"""`kordon.yaml`: what it may say, how it is read, and what is told about a wrong one."""

from .findings import Finding, Refused, Severity, has_errors
from .load import Loaded, inspect_config, load_config
from .model import (
    AdminApi,
    Cluster,
    Config,
    Limits,
    Listener,
    OwnLogin,
    SchemaRegistry,
    UpstreamTls,
    UsersProvider,
)

__all__ = [
    "AdminApi",
    "Cluster",
    "Config",
    "Finding",
    "Limits",
    "Listener",
    "Loaded",
    "OwnLogin",
    "Refused",
    "SchemaRegistry",
    "Severity",
    "UpstreamTls",
    "UsersProvider",
    "has_errors",
    "inspect_config",
    "load_config",
]

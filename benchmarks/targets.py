"""The ways to the cluster that are measured beside each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

DIRECT: Final = "direct"
DIRECT_SASL: Final = "direct-sasl"
BARE: Final = "bare"
BEFORE: Final = "before"
INTERPRETED: Final = "interpreted"
KORDON: Final = "kordon"
"""How the table calls those that a run starts: Kafka itself without and with a login, the bare relay, and the Kordons
of another checkout, of this one without its compiled modules, and of this one as it is."""
USER: Final = "bench"
PASSWORD: Final = "bench-secret"
"""With which every target that wants a login is logged in to, as the other meters do."""
_LAST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that speaks Kafka's protocol on the loopback address.

    pid: the process whose CPU time and memory count, with all its descendants; none: they are not looked at.
    sasl: it wants a login by SASL PLAIN.
    """

    name: str
    host: str
    port: int
    pid: int | None = None
    sasl: bool = False

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


def target_at(name: str, address: str, *, pid: int | None = None, sasl: bool = False) -> Target:
    host, _, port = address.rpartition(":")
    return Target(name=name, host=host, port=int(port), pid=pid, sasl=sasl)


def parse_target(text: str) -> Target:
    """Read `NAME=HOST:PORT[,pid=PID|,pid=@FILE][,sasl]`. Raises ValueError and OSError."""
    name, _, rest = text.partition("=")
    address, *options = rest.split(",")
    host, _, port = address.rpartition(":")
    if not (name and host and port.isdecimal()):
        raise ValueError(f"{text!r} is not of the form NAME=HOST:PORT[,pid=PID][,sasl]")
    if not 0 < int(port) <= _LAST_PORT:
        raise ValueError(f"{text!r}: {port} is no port")
    if not host.startswith("127."):
        raise ValueError(f"{host}: only targets of this machine are measured, by an address of 127.0.0.0/8")
    pid, sasl = None, False
    for option in options:
        key, _, value = option.partition("=")
        if option == "sasl":
            sasl = True
        elif key == "pid" and value:
            pid = _pid(value)
        else:
            raise ValueError(f"{text!r}: no such option as {option!r}; there are pid=PID, pid=@FILE and sasl")
    return Target(name=name, host=host, port=int(port), pid=pid, sasl=sasl)


def _pid(value: str) -> int:
    told = Path(value[1:]).read_text(encoding="utf-8").strip() if value.startswith("@") else value
    if not told.isdecimal():
        raise ValueError(f"pid={value}: {told!r} is no process id")
    return int(told)

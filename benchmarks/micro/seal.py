"""What it costs to chain one audit event, beside what it costs to write it as JSON, and to verify it later.

python -m benchmarks.micro.seal
"""

import pyperf

from kordon_proxy.audit.event import Event, EventType, Outcome, What, Who, Why, encode
from kordon_proxy.audit.line import seal
from kordon_proxy.audit.verification import Verifier

EVENTS = 1_000
EVENT = Event(
    id="dd405528976d4586b8d21a9fb58b0a61",
    type=EventType.DECISION,
    time=1_771_978_189_708,
    who=Who(principal="dana", roles=("devs",), peer="192.0.2.7:51234", listener="apps", tenant="Trading"),
    what=What(
        action="GROUP_EDIT",
        cluster="prod",
        api="OffsetCommit",
        api_version=9,
        resources=(("cluster", "prod", "group", "trade_b2"),),
        parameters={"group": "trade_b2", "offsets": {"tx_trade1-3": 5}},
    ),
    why=Why(effect="Deny", epoch=1, reason="no policy allows GROUP_EDIT on group trade_b2 to role devs"),
    outcome=Outcome(error_code=30, error_name="GROUP_AUTHORIZATION_FAILED", items_denied=1),
)
BODY = encode(EVENT, "urn:kordon:prod-1")
CHAIN = b"5" * 64


def journal() -> list[bytes]:
    lines: list[bytes] = []
    chain: bytes | None = None
    for number in range(1, EVENTS + 1):
        line, chain = seal(BODY, "3f0c9f6f2c7b4c1d", number, chain)
        lines.append(line[:-1])
    return lines


def verify(lines: list[bytes]) -> None:
    verifier = Verifier()
    verifier.begin_file("journal", "3f0c9f6f2c7b4c1d", 1)
    assert not any(found for line in lines for found in verifier.line(line))


def main() -> None:
    runner = pyperf.Runner()
    runner.bench_func("encode", encode, EVENT, "urn:kordon:prod-1")
    runner.bench_func("number and chain", seal, BODY, "3f0c9f6f2c7b4c1d", 42, CHAIN)
    runner.bench_func(f"verify {EVENTS} events", verify, journal())


if __name__ == "__main__":
    main()

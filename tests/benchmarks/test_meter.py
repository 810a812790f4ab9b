"""What another meter has found, beside what the suite has found."""

import json
from pathlib import Path
from typing import Any

from benchmarks.meter import meter_table
from tests.benchmarks.results import a_result


def row(target: str, measure: str, number: int, **told: Any) -> dict[str, Any]:
    return {"target": target, "measure": measure, "round": number, **told}


def test_each_figure_that_both_have_is_held_against_kafka_in_the_same_round(tmp_path: Path) -> None:
    rows = [
        row("kordon", "raw-fetch", 1, mb_per_s=800.0, proxy_cpu_s_per_gb=0.7),
        row("direct", "raw-fetch", 0, mb_per_s=1_000.0),
        row("kordon", "raw-fetch", 0, mb_per_s=600.0, proxy_cpu_s_per_gb=0.5),
        row("direct", "raw-fetch", 1, mb_per_s=2_000.0),
        row("direct", "rtt", 0, produce={"p50": 0.1}, metadata={"p50": 0.1}),
        row("kordon", "rtt", 0, produce={"p50": 0.16}, metadata={"p50": 0.2}),
        row("kordon", "produce", 0, mb_per_s=1.0, proxy_cpu_s_per_gb=1.0),
    ]
    file = tmp_path / "meter.json"
    file.write_text(json.dumps({"when": "2026-11-29T18:39:43Z", "rounds": 2, "megabytes": 250, "rows": rows}))

    about, _, _, _, *lines = meter_table(file, a_result()).splitlines()
    assert about == "* 2026-11-29T18:39:43Z, 2 rounds of 250 MB"
    assert lines == [
        "| raw fetch, CPU s/GB | 0.60 (0.50–0.70) | 0.62 (0.50–0.70) |",
        "| raw fetch, MB/s | ×0.50 (0.40–0.60) | ×0.50 (0.25–0.80) |",
        "| Produce round trip p50, ms | +0.06 | +0.05 (+0.00–+0.15) |",
    ]

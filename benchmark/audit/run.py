"""One audit from data to report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmark.audit import report
from benchmark.audit.differences import differences
from benchmark.audit.material import Material
from benchmark.audit.probes import Finding, chosen_probes, run_probes


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditOptions:
    """What is asked of an audit.

    Attributes:
        data: folder with train, valid and test.
        out: folder that gets audit.json and audit.png.
        page: the Markdown page.
        probes: names with commas between; all unless given.
        clips: of train, at most.
        command: as the page should state it.
    """

    data: Path
    out: Path
    page: Path
    probes: str | None = None
    clips: int | None = None
    seed: int = 0
    command: str = "bench audit"


def audit(options: AuditOptions, say: Callable[[str], None]) -> list[Finding]:
    """Runs the probes, writes the report, and returns what was found.

    Raises:
        ShardError: a split is missing or damaged.
        UnknownNameError: there is no such probe.
    """
    probes = chosen_probes(options.probes)
    material = Material(options.data, options.clips)
    findings = run_probes(
        material, probes, options.seed, lambda found: say(f"{found.probe.name}: {100 * found.error:.1f} % error")
    )
    found = differences(material)
    options.out.mkdir(parents=True, exist_ok=True)
    plot = options.out / "audit.png"
    report.write_json(options.out / "audit.json", material, findings, found)
    report.write_plot(plot, findings)
    report.write_page(options.page, plot, material, findings, found, options.command)
    return findings

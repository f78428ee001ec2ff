"""`make doctor`: looks at a stack, local or deployed, and says what is wrong and what to do. Not deployed itself.

`doctor.run()` looks at the local stack, `doctor.run("prod")` at the stage `prod` on AWS; both answer findings.
"""

from __future__ import annotations

from doctor.findings import Finding, Level, exit_code

__all__ = ["Finding", "Level", "exit_code", "run"]


def run(stage: str | None = None) -> list[Finding]:
    """Every finding, in the order of the checks. Raises nothing that a stack does wrong: that is a finding."""
    from doctor import deployed, here
    from doctor.section import examine

    return list(examine(deployed.sections(stage) if stage else here.sections()))

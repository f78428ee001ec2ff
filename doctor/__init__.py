"""`make doctor`: looks at a stack, local or deployed, and says what is wrong and what to do. Not deployed itself.

`doctor.run()` looks at the local stack, `doctor.run("prod")` at the stage `prod` on AWS; both answer findings.
"""

from __future__ import annotations

from chalicelib.settings import Settings
from doctor.findings import Finding, Level, exit_code

__all__ = ["Finding", "Level", "exit_code", "run", "settings"]


def run(stage: str | None = None) -> list[Finding]:
    """Every finding, in the order of the checks. Raises nothing that a stack does wrong: that is a finding."""
    from doctor import deployed, here
    from doctor.section import examine

    return list(examine(deployed.sections(deployed.Account(stage)) if stage else here.sections()))


def settings(stage: str | None = None) -> Settings:
    """Those of the local stack's processes, or of the deployed worker. Raises what AWS's clients raise."""
    from doctor import deployed, here

    return deployed.Account(stage).settings if stage else here.settings()

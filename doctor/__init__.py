"""`make doctor`: looks at a stack, local or deployed, and reports what is wrong and what to do. Not deployed itself.

`doctor.run()` looks at the local stack, `doctor.run("prod")` at the stage `prod` on AWS; both return findings.
"""

from __future__ import annotations

from chalicelib.settings import Settings
from doctor.findings import Finding, Level, exit_code

__all__ = ["Finding", "Level", "exit_code", "run", "settings"]


def run(stage: str | None = None) -> list[Finding]:
    """Every finding, in the order of the checks. An error of the stack is a finding, and not raised."""
    from doctor import deployed, here
    from doctor.section import examine

    return list(examine(deployed.sections(deployed.Account(stage)) if stage else here.sections()))


def settings(stage: str | None = None) -> Settings:
    """The settings of the local stack's processes, or of the deployed worker. Raises what AWS's clients raise."""
    from doctor import deployed, here

    return deployed.Account(stage).settings if stage else here.settings()

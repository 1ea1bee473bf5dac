"""Where a test of the execution API takes place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A database, the tenant whose client the test is, and another one."""

    url: str
    tenant: str
    other_tenant: str

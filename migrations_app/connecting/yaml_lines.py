"""The lines by which iamcleanup.yaml declares a connected account, change roles and all."""

from __future__ import annotations

from inventory.models import Connection
from inventory.undeclared import quoted


def yaml_lines(connection: Connection) -> list[str]:
    """Lines for below `accounts:`; `organization apply` reads them as they stand."""
    values = {
        "name": connection.name,
        "time_zone": connection.time_zone,
        "reader_role": connection.reader_role,
        "actor_role": connection.actor_role,
        "deleter_role": connection.deleter_role,
        "external_id": connection.external_id,
    }
    lines = [f"  - id: {quoted(connection.account_id)}"]
    lines += [f"    {key}: {quoted(value)}" for key, value in values.items() if value]
    if connection.regions:
        lines.append(f"    regions: [{', '.join(connection.regions)}]")
    return lines

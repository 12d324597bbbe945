"""The declared organization, `iamcleanup.yaml`: read, checked and compared, without a side effect.

`read` turns the text into values or says everything that is wrong with it, each with its line.
`difference` says in sentences what a declaration would change, and what of that loosens. Applying
it is `migrations_app.declared.declare`.
"""

from inventory.organization.difference import Difference, difference
from inventory.organization.document import BadDocument, Mistake
from inventory.organization.reading import read, sandbox_refusal
from inventory.organization.values import (
    BreakGlass,
    Declaration,
    DeclaredAccount,
    DeclaredPerson,
    DeclaredProtection,
    DeclaredTeam,
    warnings,
)

__all__ = [
    "BadDocument",
    "BreakGlass",
    "Declaration",
    "DeclaredAccount",
    "DeclaredPerson",
    "DeclaredProtection",
    "DeclaredTeam",
    "Difference",
    "Mistake",
    "difference",
    "read",
    "sandbox_refusal",
    "warnings",
]

"""IAM's operations, one file for each noun. Importing this package enters them in the table."""

from . import (  # noqa: F401
    access_keys,
    account,
    groups,
    mfa,
    password_policy,
    passwords,
    policies,
    roles,
    service_credentials,
    uploads,
    users,
)

"""What the environment must say before Django reads its settings; loaded by `-p` in `addopts`.

A conftest comes too late: test processes of xdist inherit DJANGO_SETTINGS_MODULE, so pytest-django
reads the settings there before any conftest, and all would share one Redis number.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests import services

os.environ["IAMCLEANUP_TEST"] = "1"
os.environ["DJANGO_SETTINGS_MODULE"] = "iamcleanup.settings"
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
# Whatever forgets to name the simulator finds nobody, instead of somebody's account.
os.environ["AWS_ACCESS_KEY_ID"] = os.environ["AWS_SECRET_ACCESS_KEY"] = "testing"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
# A thread of its own would not see what a test has not committed.
os.environ["IAMCLEANUP_USERS_AT_ONCE"] = "1"
_home = tempfile.TemporaryDirectory(prefix="iamcleanup-tests-", ignore_cleanup_errors=True)
os.environ["IAMCLEANUP_CLOCK_FILE"] = str(Path(_home.name) / "clock")
services.choose()

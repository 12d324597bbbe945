"""`manage.py import owners`: the same preview as a table, and an exit that a script can trust."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from inventory.models import LedgerEntry
from migrations_app.models import Departure, OwnerImport
from tests import cast, services

ROOT = Path(__file__).resolve().parents[3]
GOOD = "user,team,category\npay-deploy,payments,third-party\n"
PARTLY = f"{GOOD}nobody-here,payments,\n"


@pytest.fixture
def everybody(db: None) -> cast.Cast:
    everybody = cast.cast()
    cast.departure("pay-deploy")
    return everybody


def run(path: Path, content: str | None, *options: str) -> str:
    if content is not None:
        path.write_text(content)
    out = io.StringIO()
    call_command("import", "owners", str(path), *options, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "owners.csv"


def test_a_dry_run_shows_the_table_and_writes_nothing(everybody: cast.Cast, file: Path) -> None:
    said = run(file, GOOD, "--dry-run")
    assert "pay-deploy" in said
    assert "gets an owner" in said
    assert "nobody → payments, ci-cd → third-party" in said
    assert "1 lines: 1 gets an owner." in said
    assert "Dry run: nothing was changed." in said
    assert not OwnerImport.objects.exists()
    assert not LedgerEntry.objects.exists()


def test_it_imports_in_this_process_as_the_engineer_and_a_second_run_changes_nothing(
    everybody: cast.Cast, file: Path
) -> None:
    said = run(file, GOOD, "--as", "jonas")
    assert "Imported: 1 users have an owner now, 0 have another one, 1 categories were set." in said
    assert Departure.objects.get().owner == everybody.payments
    before = LedgerEntry.objects.count()
    assert "Nothing to change." in run(file, GOOD, "--as", "jonas")
    assert LedgerEntry.objects.count() == before


def test_unmatched_lines_stop_it_unless_they_may_be_left_out(
    everybody: cast.Cast, file: Path
) -> None:
    for options in (("--as", "jonas"), ("--dry-run",)):
        with pytest.raises(CommandError, match="1 lines cannot be followed"):
            run(file, PARTLY, *options)
    assert Departure.objects.get().owner is None
    said = run(file, PARTLY, "--as", "jonas", "--partly")
    assert "No user has this name." in said
    assert Departure.objects.get().owner == everybody.payments


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (GOOD, (), "Say which engineer imports"),
        (GOOD, ("--as", "nobody"), "no active person nobody"),
        (GOOD, ("--as", "sara"), "Nothing was changed"),
        ("a,b\n1,2\n", ("--dry-run",), "No column names the IAM user"),
        (None, ("--dry-run",), "Cannot read"),
    ],
)
def test_what_it_cannot_do_is_an_error_with_the_way_out(
    everybody: cast.Cast, file: Path, content: str | None, options: tuple[str, ...], said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        run(file, content, *options)
    assert Departure.objects.get().owner is None


def test_what_strangers_wrote_does_not_steer_the_terminal(everybody: cast.Cast, file: Path) -> None:
    said = run(file, "user,team\n\x1b[2Jx,payments\n", "--dry-run", "--partly")
    assert "\x1b" not in said


def test_the_command_is_there_although_import_is_a_word_of_the_language(
    transactional_db: None, test_database: services.TestDatabase, file: Path
) -> None:
    cast.cast()
    cast.departure("pay-deploy")
    file.write_text(PARTLY)
    done = subprocess.run(
        [sys.executable, "manage.py", "import", "owners", str(file), "--dry-run"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": test_database.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "gets an owner" in done.stdout
    assert "1 lines cannot be followed" in done.stderr

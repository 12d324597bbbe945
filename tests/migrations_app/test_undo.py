"""The stored scripts, really run: users are exactly as before, or are created anew as saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo.aws.server import served
from inventory.aws.holdings import UserHoldings
from migrations_app import changes, rebuild
from migrations_app.changes import undo
from migrations_app.changes.sweep import start_if_due
from migrations_app.models import Batch, Departure
from tests import aws_command
from tests.migrations_app.stage import Stage, everything, of_user, ten_policies

pytestmark = pytest.mark.django_db
HOSTILE = {"--help": "$(touch owned)", "a`id`": "'; touch owned #", "n": 'line\n"two" ${x} %{y}'}


def run(stage: Stage, script: str, home: Path, *, small: bool = True) -> None:
    with served(stage.simulator) as endpoint:
        done = aws_command.run_script(script, endpoint, home, small=small)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (home / "owned").exists()


@pytest.mark.parametrize("method", ["fence", "shut"])
def test_the_undo_script_of_a_batch_brings_everybody_back_exactly(
    stage: Stage, tmp_path: Path, method: str
) -> None:
    rows = [
        stage.user("--help", give=everything, path="/a-b/"),
        stage.user("o+=,.@-x", give=ten_policies),
    ]
    before = [stage.holdings(row) for row in rows]
    batch = stage.ran("disable", rows, method=method)
    assert [stage.holdings(row) for row in rows] != before
    run(stage, batch.undo_script, tmp_path)
    # The old password is the one thing that cannot come back once it is shut.
    lost = method == "shut"
    after = [stage.holdings(row) for row in rows]
    assert after == [replace(one, has_login_profile=False) if lost else one for one in before]


def test_the_real_aws_cli_takes_a_fence_off(stage: Stage, tmp_path: Path) -> None:
    row = stage.user(give=everything)
    before = stage.holdings(row)
    run(stage, stage.fenced(row).undo_script, tmp_path, small=False)
    assert stage.holdings(row) == before


@pytest.mark.slow
def test_the_real_aws_cli_undoes_a_shut_and_creates_a_user_anew(
    stage: Stage, tmp_path: Path
) -> None:
    row = stage.user("--help", give=hostile, path="/a-b/")
    before = stage.holdings(row)
    run(stage, stage.shut(row).undo_script, tmp_path, small=False)
    assert stage.holdings(row) == replace(before, has_login_profile=False)
    stage.restored(row)
    Departure.objects.filter(pk=row.pk).update(restored_at=None)
    batch = deleted(stage, row)
    run(stage, batch.undo_script, tmp_path, small=False)
    assert comparable(stage.holdings(row)) == comparable(before)


def test_the_script_is_stored_before_the_first_write_of_any_batch(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(batch: Batch) -> str:
        raise RuntimeError("The disk is full.")

    batch = stage.approved("disable", [stage.user()])
    with monkeypatch.context() as patch:
        patch.setattr(undo, "script", broken)
        with pytest.raises(RuntimeError):
            start_if_due(batch)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.APPROVED
    assert stage.writes() == []


def test_leaked_keys_stay_inactive_in_the_script_too(stage: Stage, tmp_path: Path) -> None:
    row = stage.user(give=everything)
    batch = stage.ran("disable", [row], urgent=True, reason="leaked")
    run(stage, batch.undo_script, tmp_path)
    after = stage.holdings(row)
    assert {key.status for key in after.access_keys} == {"Inactive"}
    assert {"Active"} <= {key.status for key in after.ssh_keys}


def comparable(held: UserHoldings) -> dict[str, Any]:
    """What a rebuild promises: all but ids, times and what is lost for ever."""
    return {
        "name": held.user_name,
        "path": held.path,
        "arn": held.arn,
        "groups": held.groups,
        "policies": held.attached_policies,
        "inline": held.inline_policies,
        "boundary": held.boundary,
        "tags": held.tags,
        "ssh": sorted((key.body, key.status) for key in held.ssh_keys),
        "certificates": sorted((one.body, one.status) for one in held.certificates),
    }


def hostile(stage: Stage, user: Any) -> None:
    everything(stage, user)
    user.tags = dict(HOSTILE)
    user.inline["it's"] = {"Statement": [{"Resource": "arn:aws:s3:::x/${aws:username}/`id`"}]}


def deleted(stage: Stage, *rows: Departure) -> Batch:
    stage.ready_to_delete(*rows)
    batch = stage.started("delete", rows)
    return stage.work(batch)


def test_the_script_of_a_delete_batch_creates_everybody_anew_as_saved(
    stage: Stage, tmp_path: Path
) -> None:
    rows = [
        stage.user("--help", give=hostile, path="/a-b/"),
        stage.user("plain.one"),
    ]
    before = [stage.holdings(row) for row in rows]
    batch = deleted(stage, *rows)
    assert "--help" not in stage.simulator.account.users
    run(stage, batch.undo_script, tmp_path)
    after = [stage.holdings(row) for row in rows]
    assert [comparable(one) for one in after] == [comparable(one) for one in before]
    assert all(new.user_id != old.user_id for new, old in zip(after, before, strict=True))


def test_one_that_cannot_be_created_does_not_stop_the_others(stage: Stage, tmp_path: Path) -> None:
    rows = [stage.user("first.one"), stage.user("second.one")]
    batch = deleted(stage, *rows)
    stage.administrator("CreateUser", UserName="first.one")
    with served(stage.simulator) as endpoint:
        done = aws_command.run_script(batch.undo_script, endpoint, tmp_path, small=True)
    assert "already exists" in done.stderr
    assert "second.one" in stage.simulator.account.users


def test_the_rebuild_uses_what_was_there_before_the_last_fence_and_not_an_older_one(
    stage: Stage,
) -> None:
    row = stage.user()
    stage.fenced(row)
    stage.restored(row)
    stage.administrator("TagUser", UserName=row.user.user_name, Tags=[{"Key": "k", "Value": "v"}])
    row.refresh_from_db()
    stage.ran("disable", [row], urgent=True, reason="leaked")
    saved = changes.saved_before(row)
    assert saved is not None
    assert saved.change == of_user(row, "disable")
    assert saved.document["tags"] == {"k": "v"}


def test_a_body_that_the_command_would_fetch_is_left_out(stage: Stage) -> None:
    held = stage.holdings(stage.user(give=everything))
    key = replace(held.ssh_keys[0], body="file:///etc/passwd")
    text = rebuild.script(replace(held, ssh_keys=(key,)))
    assert "passwd" not in text
    assert f"# {key.id} is left out" in text

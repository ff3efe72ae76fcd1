"""Commands around definitions and tokens."""

from __future__ import annotations

import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from knox.models import AuthToken
from rest_framework.test import APIClient

from automations import permissions
from automations.documents import document_of, read_text, save, write_text
from automations.models import Workflow
from tests.automations.definitions import orders

pytestmark = pytest.mark.django_db


def run(*words: str, **options: Any) -> str:
    out = StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


def test_a_definition_is_imported_and_exported_unchanged(tmp_path: Path, ana: User, svc: User) -> None:
    for name in ("order.yaml", "order.json"):
        (tmp_path / name).write_text(write_text(orders(), "json" if name.endswith("json") else "yaml"))
        assert "order-routing" in run("import_workflow", str(tmp_path / name))
    assert read_text(run("export_workflow", "order-routing"))[0] == document_of(Workflow.objects.get())
    assert read_text(run("export_workflow", "order-routing", "--json"), "json")[0] == orders(mode="draft")


def test_a_wrong_file_is_refused_with_file_line_and_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(write_text(orders()))
    bad.write_text("workflow: bad\nactions:\n  - key: a\n    kind: teleport\n")
    with pytest.raises(CommandError, match=r"bad\.yaml"):
        run("import_workflow", str(bad), str(good), "--incomplete")
    assert f"{bad}:4: actions[0].kind" in capsys.readouterr().err
    assert [workflow.slug for workflow in Workflow.objects.all()] == ["order-routing"]


@pytest.mark.parametrize("text", ["workflow: [", "", "\x00"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    for name in ("x.yaml", "missing.yaml"):
        with pytest.raises(CommandError):
            run("import_workflow", str(tmp_path / name))


def test_an_import_is_strict_unless_told_otherwise_and_may_act_as_somebody(tmp_path: Path, ben: User) -> None:
    permissions.grant(save({"workflow": "other"}, by=None, incomplete=True).workflow, ben, "builder")
    file = tmp_path / "x.yaml"
    file.write_text(write_text(orders(triggers=[{"key": "hook", "kind": "webhook", "config": {}}], scenarios=None)))
    with pytest.raises(CommandError):
        run("import_workflow", str(file))
    told = run("import_workflow", str(file), "--incomplete", "--as", "ben")
    assert "not applied: owner" in told
    assert "still missing: triggers[0].config.endpoint" in told
    assert Workflow.objects.get(slug="order-routing").owner == ben
    with pytest.raises(CommandError):
        run("import_workflow", str(file), "--as", "nobody")


def test_a_token_signs_its_user_in_until_it_expires(ana: User) -> None:
    key = run("create_token", "ana").strip()
    answer = APIClient().get("/api/v1/workflows", HTTP_AUTHORIZATION=f"Token {key}")
    assert answer.status_code == 200
    assert AuthToken.objects.get().expiry is None
    assert key not in str(AuthToken.objects.values())
    run("create_token", "ana", "--expires", "90d")
    assert AuthToken.objects.exclude(expiry=None).count() == 1
    for words in (("nobody",), ("ana", "--expires", "soon")):
        with pytest.raises(CommandError):
            run("create_token", *words)


def test_an_expired_token_signs_nobody_in(ana: User) -> None:
    from datetime import timedelta

    from django.utils import timezone

    key = run("create_token", "ana", "--expires", "1h").strip()
    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert APIClient().get("/api/v1/workflows", HTTP_AUTHORIZATION=f"Token {key}").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_quickstart_is_idempotent(tmp_path: Path) -> None:
    file = tmp_path / "new" / "token"
    words = ("quickstart", "--username", "root", "--password", "correct horse", "--token-file", str(file))
    run(*words)
    key = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    answer = APIClient().get("/api/v1/workflows", HTTP_AUTHORIZATION=f"Token {key.strip()}")
    assert answer.status_code == 200
    user = User.objects.get()
    assert user.is_superuser
    assert user.check_password("correct horse")
    run(*words)
    assert file.read_text() == key
    assert AuthToken.objects.count() == 1
    AuthToken.objects.all().delete()
    run(*words)
    assert file.read_text() != key
    file.write_bytes(b"\xff nonsense")
    run(*words)
    assert AuthToken.objects.count() == 2


def test_workflows_are_checked_and_what_is_missing_is_an_exit_code(ana: User, svc: User) -> None:
    save(orders(), by=None)
    assert run("check_workflows") == "order-routing: complete\n"
    with pytest.raises(CommandError, match="1 of 1"):
        run("check_workflows", "--go-live")
    save({"workflow": "other"}, by=None, incomplete=True)
    assert run("check_workflows", "order-routing") == "order-routing: complete\n"
    with pytest.raises(CommandError, match="1 of 2"):
        run("check_workflows")
    with pytest.raises(CommandError, match="nothing"):
        run("check_workflows", "nothing")

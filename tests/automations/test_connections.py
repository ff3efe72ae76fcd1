"""Connections: making, changing, deleting; the credential goes in and never comes out."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from rest_framework.test import APIClient

from automations import connections, documents
from automations.models import Connection, Epoch
from automations.permissions import may_use
from automations.refusals import Conflict, Invalid
from tests.automations.definitions import orders

pytestmark = pytest.mark.django_db

URL = "/api/v1/connections"
SOUND: dict[str, Any] = {"slug": "crm", "base_urls": ["https://crm.example.com/api"]}
BEARER = {"type": "bearer", "token": "very secret"}


@pytest.fixture
def client(root: User) -> APIClient:
    made = APIClient()
    made.force_authenticate(root)
    return made


def make(**values: Any) -> Connection:
    return connections.create(by=None, **{**SOUND, **values})


def test_the_credential_never_comes_out(client: APIClient) -> None:
    made = client.post(URL, SOUND | {"auth": BEARER, "timeout": "5s", "rate": 2.5}, format="json")
    assert made.status_code == 201
    changed = client.patch(f"{URL}/crm", {"auth": BEARER | {"token": "also secret"}}, format="json")
    for answer in (made, changed, client.get(f"{URL}/crm"), client.get(URL)):
        assert "secret" not in answer.content.decode()
        assert "auth" not in answer.json()
    assert Connection.objects.get().auth == BEARER | {"token": "also secret"}
    assert not hasattr(Connection.history.first(), "auth")


def test_the_credential_is_not_readable_in_the_database() -> None:
    from django.db import connection

    make(auth=BEARER)
    with connection.cursor() as cursor:
        cursor.execute("SELECT auth FROM automations_connection")
        assert "very secret" not in cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"base_urls": []}, "base_urls"),
        ({"base_urls": "https://a.example"}, "base_urls"),
        ({"base_urls": ["https://a.example", "ftp://a.example"]}, "base_urls[1]"),
        ({"base_urls": ["https://user:pw@a.example"]}, "base_urls[0]"),
        ({"base_urls": ["https://a.example/?q=1"]}, "base_urls[0]"),
        ({"base_urls": ["https://a.example:99999"]}, "base_urls[0]"),
        ({"base_urls": ["https://[::1"]}, "base_urls[0]"),
        ({"base_urls": ["https://a.example/ b"]}, "base_urls[0]"),
        ({"base_urls": [5]}, "base_urls[0]"),
        ({"auth": {"type": "magic"}}, "auth.type"),
        ({"auth": {}}, "auth.type"),
        ({"auth": {"type": "basic", "username": "a"}}, "auth.password"),
        ({"auth": {"type": "bearer", "token": "a\r\nX-Evil: 1"}}, "auth.token"),
        ({"auth": {"type": "header", "name": "X Key", "value": "a"}}, "auth.name"),
        ({"auth": {"type": "bearer", "token": "a", "username": "b"}}, "auth.username"),
        ({"timeout": "soon"}, "timeout"),
        ({"rate": 0}, "rate"),
        ({"colour": "red"}, "colour"),
        ({"slug": "CRM"}, "slug"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_path(values: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as caught:
        make(**values)
    assert path in {error["path"] for error in caught.value.errors}
    assert not Connection.objects.exists()


def test_a_slug_is_taken_once(client: APIClient) -> None:
    assert client.post(URL, SOUND, format="json").status_code == 201
    again = client.post(URL, SOUND, format="json")
    assert (again.status_code, again.json()["errors"][0]["path"]) == (400, "slug")


def test_reaching_private_networks_is_a_right_of_its_own(ben: User) -> None:
    ben.user_permissions.add(Permission.objects.get(codename="add_connection"))
    ben = User.objects.get(pk=ben.pk)
    with pytest.raises(PermissionDenied):
        connections.create(by=ben, **SOUND, allow_private=True)
    made = connections.create(by=ben, **SOUND)
    ben.user_permissions.add(Permission.objects.get(codename="allow_private_connection"))
    ben = User.objects.get(pk=ben.pk)
    assert connections.update(made, by=ben, allow_private=True).allow_private


def test_whoever_makes_a_connection_may_name_and_change_it_and_others_may_not(ben: User, carl: User) -> None:
    with pytest.raises(PermissionDenied):
        connections.create(by=ben, **SOUND)
    ben.user_permissions.add(Permission.objects.get(codename="add_connection"))
    made = connections.create(by=User.objects.get(pk=ben.pk), **SOUND)
    assert may_use(User.objects.get(pk=ben.pk), made)
    assert not may_use(carl, made)
    with pytest.raises(PermissionDenied):
        connections.update(made, by=carl, name="x")
    client = APIClient()
    client.force_authenticate(carl)
    assert client.get(f"{URL}/crm").status_code == 404


def test_every_change_moves_the_epoch_and_keeps_who_and_why(root: User) -> None:
    before = Epoch.current()
    made = connections.create(by=root, **SOUND)
    created = Epoch.current()
    connections.update(made, by=root, name="CRM")
    assert before < created < Epoch.current()
    newest = made.history.first()
    assert (newest.history_user, newest.history_change_reason) == (root, "changed name")


def test_a_connection_a_workflow_names_is_not_deleted() -> None:
    made = make()
    document = orders()
    document["actions"][1] |= {"kind": "http.request", "config": {"connection": "crm", "method": "POST", "path": "/n"}}
    workflow = documents.save(document, by=None).workflow
    with pytest.raises(Conflict):
        connections.delete(made, by=None)
    workflow.delete()
    connections.delete(made, by=None)
    assert not Connection.objects.exists()

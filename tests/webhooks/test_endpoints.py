"""Endpoints: making, changing, rotating, deleting."""

from __future__ import annotations

import time

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from rest_framework.test import APIClient

from automations import documents
from automations.models import Epoch
from automations.permissions import may_use
from automations.refusals import Invalid
from tests.automations.definitions import orders
from webhooks import endpoints, signatures
from webhooks.models import Endpoint
from webhooks.receive import secrets_of

pytestmark = pytest.mark.django_db

URL = "/api/v1/endpoints"


def errors(caught: pytest.ExceptionInfo[Invalid]) -> set[str]:
    return {error["path"] for error in caught.value.errors}


def allowed(user: User, codename: str) -> User:
    """The user, with a Django permission on all endpoints."""
    user.user_permissions.add(Permission.objects.get(codename=codename))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def client(root: User) -> APIClient:
    made = APIClient()
    made.force_authenticate(root)
    return made


def test_an_endpoint_without_a_secret_gets_one_that_is_shown_once(client: APIClient) -> None:
    made = client.post(URL, {"slug": "shop", "scheme": "standard"}, format="json")
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    for answer in (
        client.get(f"{URL}/shop"),
        client.get(URL),
        client.patch(f"{URL}/shop", {"name": "Shop"}, format="json"),
    ):
        assert made.json()["secret"] not in answer.content.decode()
    assert client.get(f"{URL}/shop").json()["has_secret"] is True


def test_a_given_secret_never_comes_back(client: APIClient) -> None:
    made = client.post(URL, {"slug": "shop", "scheme": "github", "secret": "very secret"}, format="json")
    assert "very secret" not in made.content.decode()
    assert "secret" not in made.json()
    assert Endpoint.objects.get().secret == "very secret"
    history = Endpoint.history.get()
    assert not hasattr(history, "secret")


def test_a_secret_is_not_readable_in_the_database(root: User) -> None:
    from django.db import connection

    endpoints.create("shop", by=root, scheme="github", secret="very secret")
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM automations_webhooks_endpoint")
        assert "very secret" not in cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"scheme": "carrier pigeon"}, "scheme"),
        ({"scheme": "standard", "secret": "whsec_%%%"}, "secret"),
        ({"scheme": "none", "secret": "x"}, "secret"),
        ({"scheme": "hmac", "options": {"algorithm": "md5"}}, "options.algorithm"),
        ({"scheme": "github", "options": {"header": "X-Sig"}}, "options.header"),
        ({"scheme": "github", "options": {"max_bytes": 0}}, "options.max_bytes"),
        ({"scheme": "github", "options": {"max_bytes": True}}, "options.max_bytes"),
        ({"options": []}, "options"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_path(values: dict, path: str) -> None:
    with pytest.raises(Invalid) as caught:
        endpoints.create("shop", by=None, **values)
    assert path in errors(caught)
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("slug", ["", "Shop", "a b", "x" * 101, "ü"])
def test_a_bad_slug_is_refused(slug: str) -> None:
    with pytest.raises(Invalid) as caught:
        endpoints.create(slug, by=None)
    assert errors(caught) == {"slug"}


def test_a_slug_is_taken_once(client: APIClient) -> None:
    assert client.post(URL, {"slug": "shop"}, format="json").status_code == 201
    again = client.post(URL, {"slug": "shop"}, format="json")
    assert (again.status_code, again.json()["errors"][0]["path"]) == (400, "slug")


def test_a_public_key_is_a_secret_of_the_standard_scheme() -> None:
    endpoint, made = endpoints.create("shop", by=None, scheme="standard", secret="whpk_" + "A" * 43 + "=")
    assert made == ""
    assert endpoint.enabled


def test_after_a_rotation_both_secrets_count_until_the_old_one_ends(client: APIClient) -> None:
    endpoints.create("shop", by=None, scheme="github", secret="old")
    rotated = client.post(f"{URL}/shop/rotate")
    assert rotated.status_code == 200
    assert set(rotated.json()) == {"secret", "previous_valid_until"}
    endpoint = Endpoint.objects.get()
    now = endpoint.previous_valid_until - endpoints.GRACE
    assert secrets_of(endpoint, now) == [rotated.json()["secret"], "old"]
    assert secrets_of(endpoint, endpoint.previous_valid_until) == [rotated.json()["secret"]]
    headers = signatures.sign("github", "old", b"{}", now=time.time(), message_id="1")
    verdict = signatures.verify("github", secrets_of(endpoint, now), headers, b"{}", now=time.time())
    assert (verdict.ok, verdict.matched) == (True, 1)


def test_a_scheme_without_a_secret_cannot_be_rotated(client: APIClient) -> None:
    endpoints.create("open", by=None, scheme="none")
    assert client.post(f"{URL}/open/rotate").status_code == 409


def test_a_secret_that_is_set_replaces_the_old_one_at_once(client: APIClient) -> None:
    endpoint, _ = endpoints.create("shop", by=None, scheme="github", secret="old")
    endpoints.rotate(endpoint, by=None)
    assert client.patch(f"{URL}/shop", {"secret": "new"}, format="json").status_code == 200
    endpoint.refresh_from_db()
    assert (endpoint.secret, endpoint.previous_secret, endpoint.previous_valid_until) == ("new", None, None)


def test_every_change_moves_the_epoch() -> None:
    before = Epoch.current()
    endpoint, _ = endpoints.create("shop", by=None)
    created = Epoch.current()
    endpoints.update(endpoint, by=None, enabled=False)
    changed = Epoch.current()
    endpoints.rotate(endpoint, by=None)
    assert before < created < changed < Epoch.current()


def test_a_change_keeps_who_and_why(root: User) -> None:
    endpoint, _ = endpoints.create("shop", by=root)
    endpoints.update(endpoint, by=root, name="Shop")
    newest = endpoint.history.first()
    assert (newest.history_user, newest.history_change_reason) == (root, "changed name")


def test_an_endpoint_a_workflow_names_is_not_deleted(client: APIClient) -> None:
    endpoints.create("shop", by=None)
    document = orders(triggers=[{"key": "hook", "kind": "webhook", "config": {"endpoint": "shop"}}], scenarios=None)
    workflow = documents.save(document, by=None).workflow
    answer = client.delete(f"{URL}/shop")
    assert answer.status_code == 409
    assert "order-routing" in answer.json()["detail"]
    workflow.delete()
    assert client.delete(f"{URL}/shop").status_code == 204


def test_whoever_makes_an_endpoint_may_name_and_change_it_and_others_may_not(ben: User, carl: User) -> None:
    with pytest.raises(PermissionDenied):
        endpoints.create("shop", by=ben)
    ben = allowed(ben, "add_endpoint")
    endpoint, _ = endpoints.create("shop", by=ben)
    ben = User.objects.get(pk=ben.pk)
    assert may_use(ben, endpoint)
    assert endpoints.update(endpoint, by=ben, name="Shop").name == "Shop"
    for verb in (lambda: endpoints.update(endpoint, by=carl, name="x"), lambda: endpoints.rotate(endpoint, by=carl)):
        with pytest.raises(PermissionDenied):
            verb()
    client = APIClient()
    client.force_authenticate(carl)
    assert client.get(f"{URL}/shop").status_code == 404
    assert client.get(URL).json()["results"] == []


def test_the_port_says_which_endpoints_exist_and_may_be_named(ben: User) -> None:
    endpoints.create("shop", by=None)
    assert endpoints.usable({"shop", "nothing"}, ben) == {"shop": False}
    assert endpoints.usable({"shop"}, None) == {"shop": True}

"""Roles × verbs (CONTRACT 9), by grant, by group, by ownership."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from guardian.shortcuts import assign_perm

from automations import permissions
from automations.access import access_of, set_access
from automations.documents import save
from automations.models import Connection, Workflow
from automations.refusals import Invalid

pytestmark = pytest.mark.django_db

VERBS = ("view", "payload", "edit", "test", "run", "hold", "approve", "release", "rollback", "grant", "delete")
TABLE = {
    "viewer": {"view"},
    "builder": {"view", "edit", "test"},
    "operator": {"view", "payload", "test", "run", "hold", "rollback"},
    "approver": {"view", "approve"},
    "releaser": {"view", "payload", "test", "hold", "release", "rollback"},
    "owner": set(VERBS),
}


@pytest.fixture
def workflow(ana: User) -> Workflow:
    return save({"workflow": "orders", "owner": "ana"}, by=None, incomplete=True).workflow


def held(user: User, workflow: Workflow) -> set[str]:
    """The verbs a user holds, asked for the object and for the list alike."""
    by_object = {verb for verb in VERBS if permissions.may(user, verb, workflow)}
    by_list = {verb for verb in VERBS if permissions.visible_to(user, verb).filter(pk=workflow.pk).exists()}
    assert by_object == by_list
    return by_object


@pytest.mark.parametrize("role", TABLE)
def test_a_role_carries_its_verbs_and_no_others(workflow: Workflow, ben: User, role: str) -> None:
    permissions.grant(workflow, ben, role)
    assert held(ben, workflow) == TABLE[role]


def test_a_role_through_a_group_carries_the_same(workflow: Workflow, ben: User) -> None:
    group = Group.objects.create(name="logistics")
    permissions.grant(workflow, group, "operator")
    assert held(ben, workflow) == set()
    ben.groups.add(group)
    assert held(ben, workflow) == TABLE["operator"]


def test_two_roles_add_up(workflow: Workflow, ben: User) -> None:
    permissions.grant(workflow, ben, "builder")
    permissions.grant(workflow, ben, "approver")
    assert held(ben, workflow) == TABLE["builder"] | TABLE["approver"]


def test_the_owner_and_superusers_hold_everything_without_a_grant(workflow: Workflow, ana: User, root: User) -> None:
    assert held(ana, workflow) == held(root, workflow) == set(VERBS)
    assert permissions.may(None, "delete", workflow), "the system"
    assert access_of(workflow, by=ana) == []


def test_a_disabled_account_holds_nothing(workflow: Workflow, ana: User, root: User) -> None:
    for user in (ana, root):
        user.is_active = False
        user.save()
        assert held(user, workflow) == set()


def test_a_role_on_one_workflow_says_nothing_about_another(workflow: Workflow, ben: User) -> None:
    other = save({"workflow": "other"}, by=None, incomplete=True).workflow
    permissions.grant(workflow, ben, "owner")
    assert held(ben, other) == set()


def test_a_model_wide_permission_is_no_role(workflow: Workflow, ben: User) -> None:
    ben.user_permissions.add(*Permission.objects.filter(content_type__app_label="automations"))
    assert held(User.objects.get(pk=ben.pk), workflow) == set()


def test_access_is_a_matter_of_grants(workflow: Workflow, ana: User, ben: User, carl: User) -> None:
    set_access(workflow, [{"user": "ben", "role": "viewer"}], by=ana)
    for user in (ben, carl):
        with pytest.raises(PermissionDenied):
            set_access(workflow, [], by=user)
    with pytest.raises(PermissionDenied):
        access_of(workflow, by=carl)
    with pytest.raises(Invalid):
        set_access(workflow, [{"user": "ben", "role": "king"}], by=ana)
    assert access_of(workflow, by=ben) == [{"user": "ben", "role": "viewer"}]


def test_whoever_holds_any_role_may_sign_in_and_create(workflow: Workflow, ben: User, ana: User, carl: User) -> None:
    permissions.grant(workflow, ben, "viewer")
    assert [permissions.holds_any_role(user) for user in (ana, ben, carl)] == [True, True, False]
    assert [permissions.may_create(user) for user in (ana, ben, carl)] == [True, True, False]


def test_a_connection_is_named_by_whoever_holds_its_role_user(ben: User) -> None:
    crm = Connection.objects.create(slug="crm", base_urls=["https://a.example"])
    assert not permissions.may_use(ben, crm)
    assert not permissions.usable_by(ben, Connection).exists()
    assign_perm("automations.user", ben, crm)
    ben = User.objects.get(pk=ben.pk)
    assert permissions.may_use(ben, crm)
    assert list(permissions.usable_by(ben, Connection)) == list(permissions.listed_for(ben, Connection)) == [crm]
    assert not permissions.may_manage(ben, "change", crm)


def test_an_account_is_acted_as_by_itself_and_by_whoever_holds_the_role(ben: User, svc: User, root: User) -> None:
    assert permissions.may_run_as(svc, svc)
    assert permissions.may_run_as(root, svc)
    assert not permissions.may_run_as(ben, svc)
    assign_perm("auth.run_as_user", ben, svc)
    assert permissions.may_run_as(User.objects.get(pk=ben.pk), svc)

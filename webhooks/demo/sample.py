"""People, connections, endpoints and released workflows. Loading them again changes nothing that is there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.models import Group, User
from guardian.shortcuts import assign_perm

from automations import access, connections, documents, releases, tokens
from automations.engine.errors import AutomationError
from automations.models import Connection, Workflow
from runs import scenarios
from webhooks import endpoints, signatures
from webhooks.models import Endpoint

FOLDER = Path(__file__).parent
DOMAIN = "acme.example"
#: name → the role they hold on every workflow of the demo.
PEOPLE = {"ana": "owner", "ben": "releaser", "eve": "operator", "vera": "viewer"}
SUPERUSER = "nina"
TEAMS = ("sales", "logistics", "platform", "service-desk")
#: account the actions act as → the connections it may use.
ACCOUNTS = {
    "svc-orders": ("team-chat", "warehouse"),
    "svc-incidents": ("team-chat", "pager"),
    "svc-desk": ("team-chat",),
}
#: The help desk's program, which may publish events and nothing else.
HELP_DESK = "help-desk"
#: slug → (name, path at the receiver)
CONNECTIONS = {
    "team-chat": ("Team chat", "/chat"),
    "pager": ("Pager", "/pager"),
    "warehouse": ("Warehouses", "/warehouses"),
}
#: slug → (name, scheme)
ENDPOINTS = {"shop": ("Shop", "standard"), "github": ("GitHub", "github")}
WORKFLOWS = ("large-orders", "github-incidents", "sla-breach")


class NotOurs(AutomationError):
    """The database belongs to somebody: the demo must not give its people a password there."""


@dataclass(frozen=True, slots=True)
class Vault:
    """What must be known outside the database, each in a file of mode 0600."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def kept(self, name: str, make: Callable[[], str]) -> str:
        """The text kept under this name, made the first time."""
        path = self.path(name)
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(make())
        return path.read_text()

    @property
    def password(self) -> str:
        return self.kept("password", lambda: secrets.token_urlsafe(9))

    def secret(self, endpoint: str) -> str:
        return self.kept(f"{endpoint}-secret", lambda: signatures.new_secret(ENDPOINTS[endpoint][1]))

    @property
    def token(self) -> str:
        """The help desk's API token."""
        return self.kept("token", lambda: tokens.create(User.objects.get(username=HELP_DESK)))


def load(vault: Vault, receiver: str) -> None:
    """Make what is missing; the connections lead to `receiver`. Raises NotOurs."""
    ana = _people(vault)
    for slug, (name, path) in CONNECTIONS.items():
        urls = [receiver + path]
        found = Connection.objects.filter(slug=slug).first()
        if found is None:
            connections.create(slug, by=ana, name=name, base_urls=urls, timeout="10s")
        elif found.base_urls != urls:
            connections.update(found, by=None, base_urls=urls)
    for account, usable in ACCOUNTS.items():
        for slug in usable:
            assign_perm("automations.user", User.objects.get(username=account), Connection.objects.get(slug=slug))
    for slug, (name, scheme) in ENDPOINTS.items():
        known = Endpoint.objects.filter(slug=slug).first()
        if known is None:
            endpoints.create(slug, by=ana, name=name, scheme=scheme, secret=vault.secret(slug))
        elif known.secret != vault.secret(slug):
            endpoints.update(known, by=None, secret=vault.secret(slug))
    for slug in WORKFLOWS:
        _workflow(slug, ana)


def _people(vault: Vault) -> User:
    """Everybody of the demo; returns ana, who makes the rest."""
    for team in TEAMS:
        Group.objects.get_or_create(name=team)
    for name in (*PEOPLE, SUPERUSER, HELP_DESK, *ACCOUNTS):
        user, created = User.objects.get_or_create(username=name, defaults={"email": f"{name}@{DOMAIN}"})
        if user.email != f"{name}@{DOMAIN}":
            raise NotOurs(f"The user {name} does not belong to the demo: give the demo a database of its own.")
        signs_in = name in (*PEOPLE, SUPERUSER)
        if created or (signs_in and not user.check_password(vault.password)):
            user.is_superuser = user.is_staff = name == SUPERUSER
            user.set_password(vault.password if signs_in else None)
            user.save()
    ana = User.objects.get(username="ana")
    for permission in ("automations.add_workflow", "automations.add_connection", "automations_webhooks.add_endpoint"):
        assign_perm(permission, ana)
    for account in ACCOUNTS:
        assign_perm("auth.run_as_user", ana, User.objects.get(username=account))
    assign_perm("automations_runs.add_event", User.objects.get(username=HELP_DESK))
    return ana


def _workflow(slug: str, ana: User) -> None:
    """Import, share, test and release, each as the person whose task it is."""
    workflow = Workflow.objects.filter(slug=slug).first()
    if workflow is None:
        data, lines = documents.read_text((FOLDER / f"{slug}.yaml").read_text())
        workflow = documents.save(data, by=ana, lines=lines, reason="imported for the demo").workflow
        roles = [{"user": name, "role": role} for name, role in PEOPLE.items() if role != "owner"]
        access.set_access(workflow, roles, by=ana)
    if workflow.current_version is None:
        scenarios.run_all(workflow, by=ana)
        ben = User.objects.get(username="ben")
        releases.release(workflow, by=ben, note="All scenarios passed; looked through the logs with ana.")

"""`manage.py demo`: what it prints works, a second start keeps the data, and nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar

import pytest

from tests.installation import Installation, free_port

pytestmark = [pytest.mark.crash, pytest.mark.timeout(280)]

Demo = Callable[..., "Shown"]


class Shown:
    """A demo that has come up, and what it printed."""

    def __init__(self, installation: Installation, **environment: str) -> None:
        self.installation = installation
        while not _free(port := free_port() + 1):
            pass
        self.port = installation.port = port - 1
        installation.environment |= environment
        log = installation.var / "demo.log"
        seen = len(log.read_text()) if log.exists() else 0
        self.process = installation.start("demo", "--port", str(self.port), "--no-browser")
        installation.until(
            lambda: "Ctrl-C" in log.read_text()[seen:] or self.process.poll() is not None, "the demo", 120
        )
        self.text = log.read_text()[seen:]
        assert self.process.poll() is None, self.text

    def command(self, number: int) -> str:
        """What stands under `N.`, as somebody would copy it."""
        found = re.search(rf"^  {number}\. .*\n((?:     .*\n)+)", self.text, re.M)
        assert found, self.text
        return found[1]

    def run(self, number: int) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", self.command(number)],
            env=self.installation.environment | {"PATH": os.environ["PATH"]},
            cwd=self.installation.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def statuses(self, workflow: str) -> list[str]:
        """Of its executed runs, oldest first."""
        rows = self.installation.sql(
            "SELECT r.status FROM automations_runs_run r JOIN automations_workflow w ON w.id = r.workflow_id "
            "WHERE r.mode = 'execute' AND w.slug = ? ORDER BY r.id",
            [workflow],
        )
        return [row[0] for row in rows]

    def letters(self) -> list[tuple[str, str]]:
        return self.installation.sql("SELECT step, state FROM automations_runs_deadletter ORDER BY id")

    def stop(self, how: int = signal.SIGINT) -> None:
        self.installation.stop(self.process, how)
        assert self.process.returncode == 0
        assert self.installation.ours() == []


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def settled(shown: Shown) -> bool:
    return not shown.installation.sql("SELECT 1 FROM automations_runs_run WHERE finished_at IS NULL")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(os.environ["PATH"], id="with curl"),
        pytest.param("/nowhere", id="with Python alone", marks=pytest.mark.one_database),
    ],
)
def test_what_the_demo_prints_works(installation: Installation, path: str) -> None:
    shown = Shown(installation, PATH=path)
    installation.until(lambda: settled(shown), "the first events to be carried")
    assert shown.statuses("large-orders") == ["succeeded", "succeeded", "failed", "succeeded"]
    assert shown.statuses("github-incidents") == ["succeeded"]
    assert shown.statuses("sla-breach") == ["succeeded"]
    assert shown.letters() == [("pick", "open")]
    verdicts = {row[0] for row in installation.sql("SELECT verdict FROM automations_webhooks_receipt")}
    assert verdicts == {"accepted", "bad_signature"}

    assert "202" in shown.run(1)
    assert "202" in shown.run(2)
    assert "1 done" in shown.run(3)
    installation.until(lambda: settled(shown), "the new runs to be carried")
    assert shown.statuses("large-orders") == ["succeeded"] * 4
    assert shown.statuses("github-incidents") == ["succeeded"] * 2
    assert shown.statuses("sla-breach") == ["succeeded"] * 2
    assert shown.letters() == [("pick", "resolved")]
    shown.stop()


@pytest.mark.one_database
def test_everybody_it_names_can_sign_in(installation: Installation) -> None:
    shown = Shown(installation)
    people = re.search(r"Sign in +(.+)\n", shown.text)
    password = re.search(r"Password +(\S+)\n", shown.text)
    assert people and password
    names = re.findall(r"(\w+) \(", people[1])
    assert names[:4] == ["ana", "ben", "eve", "vera"]
    for name in names:
        assert "Log out" in sign_in(f"http://127.0.0.1:{shown.port}/admin/", name, password[1]), name
    shown.stop(signal.SIGTERM)


def sign_in(url: str, name: str, password: str) -> str:
    """The page after signing in."""
    cookies = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    browser.open(f"{url}login/", timeout=30).read()
    token = next(cookie.value for cookie in cookies if cookie.name == "csrftoken")
    form = {"username": name, "password": password, "csrfmiddlewaretoken": token, "next": "/admin/"}
    return browser.open(f"{url}login/", urllib.parse.urlencode(form).encode(), timeout=30).read().decode()


@pytest.mark.one_database
def test_a_second_start_keeps_the_data(installation: Installation) -> None:
    counts = "SELECT (SELECT count(*) FROM automations_workflow), (SELECT count(*) FROM automations_version), "
    counts += "(SELECT count(*) FROM automations_runs_event), (SELECT count(*) FROM auth_user)"
    first = Shown(installation)
    installation.until(lambda: settled(first), "the first events to be carried")
    before = installation.sql(counts)
    first.stop()
    second = Shown(installation)
    assert installation.sql(counts) == before
    assert re.findall(r"Password .*", first.text) == re.findall(r"Password .*", second.text)
    second.stop()


@pytest.mark.one_database
def test_it_ends_with_an_error_and_leaves_nothing_when_its_workers_end(installation: Installation) -> None:
    shown = Shown(installation)
    groups = {os.getpgid(pid) for pid in installation.workers()}
    work = [pid for pid in installation.ours() if _command(pid)[-1:] == [b"work"]]
    assert groups and len(work) == 1
    os.kill(work[0], signal.SIGKILL)
    assert shown.process.wait(60) == 1
    installation.until(lambda: installation.ours() == [], "nothing to be left", 30)


def _command(pid: int) -> list[bytes]:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().rstrip(b"\0").split(b"\0")


@pytest.mark.one_database
def test_it_does_not_touch_a_database_that_belongs_to_somebody(installation: Installation) -> None:
    installation.manage("shell", "-c", "User.objects.create_user('ana', 'ana@real.example')")
    done = installation.manage("demo", "--port", str(free_port()), "--no-browser", check=False)
    assert done.returncode == 1
    assert "does not belong to the demo" in done.stderr
    assert installation.ours() == []

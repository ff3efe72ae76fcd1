"""`demo [--port N] [--no-browser]`: sample data, web and workers in one go, until Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import time
import webbrowser
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from automations.engine.errors import AutomationError
from runs.executor import watch
from webhooks.demo import sample
from webhooks.demo.events import INCIDENT, Sender, breach, some_work
from webhooks.demo.processes import Children
from webhooks.demo.receiver import Receiver
from webhooks.models import Receipt
from webhooks.network import NetworkError

#: Seconds web and workers may take to start.
START = 60.0
#: What ends the demo.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(BaseException):
    """Ctrl-C, or the signal to end."""


class Command(BaseCommand):
    help = "Show the product at work: sample data, web and workers in one go. Ctrl-C stops it; the data stay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=None, help="of the web server; the next one is the receiver's")
        parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
        parser.add_argument("--send", choices=["incident", "breach"], help="only send this to a demo that is running")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.HTTPS:
            raise CommandError("The demo makes people with one password: not where PUBLIC_URL is https.")
        self.port = options["port"] or settings.PORT
        self.vault = sample.Vault(Path(settings.VAR_DIR) / "demo")
        self.down = self.vault.path("lyon-is-down")
        self.sender = Sender(f"http://127.0.0.1:{self.port}", self.vault)
        if options["send"]:
            self._send(options["send"])
            return
        for name in SIGNALS:
            signal.signal(name, _stop)
        try:
            self._show(browser=not options["no_browser"])
        except Stop:
            self.stdout.write(f"Stopped. The data stay under {_short(Path(settings.VAR_DIR))}.")
        except AutomationError as error:
            raise CommandError(str(error)) from None

    def _send(self, what: str) -> None:
        """The same as the printed commands, for machines without curl or openssl."""
        try:
            status, answer = getattr(self.sender, what)()
        except (NetworkError, FileNotFoundError):
            raise CommandError(f"No demo runs at {self.sender.url}: start it first.") from None
        self.stdout.write(f"{status} {answer}")

    def _show(self, *, browser: bool) -> None:
        for port in (self.port, self.port + 1):
            _need_free(port)
        call_command("migrate", interactive=False, verbosity=0)
        if not self.vault.folder.exists():
            self.vault.folder.mkdir(mode=0o700, parents=True)
            self.down.touch()
        log = self.vault.path("log")
        with Receiver(self.port + 1, self.down, self._tell) as receiver, Children(self._environment(), log) as children:
            children.start("serve", "--port", str(self.port))
            children.start("work")
            sample.load(self.vault, receiver.url)
            self._wait(children)
            if not Receipt.objects.exists():
                some_work(self.sender)
            self._say()
            if browser and sys.stdout.isatty() and (sys.platform == "darwin" or os.environ.get("DISPLAY")):
                webbrowser.open(self.sender.url)
            self._watch(children)

    def _environment(self) -> dict[str, str]:
        """Nothing of the demo leaves this machine: calls go to loopback, mail to the screen."""
        return {
            "PORT": str(self.port),
            "PUBLIC_URL": self.sender.url,
            "OUTBOUND_ALLOW": "127.0.0.0/8",
            "EMAIL_URL": "consolemail://",
        }

    def _wait(self, children: Children) -> None:
        """Until the web server answers and a drain is on watch."""
        end = time.monotonic() + START
        while time.monotonic() < end:
            self._look(children)
            if _answers(self.port) and watch.is_held():
                return
            time.sleep(0.1)
        raise CommandError(f"It did not start within {START:.0f} s: see {_short(self.vault.path('log'))}.")

    def _watch(self, children: Children) -> None:
        while True:
            self._look(children)
            time.sleep(0.5)

    def _look(self, children: Children) -> None:
        if name := children.ended():
            raise CommandError(f"`{name}` has ended: see {_short(self.vault.path('log'))}.")

    def _tell(self, line: str) -> None:
        self.stdout.write(f"  received  {line}")

    def _say(self) -> None:
        people = ", ".join(
            f"{name} ({role})" for name, role in {**sample.PEOPLE, sample.SUPERUSER: "superuser"}.items()
        )
        incident, reported, heal = self._commands()
        self.stdout.write(
            f"""
  Admin     {self.sender.url}/admin/
  Sign in   {people}
  Password  {self.vault.password}

  Three things to try, in a second terminal in this folder:

  1. GitHub reports an incident, signed. Then look at Runs.
{incident}

  2. The help desk's program reports a broken SLA through the API. The mail appears below.
{reported}

  3. Order A-1003 is a dead letter: the warehouse in Lyon is down. Bring it back; the run goes on from that step.
{heal}

  Ctrl-C stops everything. Log: {_short(self.vault.path("log"))}
"""
        )

    def _commands(self) -> tuple[str, str, str]:
        """To be copied: with curl and openssl where they are, else with this command itself."""
        manage = f"{_short(Path(sys.executable))} {_short(Path(sys.argv[0]))}"
        heal = f"     rm {_short(self.down)}; {manage} replay_dead_letters --workflow large-orders"
        if not (shutil.which("curl") and shutil.which("openssl")):
            demo = f"     {manage} demo --port {self.port} --send"
            return f"{demo} incident", f"{demo} breach", heal
        payload, secret = _short(INCIDENT), _short(self.vault.path("github-secret"))
        incident = f"""\
     SIGNATURE=$(openssl dgst -sha256 -hmac "$(cat {secret})" < {payload} | sed 's/^.* //')
     curl -i {self.sender.url}/hooks/github -H "X-Hub-Signature-256: sha256=$SIGNATURE" \\
       -H "X-GitHub-Event: issues" -H "X-GitHub-Delivery: $(date +%s)" \\
       -H "Content-Type: application/json" --data-binary @{payload}"""
        ticket = breach("T-'$(date +%s)'")
        reported = f"""\
     curl -i {self.sender.url}/api/v1/events -H "Authorization: Token $(cat {_short(self.vault.path("token"))})" \\
       -H "Content-Type: application/json" -d '{ticket}'"""
        return incident, reported, heal


def _stop(*_: object) -> None:
    for name in SIGNALS:
        signal.signal(name, signal.SIG_IGN)  # the way out is under way
    raise Stop


def _need_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CommandError(f"Port {port} is taken: choose another with --port.") from None


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _short(path: Path) -> str:
    """As it is written in this folder."""
    here = Path.cwd()
    path = path if path.is_absolute() else here / path
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

"""`serve [--port N]`: the web process (gunicorn, threads)."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.core.servers.basehttp import get_internal_wsgi_application
from gunicorn.app.base import BaseApplication

#: Request threads: as many deliveries can share one group commit at the door.
THREADS = 16


class Server(BaseApplication):
    """gunicorn with this product's settings."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return get_internal_wsgi_application()


class Command(BaseCommand):
    help = "Serve the admin, the API and the hooks. Ctrl-C stops it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=None, help="default: PORT, else 8000")
        parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1)")
        parser.add_argument("--processes", type=int, default=1, help="web processes (default 1)")

    def handle(self, *args: Any, **options: Any) -> None:
        port = options["port"] or settings.PORT
        Server(
            {
                "bind": f"{options['host']}:{port}",
                "workers": options["processes"],
                "worker_class": "gthread",
                "threads": THREADS,
                "timeout": 60,
                "graceful_timeout": 10,
                "keepalive": 15,
                "control_socket_disable": True,
                "forwarded_allow_ips": ",".join(settings.TRUSTED_PROXIES) or "127.0.0.1",
                "loglevel": "warning",
            }
        ).run()

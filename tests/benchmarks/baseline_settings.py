"""Settings of the baseline: django-q2 as fast as it goes on its database broker."""

from config.settings import *  # noqa: F403
from config.settings import Q_CLUSTER

ROOT_URLCONF = "tests.benchmarks.baseline"
WSGI_APPLICATION = "tests.benchmarks.baseline.application"
SILENCED_SYSTEM_CHECKS = ["admin.E408", "admin.E409", "admin.E410"]
MIDDLEWARE: list[str] = []
Q_CLUSTER = {**Q_CLUSTER, "workers": 2, "timeout": 60, "retry": 120, "bulk": 10, "queue_limit": 50, "poll": 0.05}

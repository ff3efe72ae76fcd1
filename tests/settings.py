"""Settings of the tests: those of the product, on the database TEST_DATABASE names (sqlite or postgres)."""

import os
import tempfile

os.environ.setdefault("VAR_DIR", tempfile.mkdtemp(prefix="automation-tests-"))
os.environ.setdefault("EMAIL_URL", "memorymail://")

from tests.databases import database_url

os.environ["DATABASE_URL"] = database_url(os.environ.get("TEST_DATABASE", "sqlite"))

from config.settings import *  # noqa: F403
from config.settings import DATABASES, INSTALLED_APPS, VAR_DIR

INSTALLED_APPS = [*INSTALLED_APPS, "tests.specimens"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DATABASES["default"]["CONN_MAX_AGE"] = 0
# A file, not memory: tests with threads and processes open connections of their own.
DATABASES["default"]["TEST"] = (
    {"NAME": str(VAR_DIR / f"test-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.sqlite3")}
    if "sqlite" in DATABASES["default"]["ENGINE"]
    else {}
)
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
WHITENOISE_AUTOREFRESH = True
OUTBOUND_ALLOW = ["127.0.0.0/8", "::1/128", "localhost"]

"""Settings: read from the environment (README, "Environment"), grouped, without logic of their own."""

import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import environ

from config.keys import encryption_keys, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
env = environ.Env()

# --- Installation ---------------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
VAR_DIR = Path(env.str("VAR_DIR", default=str(VAR_DIR)))
VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
SECRET_KEY = secret_key(env, VAR_DIR)
ENCRYPTION_KEYS = encryption_keys(env, VAR_DIR)
PUBLIC_URL = env.str("PUBLIC_URL", default="http://localhost:8000").rstrip("/")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", urlsplit(PUBLIC_URL).hostname or "localhost"]
)
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
PORT = env.int("PORT", default=8000)
HTTPS = PUBLIC_URL.startswith("https://")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the site is ours (config/admin_site.py)
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "unfold.contrib.guardian",
    "unfold.contrib.simple_history",
    "config.apps.ProductAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "guardian",
    "simple_history",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_q",
    "automations",
    "runs",
    "webhooks",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database: SQLite under var/ unless DATABASE_URL says otherwise ---------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'automation.sqlite3'}")}
DATABASE_DIRECT_URL = env.str("DATABASE_DIRECT_URL", default="")
DATABASES["default"]["HOST"] = unquote(DATABASES["default"].get("HOST") or "")  # a socket's folder, %2F for /
DATABASES["default"]["CONN_MAX_AGE"] = 600
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        # IMMEDIATE: a writer waits for the lock at BEGIN, where waiting is safe, instead of failing at its first write.
        transaction_mode="IMMEDIATE",
        timeout=30,
        init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000; "
        "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=ON;",
    )
else:
    # A stopped process must not hold locks for ever (docs/execution.md, "Workers and death").
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault(
        "options", "-c idle_in_transaction_session_timeout=15000 -c lock_timeout=20000"
    )

# --- Queue: django-q2 carries a few coarse, idempotent tasks; the database holds the truth -----------------------
REDIS_URL = env.str("REDIS_URL", default="")
Q_CLUSTER = {
    "name": "automation",
    "workers": env.int("WORKERS", default=3),
    "timeout": -1,
    "retry": 86_400,
    "queue_limit": 1,
    "bulk": 1,
    "save_limit": -1,
    "ack_failures": True,
    "max_attempts": 1,
    "guard_cycle": 0.5,
    "catch_up": False,
    "scheduler": False,
    "recycle": 1_000_000,
    "poll": 0.2,
    "log_level": "WARNING",
    "label": "Queue",
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
}
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}

# --- People ----------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ANONYMOUS_USER_NAME = None
GUARDIAN_RAISE_403 = True
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SIMPLE_HISTORY_REVERT_DISABLED = False

# --- API -------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "config.authentication.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["automations.api.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "automations.api.pagination.NewestFirst",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "automations.api.problems.problem_response",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
REST_KNOX = {"TOKEN_TTL": None, "AUTH_HEADER_PREFIX": "Token"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Automation API",
    "DESCRIPTION": "Workflows with guardrails: define, simulate, release, run, explain, repair.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "WorkflowMode": "automations.models.Mode",
        "RunMode": "runs.models.Run.Mode",
        "RunStatus": "runs.states.RunStatus",
        "StepStatus": "runs.states.StepStatus",
        "ApprovalState": "runs.states.ApprovalState",
        "BatchState": "runs.states.BatchState",
        "DeadLetterState": "runs.states.DeadLetterState",
        "ReleaseKind": "automations.models.Release.Kind",
        "ScenarioKind": "runs.models.ScenarioResult.Kind",
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024

# --- Mail ------------------------------------------------------------------------------------------------------
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="automation@localhost")

# --- The wire --------------------------------------------------------------------------------------------------
OUTBOUND_ALLOW = env.list("OUTBOUND_ALLOW", default=[])
AUTOMATION_CONFIG = env.str("AUTOMATION_CONFIG", default="")

# --- Static files ----------------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 3600

# --- Time and language -----------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")

# --- Transport: an https PUBLIC_URL switches everything on that needs it ----------------------------------------
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # probes come from inside, without TLS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- Logging: one JSON object per line ---------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "config.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": sys.stderr}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django-q": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}

# --- Admin -----------------------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Automation",
    "SITE_HEADER": "Automation",
    "SITE_SUBHEADER": "Workflows with guardrails",
    "SITE_SYMBOL": "account_tree",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97.5% .013 195)",
            "100": "oklch(94% .03 195)",
            "200": "oklch(88% .055 195)",
            "300": "oklch(80% .08 195)",
            "400": "oklch(70% .095 196)",
            "500": "oklch(58% .09 197)",
            "600": "oklch(50% .08 199)",
            "700": "oklch(43% .07 200)",
            "800": "oklch(37% .058 202)",
            "900": "oklch(31% .048 204)",
            "950": "oklch(23% .038 206)",
        }
    },
    "SIDEBAR": {"show_search": True, "navigation": "config.admin_site.navigation"},
}

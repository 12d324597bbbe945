"""All settings. What differs between installations is read from the environment, at the top.

There are three modes. Production is the default, and refuses to start without what keeps it safe.
The demo (IAMCLEANUP_DEMO=1) refuses to start where it could reach a real account. Tests
(IAMCLEANUP_TEST=1) never reach one. `.env.example` lists every variable.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import environ
from celery.schedules import schedule
from csp.constants import NONE, SELF

from iamcleanup import play

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
env = environ.Env()


def secret(name: str) -> str:
    """A secret from the variable `name`, or from the file that `name` + _FILE names; else "".

    A file is what Docker, Kubernetes and Vault hand secrets out as. Refuses to start where both
    are set, or the file cannot be read: a channel would be silent without anybody knowing why.
    """
    value: str = env.str(name, default="")
    path = env.str(f"{name}_FILE", default="")
    if not path:
        return value.strip()
    if value:
        play.refuse([f"{name} and {name}_FILE are both set. Unset one of them."])
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        play.refuse([f"{name}_FILE names {path}, which cannot be read: {type(error).__name__}."])
        raise


# --- What an installation chooses -------------------------------------------------------------

IAMCLEANUP_DEMO = env.bool("IAMCLEANUP_DEMO", default=False)
IAMCLEANUP_TEST = env.bool("IAMCLEANUP_TEST", default=False)
PLAY = IAMCLEANUP_DEMO or IAMCLEANUP_TEST

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="only for the demo and the tests" * 2 if PLAY else "")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# How many proxies of yours stand in front; needed to throttle sign-in by the caller's address.
TRUSTED_PROXIES = env.int("IAMCLEANUP_TRUSTED_PROXIES", default=0)
IAMCLEANUP_BIND = env.str("IAMCLEANUP_BIND", default="127.0.0.1:8000")

DATABASE_URL = env.str("DATABASE_URL", default="postgres://postgres@127.0.0.1:5432/iamcleanup")
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="redis://127.0.0.1:6379/0")
REDIS_URL = env.str("REDIS_URL", default="")

# boto3 reads the AWS_* variables itself. This one is named because play depends on it.
AWS_ENDPOINT_URL = env.str("AWS_ENDPOINT_URL", default="")
# Account ids that may be declared `sandbox: true` although they are real.
IAMCLEANUP_SANDBOX_ACCOUNTS = env.list("IAMCLEANUP_SANDBOX_ACCOUNTS", default=[])
# Whether a personal token with the `approve` scope may approve a delete.
IAMCLEANUP_API_APPROVES_DELETES = env.bool("IAMCLEANUP_API_APPROVES_DELETES", default=False)
# How many users of a running batch one write worker works on at the same time; each takes a
# database connection. The account's rate of writes holds for all of them together.
IAMCLEANUP_USERS_AT_ONCE = env.int("IAMCLEANUP_USERS_AT_ONCE", default=20)
# Where people reach the product: every link in a message begins with it.
IAMCLEANUP_URL = env.str("IAMCLEANUP_URL", default="") or next(
    iter(CSRF_TRUSTED_ORIGINS), f"http://{IAMCLEANUP_BIND}"
)
# Whoever scrapes /metrics sends this as a bearer token; without one it is closed in production.
IAMCLEANUP_METRICS_TOKEN = env.str("IAMCLEANUP_METRICS_TOKEN", default="")
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
# Makes the pseudonyms of people in the ledger; keep it for ever, they change with it.
IAMCLEANUP_LEDGER_KEY = env.str("IAMCLEANUP_LEDGER_KEY", default="") or SECRET_KEY
# Signs evidence packs: an Ed25519 private key, for the worker of the queue `read` alone.
IAMCLEANUP_PACK_KEY = secret("IAMCLEANUP_PACK_KEY")
# Hosts (or host:port) of your own network that messages may be sent to, with http too.
IAMCLEANUP_PRIVATE_HOSTS = env.list("IAMCLEANUP_PRIVATE_HOSTS", default=[])
IAMCLEANUP_SLACK_TOKEN = secret("IAMCLEANUP_SLACK_TOKEN")
IAMCLEANUP_SLACK_WEBHOOK = secret("IAMCLEANUP_SLACK_WEBHOOK")
IAMCLEANUP_SLACK_URL = env.str("IAMCLEANUP_SLACK_URL", default="https://slack.com/api/")
IAMCLEANUP_WEBHOOK_URL = secret("IAMCLEANUP_WEBHOOK_URL")
IAMCLEANUP_WEBHOOK_SECRET = secret("IAMCLEANUP_WEBHOOK_SECRET")
# smtp+tls://user:password@mail.example.com:587
IAMCLEANUP_MAIL_URL = secret("IAMCLEANUP_MAIL_URL")
IAMCLEANUP_MAIL_FROM = env.str("IAMCLEANUP_MAIL_FROM", default="")
IAMCLEANUP_JIRA_URL = env.str("IAMCLEANUP_JIRA_URL", default="").rstrip("/")
IAMCLEANUP_JIRA_EMAIL = env.str("IAMCLEANUP_JIRA_EMAIL", default="")
IAMCLEANUP_JIRA_TOKEN = secret("IAMCLEANUP_JIRA_TOKEN")
IAMCLEANUP_JIRA_ISSUE_TYPE = env.str("IAMCLEANUP_JIRA_ISSUE_TYPE", default="Task")
# The transition, or the status it leads to, that ends an issue.
IAMCLEANUP_JIRA_DONE = env.str("IAMCLEANUP_JIRA_DONE", default="Done")

# Sign-in by OpenID Connect; without an issuer there are local accounts only.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="")
OIDC_NAME = env.str("OIDC_NAME", default="single sign-on")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = secret("OIDC_CLIENT_SECRET")
OIDC_SCOPES = env.str("OIDC_SCOPES", default="openid email profile")
OIDC_GROUPS_CLAIM = env.str("OIDC_GROUPS_CLAIM", default="groups")
# E-mail domains for which the issuer's word is enough where it sends no `email_verified`.
OIDC_EMAIL_DOMAINS = env.list("OIDC_EMAIL_DOMAINS", default=[])
# Whether people may sign in with a password of ours, and then always a second factor.
IAMCLEANUP_LOCAL_SIGN_IN = env.bool("IAMCLEANUP_LOCAL_SIGN_IN", default=True)

# --- Refusals ---------------------------------------------------------------------------------

play.refuse(play.clock_refusals(os.environ, play=PLAY))
play.refuse(play.sign_in_refusals(os.environ, local=IAMCLEANUP_LOCAL_SIGN_IN, play=PLAY))
if IAMCLEANUP_DEMO:
    play.refuse(play.endpoint_refusals(os.environ) + play.bind_refusals(IAMCLEANUP_BIND))
elif IAMCLEANUP_TEST:
    play.refuse(play.endpoint_refusals(os.environ) if AWS_ENDPOINT_URL else [])
else:
    play.refuse(play.production_refusals(os.environ))

# --- Apps -------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "iamcleanup",
    "inventory",
    "migrations_app",
    *(["demo"] if PLAY else []),
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
    "csp",
    "template_partials",
    "widget_tweaks",
    "django_structlog",
]

MIDDLEWARE = [
    *(["iamcleanup.play.OnlyThisMachine"] if IAMCLEANUP_DEMO else []),
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # After WhiteNoise, whose files are compressed already.
    "iamcleanup.compressed.CompressedMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "iamcleanup.fragments.FragmentsMiddleware",
    # Every page asks for sign-in unless it says `@login_not_required`.
    "iamcleanup.sign_in.SignedInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "iamcleanup.refused.RefusedMiddleware",
    "iamcleanup.request_log.LoggedMiddleware",
]

ROOT_URLCONF = "iamcleanup.urls"
WSGI_APPLICATION = "iamcleanup.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "migrations_app.shell.context",
                *(["demo.people.context"] if IAMCLEANUP_DEMO else []),
            ],
        },
    }
]

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False

# --- Stores -----------------------------------------------------------------------------------

DATABASES = {"default": environ.Env.db_url_config(DATABASE_URL)}
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True


def _as_redis_url(broker: str) -> str:
    """Celery writes a socket as redis+socket://PATH?virtual_host=N, redis-py as unix://PATH?db=N."""
    if not broker.startswith("redis+socket://"):
        return broker
    parts = urlsplit(broker)
    number = parse_qs(parts.query).get("virtual_host", ["0"])[0]
    return f"unix://{parts.path}?db={number}"


# Limiter and cache live beside the broker unless they are given a Redis of their own.
REDIS_URL = REDIS_URL or _as_redis_url(CELERY_BROKER_URL)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "iamcleanup",
        # A Redis that hangs must not hold up a page for longer than one that is gone.
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
    }
}

# --- Celery -----------------------------------------------------------------------------------

CELERY_TIMEZONE = "UTC"
CELERY_TASK_DEFAULT_QUEUE = "read"
# A message is taken off only when its task is done: a killed worker costs time, not work.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# Hold no message that another worker could run now.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Rows tell what happened; nobody waits for a result, so none is stored.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TRACK_STARTED = False
# A task works a minute at most and enqueues itself again; these are the walls behind that.
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_TIME_LIMIT = 300
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Longer than the hard time limit, else Redis hands out a task that is still running.
    "visibility_timeout": 900,
    # Without these two, what a dead worker held comes back only every hundred seconds or so.
    "unacked_restore_interval": 15,
    "unacked_restore_throttle": 1,
    "socket_keepalive": True,
    "health_check_interval": 30,
    "socket_timeout": 30,
}
# On SIGTERM a running task gets this many seconds to end before its message goes back.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30
# Long-lived children fragment memory; a fresh one now and then is cheap.
CELERY_WORKER_MAX_TASKS_PER_CHILD = 200
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_RESULT_EXPIRES = 3600
# In memory: no file to lose or to share. Each tick asks the rows what is due, so an extra or a
# late one is harmless.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"


def _every(seconds: int, *, demo: int | None = None) -> schedule:
    """A period in seconds; the demo may beat quicker, so that nobody waits for it."""
    return schedule(run_every=demo if IAMCLEANUP_DEMO and demo else seconds)


CELERY_BEAT_SCHEDULE = {
    "move what is due": {
        "task": "migrations_app.tasks.sweep",
        "schedule": _every(60, demo=5),
        "options": {"queue": "read", "expires": 60},
    },
    "restore what is asked": {
        "task": "migrations_app.tasks.sweep_restores",
        "schedule": _every(60, demo=5),
        "options": {"queue": "restore", "expires": 60},
    },
    "send what is due": {
        "task": "migrations_app.tasks.send_messages",
        "schedule": _every(30, demo=5),
        "options": {"queue": "notify", "expires": 30},
    },
    "listen to fenced and shut users": {
        "task": "migrations_app.tasks.listen",
        "schedule": _every(15 * 60, demo=30),
        "options": {"queue": "read", "expires": 15 * 60},
    },
    "listen to the break-glass user": {
        "task": "migrations_app.tasks.watch_break_glass",
        "schedule": _every(15 * 60, demo=60),
        "options": {"queue": "read", "expires": 15 * 60},
    },
    "see whether new ways in are used": {
        "task": "migrations_app.tasks.look_at_plans",
        "schedule": _every(60 * 60, demo=60),
        "options": {"queue": "read", "expires": 60 * 60},
    },
    "sync accounts that are due": {
        "task": "inventory.tasks.sync_due",
        # A sync is due every few hours; one that a lost worker left lying is taken up at once.
        "schedule": _every(60, demo=15),
        "options": {"queue": "read", "expires": 60},
    },
    # One tick per queue: that it runs tells /readyz that beat and that queue's worker live.
    **{
        f"hear from the {queue} worker": {
            "task": "iamcleanup.health.beat_tick",
            "schedule": _every(15),
            "options": {"queue": queue, "expires": 60},
        }
        for queue in ("read", "write", "restore", "notify")
    },
}

# --- Sign-in ----------------------------------------------------------------------------------

AUTH_USER_MODEL = "inventory.Person"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "iamcleanup.sign_in.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
# "Too many tries. Wait 5 minutes." The counts live in Redis, shared by all web processes.
ACCOUNT_RATE_LIMITS = {"login": "60/m/ip", "login_failed": "20/m/ip,5/5m/key"}
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
MFA_ADAPTER = "iamcleanup.second_factor.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "IAM Cleanup"
# Half-minutes by which a phone's clock may differ.
MFA_TOTP_TOLERANCE = 1

# --- Browser ----------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        # data: is for the check marks and arrows inside Tabler's CSS.
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
PERMISSIONS_POLICY: dict[str, list[str]] = {
    feature: []
    for feature in (
        "accelerometer",
        "autoplay",
        "camera",
        "display-capture",
        "encrypted-media",
        "fullscreen",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "iamcleanup.error_pages.forged"
# The demo and the tests speak plain HTTP to this machine.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = not PLAY
SECURE_HSTS_SECONDS = 0 if PLAY else 365 * 24 * 60 * 60
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None

STATIC_URL = "/static/"
STATIC_ROOT = None if PLAY else BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# The demo serves the files as they lie there, so that it needs no collecting step.
WHITENOISE_USE_FINDERS = PLAY
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if PLAY
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- Logging ----------------------------------------------------------------------------------

DJANGO_STRUCTLOG_CELERY_ENABLED = True
LOGGING_CONFIG = "iamcleanup.logs.configure"
LOGGING = {"level": LOG_LEVEL, "as_json": not PLAY}

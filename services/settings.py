"""The site's settings, read once from the environment (and `.env`) and frozen.

Documented for operators in docs/configuration.md. A malformed value stops the start with one clear
line; names that are not known are ignored.
"""

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from limits import parse_many

ASSISTANTS: Final = ("tutor", "stories", "todos", "study", "search")
# The specification's own limit (REQUIREMENTS R8).
SEARCH_DEADLINE_S: Final = 60.0
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})
_REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://", "valkey://", "valkeys://")
_DATABASE_SCHEMES: Final = ("sqlite:///", "postgresql://", "postgresql+psycopg://", "postgres://")


class BadSetting(SystemExit):
    """A setting that cannot be used; ends the process with one line on standard error."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Times in seconds, sizes in the unit that the name says."""

    secret_key: str = field(repr=False)
    data_dir: Path
    bind: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    web_concurrency: int = 2
    proxy_hops: int = 0
    database_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    openai_api_key: str = field(default="", repr=False)
    openai_base_url: str = ""
    openai_model: str = "gpt-4o-mini"
    embedding_model: str = ""
    embedding_base_url: str = ""
    embedding_api_key: str = field(default="", repr=False)
    model_fallback: bool = True
    model_vision: bool = True
    model_connect_timeout_s: float = 5.0
    model_first_token_timeout_s: float = 60.0
    model_token_timeout_s: float = 60.0
    builtin_pace_ms: int = 20
    registration: str = "open"
    registration_rate_limit: str = "30/hour"
    cors_origins: tuple[str, ...] = ()
    streaming_enabled: bool = True
    max_streaming_connections: int = 100
    streaming_timeout_s: float = 300.0
    streaming_chunk_size_words: int = 200
    stream_disconnect_grace_s: float = 300.0
    stream_ttl_s: int = 3600
    stream_heartbeat_s: float = 15.0
    stream_idle_s: float = 60.0
    stream_retry_attempts: int = 3
    drain_s: float = 25.0
    user_max_streams: int = 5
    rate_limits: Mapping[str, str] = field(default_factory=dict)
    max_streams: Mapping[str, int] = field(default_factory=dict)
    todos_monthly_quota: int = 200
    todos_feed_rate_limit: str = "120/minute"
    stories_check: str = "auto"
    study_points: int = 1000
    study_tokens_per_point: int = 30
    study_points_per_media: int = 2
    study_points_minimum: int = 1
    study_context_tokens: int = 4000
    max_upload_mb: int = 25
    media_total_mb: int = 200
    bases_total_mb: int = 1000
    media_url_hosts: tuple[str, ...] = ()
    ingest_processes: int = 1
    enable_logs: bool = False

    @property
    def model_configured(self) -> bool:
        """Whether a model answers; without one the built-in engine does."""
        return bool(self.openai_api_key or self.openai_base_url)

    def deadline_s(self, assistant: str) -> float:
        """How long an answer of this assistant's may take."""
        return min(SEARCH_DEADLINE_S, self.streaming_timeout_s) if assistant == "search" else self.streaming_timeout_s

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force; SQLite in `data_dir` unless one was given."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir / 'rill.sqlite3'}"
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", self.database_url)


def _text(value: str) -> str:
    return value


def _flag(value: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise ValueError("must be on or off")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"-?\d{1,12}", value) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) or not low <= float(value) <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return float(value)

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return parse


def _address(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+/?", value):
        raise ValueError("must be an address such as https://rill.example.org, without a path")
    return value.rstrip("/")


def _starting_with(*prefixes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not value.startswith(prefixes):
            raise ValueError(f"must begin with one of {', '.join(prefixes)}")
        return value

    return parse


def _redis_url(value: str) -> str:
    if "cluster" in value.split("://", 1)[0] or "," in value.split("@")[-1]:
        raise ValueError("names a cluster, which is not supported yet: give one server's address")
    return _starting_with(*_REDIS_SCHEMES)(value)


def _rate(value: str) -> str:
    try:
        parse_many(value)
    except ValueError:
        raise ValueError('must be a rate such as "5/minute"') from None
    return value


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
    for origin in origins:
        if not re.fullmatch(r"https?://[A-Za-z0-9.\-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:]+\](:\d{1,5})?", origin):
            raise ValueError(f"must be origins such as https://example.org, separated by commas; {origin!r} is not one")
    return origins


def _hosts(value: str) -> tuple[str, ...]:
    hosts = tuple(part.strip().lower() for part in value.split(",") if part.strip())
    for host in hosts:
        if not re.fullmatch(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+(:\d{1,5})?", host):
            raise ValueError(
                f"must be hosts such as example.org or *.example.org, separated by commas; {host!r} is not one"
            )
    return hosts


# Environment name -> (field, parser). An empty value counts as not set.
FIELDS: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "BIND": ("bind", _text),
    "PORT": ("port", _whole(1, 65535)),
    "PUBLIC_URL": ("public_url", _address),
    "WEB_CONCURRENCY": ("web_concurrency", _whole(1, 64)),
    "PROXY_HOPS": ("proxy_hops", _whole(0, 8)),
    "DATABASE_URL": ("database_url", _starting_with(*_DATABASE_SCHEMES)),
    "REDIS_URL": ("redis_url", _redis_url),
    "OPENAI_API_KEY": ("openai_api_key", _text),
    "OPENAI_BASE_URL": ("openai_base_url", _starting_with("http://", "https://")),
    "OPENAI_MODEL": ("openai_model", _text),
    "EMBEDDING_MODEL": ("embedding_model", _text),
    "EMBEDDING_BASE_URL": ("embedding_base_url", _starting_with("http://", "https://")),
    "EMBEDDING_API_KEY": ("embedding_api_key", _text),
    "MODEL_FALLBACK": ("model_fallback", _flag),
    "MODEL_VISION": ("model_vision", _flag),
    "MODEL_CONNECT_TIMEOUT": ("model_connect_timeout_s", _seconds(0.1, 300)),
    "MODEL_FIRST_TOKEN_TIMEOUT": ("model_first_token_timeout_s", _seconds(0.1, 3600)),
    "MODEL_TOKEN_TIMEOUT": ("model_token_timeout_s", _seconds(0.1, 3600)),
    "BUILTIN_PACE_MS": ("builtin_pace_ms", _whole(0, 10_000)),
    "REGISTRATION": ("registration", _one_of("open", "invite", "closed")),
    "REGISTRATION_RATE_LIMIT": ("registration_rate_limit", _rate),
    "CORS_ORIGINS": ("cors_origins", _origins),
    "STREAMING_ENABLED": ("streaming_enabled", _flag),
    "MAX_STREAMING_CONNECTIONS": ("max_streaming_connections", _whole(1, 100_000)),
    "STREAMING_TIMEOUT": ("streaming_timeout_s", _seconds(1, 86_400)),
    "STREAMING_CHUNK_SIZE": ("streaming_chunk_size_words", _whole(1, 10_000)),
    "STREAM_DISCONNECT_GRACE": ("stream_disconnect_grace_s", _seconds(0, 86_400)),
    "STREAM_TTL": ("stream_ttl_s", _whole(60, 2_592_000)),
    "STREAM_HEARTBEAT": ("stream_heartbeat_s", _seconds(0.1, 300)),
    "STREAM_IDLE": ("stream_idle_s", _seconds(0, 86_400)),
    "STREAM_RETRY_ATTEMPTS": ("stream_retry_attempts", _whole(0, 100)),
    "DRAIN_SECONDS": ("drain_s", _seconds(0, 3600)),
    "USER_MAX_STREAMS": ("user_max_streams", _whole(1, 1000)),
    "TODOS_MONTHLY_QUOTA": ("todos_monthly_quota", _whole(0, 10_000_000)),
    "TODOS_FEED_RATE_LIMIT": ("todos_feed_rate_limit", _rate),
    "STORIES_CHECK": ("stories_check", _one_of("auto", "rules", "moderation", "model")),
    "STUDY_POINTS": ("study_points", _whole(0, 10_000_000)),
    "STUDY_TOKENS_PER_POINT": ("study_tokens_per_point", _whole(1, 1_000_000)),
    "STUDY_POINTS_PER_MEDIA": ("study_points_per_media", _whole(0, 10_000)),
    "STUDY_POINTS_MINIMUM": ("study_points_minimum", _whole(0, 10_000)),
    "STUDY_CONTEXT_TOKENS": ("study_context_tokens", _whole(500, 1_000_000)),
    "MAX_UPLOAD_MB": ("max_upload_mb", _whole(1, 2048)),
    "MEDIA_TOTAL_MB": ("media_total_mb", _whole(1, 1_000_000)),
    "BASES_TOTAL_MB": ("bases_total_mb", _whole(1, 1_000_000)),
    "MEDIA_URL_HOSTS": ("media_url_hosts", _hosts),
    "INGEST_PROCESSES": ("ingest_processes", _whole(0, 16)),
    "ENABLE_LOGS": ("enable_logs", _flag),
}
PER_ASSISTANT: Final = {
    f"{name.upper()}_{suffix}": (name, group, parser)
    for name in ASSISTANTS
    for suffix, group, parser in (
        ("RATE_LIMIT", "rate_limits", _rate),
        ("MAX_STREAMS", "max_streams", _whole(1, 1000)),
    )
}
DEFAULT_RATE_LIMITS: Final = {name: "5/minute" if name == "tutor" else "10/minute" for name in ASSISTANTS}
DEFAULT_MAX_STREAMS: Final = {name: 3 if name == "search" else 2 for name in ASSISTANTS}
_EMBEDDING_SERVERS: Final = ("openai_api_key", "openai_base_url", "embedding_api_key", "embedding_base_url")
# Where these two default depends on the file system, so they are read apart from the table.
SPECIAL: Final = ("SECRET_KEY", "DATA_DIR")


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Args:
        environ: Names and values, usually `os.environ` over the contents of `.env`.

    Raises:
        BadSetting: A known name has a value that cannot be used; the line names it and says why.
    """
    values: dict[str, Any] = {
        "rate_limits": dict(DEFAULT_RATE_LIMITS),
        "max_streams": dict(DEFAULT_MAX_STREAMS),
    }
    for name, (key, parser) in FIELDS.items():
        if environ.get(name, "").strip():
            values[key] = _parsed(name, environ[name].strip(), parser)
    for name, (assistant, group, per_parser) in PER_ASSISTANT.items():
        if environ.get(name, "").strip():
            values[group][assistant] = _parsed(name, environ[name].strip(), per_parser)
    data_dir = Path(environ.get("DATA_DIR", "").strip() or "var").absolute()
    if values.get("embedding_model") and not any(values.get(name) for name in _EMBEDDING_SERVERS):
        raise BadSetting("EMBEDDING_MODEL needs OPENAI_API_KEY, OPENAI_BASE_URL or EMBEDDING_BASE_URL")
    secret_key = environ.get("SECRET_KEY", "").strip()
    if secret_key and len(secret_key) < 16:
        raise BadSetting("SECRET_KEY must have at least 16 characters; leave it empty to have one made")
    return Settings(secret_key=secret_key or _kept_secret(data_dir), data_dir=data_dir, **values)


def _parsed(name: str, value: str, parser: Callable[[str], Any]) -> Any:
    try:
        return parser(value)
    except ValueError as problem:
        raise BadSetting(f"{name} {problem}") from None


def _kept_secret(data_dir: Path) -> str:
    """The secret kept in `data_dir/secret_key`, made on first use and readable by its owner only."""
    path = data_dir / "secret_key"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        # Written aside and linked: two processes that start together agree on one key, and a
        # process killed here leaves no half-written one.
        aside = data_dir / f".secret_key.{os.getpid()}"
        if not path.exists():
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(48))
            try:
                os.link(aside, path)
            except FileExistsError:
                pass
            finally:
                aside.unlink()
        return path.read_text(encoding="ascii").strip()
    except OSError as problem:
        raise BadSetting(f"DATA_DIR {str(data_dir)!r} cannot be used: {problem.strerror}") from None

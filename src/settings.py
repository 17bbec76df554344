"""Settings: every setting of a Callboard process, read once from the environment and `.env`.

Each has a unit, a default and a line of docs; a test checks docs/reference/settings.md against this file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Literal, get_origin
from urllib.parse import quote

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from . import COMMAND
from .configuration import broker_url, setting_checks
from .configuration.kept_secrets import kept_secret
from .configuration.setting_groups import AlertSettings, ConsoleSettings, MailSettings, ProxySettings, RetentionSettings
from .configuration.setting_sources import PREFIX, Chosen, misspelled, problems_of, running, sentence, unreadable

#: where Docker and Kubernetes mount secrets: the file callboard_secret_key there is CALLBOARD_SECRET_KEY
SECRETS_DIR = "/run/secrets"


#: settings whose empty value means something other than the default
EMPTY_MEANS = {"api_rate"}
#: a hundred years
LONGEST_DAYS = 36_500


class Settings(AlertSettings, ConsoleSettings, MailSettings, ProxySettings, RetentionSettings):
    """All settings; the environment variable is `CALLBOARD_` and the field's name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        extra="ignore",
        allow_inf_nan=False,
        hide_input_in_errors=True,  # it may be a password
    )

    data_dir: Annotated[Path, AfterValidator(setting_checks.at_home)] = Field(
        Path(".callboard"), description="folder of the embedded database, broker, logs and secrets"
    )
    host: Annotated[str, AfterValidator(setting_checks.host)] = Field("127.0.0.1", description="address the web front end listens on")
    port: int = Field(8000, ge=0, le=65535, description=f"port of the web front end; taken ports are skipped by `{COMMAND} up`")

    database_url: Annotated[str, AfterValidator(setting_checks.database_url)] = Field(
        "", description="SQLAlchemy URL; empty: SQLite in the data folder (one host only)"
    )
    database_schema: Annotated[str, AfterValidator(setting_checks.schema)] = Field(
        "",
        description=f"PostgreSQL schema of Callboard's tables, created by `{COMMAND} migrate`; empty: the user's default, usually `public`",
    )
    database_pool: int = Field(20, ge=1, description="database connections that each process keeps open while it needs them")
    statement_timeout: setting_checks.Seconds = Field(
        30.0, ge=0.1, description="seconds after which PostgreSQL ends a statement of a web process; its request is answered by 503"
    )
    database_overflow: int = Field(
        100, ge=0, description="additional database connections that a process opens while all others are in use"
    )
    sqlite_cache: int = Field(16, ge=1, description="megabytes of SQLite's page cache, shared by all connections of a process")
    broker_url: Annotated[str, AfterValidator(setting_checks.broker_urls)] = Field(
        "amqp://guest:guest@127.0.0.1:5672/", description="AMQP URLs of RabbitMQ, one per node, separated by `;`"
    )
    management_url: Annotated[str, AfterValidator(setting_checks.web_addresses)] = Field(
        "",
        description="URLs of the RabbitMQ management API, one per node, separated by `;`; empty: no broker metrics",
    )
    management_public_url: Annotated[str, AfterValidator(setting_checks.web_address)] = Field(
        "", description="URL of the RabbitMQ management UI for links in the browser; empty: the first of CALLBOARD_MANAGEMENT_URL"
    )

    actors: Annotated[str, AfterValidator(setting_checks.modules)] = Field(
        "",
        description=f"modules, or folders of modules (with a `/`), whose actors are loaded besides those of {__package__}.actors, separated by commas",
    )
    api_rate: Annotated[str, AfterValidator(setting_checks.rate)] = Field(
        "30000/m", description="API requests per token or user that each web process accepts, e.g. 600/m; empty: no limit"
    )
    workers: int = Field(2, ge=0, le=64, description=f"worker processes that `{COMMAND} up` starts")
    threads: int = Field(8, ge=1, le=256, description="actor threads per worker process")

    secret_key: Annotated[str, AfterValidator(setting_checks.key)] = Field(
        "", description="key that signs browser sessions, at least 12 characters; empty: generated once and kept in the data folder"
    )
    timezone: Annotated[str, AfterValidator(setting_checks.zone)] = Field(
        "UTC", description="IANA name of the time zone in which pages show times"
    )
    log_level: Annotated[str, AfterValidator(setting_checks.level)] = Field("INFO", description="lowest level that is logged")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`console`: readable; `json`: a JSON object per line; `auto`: `console` on a terminal, `json` otherwise"
    )

    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="first port for the metrics of worker and scheduler processes; each takes the first free one from here on; 0: off",
    )
    metrics_host: Annotated[str, AfterValidator(setting_checks.host)] = Field(
        "127.0.0.1", description="address on which worker and scheduler processes serve their metrics, without a token"
    )
    trace_url: Annotated[str, AfterValidator(setting_checks.trace_address)] = Field(
        "",
        description="URL of a trace in your tracing tool, for links, e.g. `http://127.0.0.1:16686/trace/{trace_id}`; empty: no links",
    )

    celery_queues: Annotated[str, AfterValidator(setting_checks.queues)] = Field(
        "", description="queues of Celery producers whose JSON messages become jobs, separated by commas; they are never declared"
    )
    foreign_messages: Literal["hold", "run"] = Field(
        "hold", description="messages published by other programs: `hold` for an operator, or `run`"
    )
    max_result_bytes: Annotated[int, BeforeValidator(setting_checks.size)] = Field(
        67_108_864, ge=1024, description="maximum size of a JSON result in bytes; an attempt with a larger one fails"
    )
    inline_result_bytes: Annotated[int, BeforeValidator(setting_checks.size)] = Field(
        262_144, ge=1024, description="bytes; a larger JSON result is stored in a file instead of the job's row"
    )
    results_dir: str = Field("", description="folder of result files, shared by all hosts; empty: `results` in the data folder")
    uploads_dir: str = Field("", description="folder of uploaded files, shared by all hosts; empty: `uploads` in the data folder")
    max_upload_bytes: Annotated[int, BeforeValidator(setting_checks.size)] = Field(
        104_857_600, ge=1024, description="maximum size in bytes of a file, and of all files of one request"
    )
    keep_uploads: setting_checks.Days = Field(
        1,
        gt=0,
        description="days to keep an uploaded file after the last job, schedule, preset or batch row that refers to it",
    )
    max_message_bytes: Annotated[int, BeforeValidator(setting_checks.size)] = Field(
        1_048_576, ge=1024, description="maximum size of a message in bytes; jobs with larger arguments are refused"
    )

    heartbeat_interval: setting_checks.Seconds = Field(2.0, gt=0, description="seconds between two heartbeats of a worker process")
    lease_duration: setting_checks.Seconds = Field(
        6.0, gt=0, description="seconds without a heartbeat after which the jobs of a worker process are taken over"
    )
    max_crashes: int = Field(3, ge=1, description="worker crashes after which a job becomes dead instead of being retried")
    publish_grace: setting_checks.Seconds = Field(
        2.0, gt=0, description="seconds that a committed job may stay unpublished before the relay publishes it"
    )
    relay_interval: setting_checks.Seconds = Field(
        0.2, gt=0, description="seconds between two polls when no job is due, of all relays of a fleet together"
    )
    reconcile_interval: setting_checks.Seconds = Field(
        15.0, gt=0, description="seconds between two comparisons of the database with RabbitMQ's queues"
    )
    reconcile_after: setting_checks.Seconds = Field(
        20.0, gt=0, description="seconds that a published job waits before the reconciler looks for its message"
    )
    early_ack_after: setting_checks.Seconds = Field(
        60.0, gt=0, description="seconds of running after which a message is acknowledged early; then the lease alone protects the job"
    )
    watchdog_after: setting_checks.Seconds = Field(
        12.0, ge=0, description="seconds that an actor may block the interpreter before the watchdog kills its worker process; 0: never"
    )
    stuck_after: setting_checks.Seconds = Field(
        30.0, gt=0, description="seconds without progress of an internal thread after which a worker process exits and is replaced"
    )
    cancel_grace: setting_checks.Seconds = Field(
        5.0, ge=0, description="seconds that an isolated actor has to react to a cancel before its process is killed"
    )
    stalled_after: setting_checks.Seconds = Field(1800.0, gt=0, description="seconds of running after which a job is shown as stalled")
    max_log_lines: int = Field(1_000, ge=1, description="maximum number of log lines stored per attempt")
    max_log_bytes: Annotated[int, BeforeValidator(setting_checks.size)] = Field(
        262_144, ge=1024, description="maximum size in bytes of the log stored per attempt"
    )
    shutdown_timeout: setting_checks.Seconds = Field(30.0, gt=0, description="seconds that a stopping worker waits for running actors")
    max_memory: Annotated[int, BeforeValidator(setting_checks.size)] = Field(
        0,
        ge=0,
        description="resident memory, e.g. 512MB or 1GiB, above which a worker process finishes its jobs and is replaced; its replacement serves first; 0: no limit",
    )
    max_jobs: int = Field(0, ge=0, description="number of jobs after which a worker process is replaced in the same way; 0: no limit")

    backup_dir: str = Field("", description="folder of the backups; empty: `backups` in the data folder")
    http_allow: Annotated[str, AfterValidator(setting_checks.hosts)] = Field(
        "",
        description="private hosts and networks that `call_http` and webhooks may reach, separated by commas, e.g. `10.0.0.0/8,wiki.intern`",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _in_small_letters(cls, value: object, info: ValidationInfo) -> object:
        """Accept the words of a setting in any case: all are small."""
        is_choice = isinstance(value, str) and get_origin(cls.model_fields[str(info.field_name)].annotation) is Literal
        return str(value).lower() if is_choice else value

    @model_validator(mode="after")
    def _fit_each_other(self) -> Settings:
        problems = []
        if self.lease_duration <= self.heartbeat_interval:
            problems.append(
                ("lease_duration", f"must be longer than CALLBOARD_HEARTBEAT_INTERVAL ({self.heartbeat_interval:g}): three times that")
            )
        if self.proxy_user_header and not self.proxy_addresses.strip():
            problems.append(("proxy_addresses", "must name the proxy that sends CALLBOARD_PROXY_USER_HEADER, or any client could send it"))
        problems += [
            (name, f"must be at most {LONGEST_DAYS} days")
            for name in type(self).model_fields
            if name.startswith("keep_") and getattr(self, name) > LONGEST_DAYS
        ]
        if problems:
            raise ValueError("\n".join(f"{PREFIX}{name.upper()} {text}" for name, text in problems))
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Ignore empty variables, which compose sets for missing values: a file in /run/secrets takes precedence over them."""
        given = [cache(one) for one in (env_settings, dotenv_settings) if isinstance(one, EnvSettingsSource) and one.env_vars]
        says_something = tuple(Chosen(settings_cls, each, lambda _name, value: value != "") for each in given)
        means_it = tuple(Chosen(settings_cls, each, lambda name, value: value == "" and name in EMPTY_MEANS) for each in given)
        in_files = Chosen(settings_cls, file_secret_settings, lambda _name, value: value != "")
        return init_settings, *says_something, in_files, *means_it

    @property
    def effective_public_url(self) -> str:
        """The console's address for links, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{host}:{self.port}"

    @property
    def effective_backup_dir(self) -> Path:
        """The folder of backups."""
        return setting_checks.at_home(Path(self.backup_dir)) if self.backup_dir else self.data_dir / "backups"

    @property
    def admins(self) -> list[str]:
        """The recipients of reports and failure mail."""
        return setting_checks.addresses_of(self.mail_admins)

    @property
    def effective_database_url(self) -> str:
        """The configured database, or SQLite in the data folder."""
        if self.database_url:
            return self.database_url
        return of_file((self.data_dir / "callboard.db").resolve())

    @property
    def effective_results_dir(self) -> Path:
        """The configured folder of large results, or one in the data folder."""
        return setting_checks.at_home(Path(self.results_dir)) if self.results_dir else self.data_dir / "results"

    @property
    def effective_uploads_dir(self) -> Path:
        """The configured folder of uploaded files, or one in the data folder."""
        return setting_checks.at_home(Path(self.uploads_dir)) if self.uploads_dir else self.data_dir / "uploads"

    @property
    def management_link(self) -> str:
        """The management UI's address for users, without the credentials with which this process queries it; empty: unknown."""
        return re.sub(r"//[^/]*@", "//", self.management_public_url or next(iter(self.management_urls), ""))

    @property
    def management_urls(self) -> list[str]:
        """The URLs of the management API, one per node, without a trailing slash."""
        return [url.strip().rstrip("/") for url in self.management_url.split(";") if url.strip()]

    @property
    def broker_urls(self) -> list[str]:
        """The normalised AMQP URLs, one per host."""
        return [broker_url.parse(url) for url in setting_checks.list_of(self.broker_url, ";")]

    @property
    def actor_modules(self) -> list[str]:
        """The modules named in CALLBOARD_ACTORS."""
        return [name.strip() for name in self.actors.split(",") if name.strip()]

    @property
    def celery_queue_names(self) -> list[str]:
        """The queues named in CALLBOARD_CELERY_QUEUES."""
        return setting_checks.list_of(self.celery_queues, ",")

    def effective_secret_key(self) -> str:
        """The configured key, or one generated once and kept in the data folder (mode 0600)."""
        if self.secret_key:
            return self.secret_key
        return kept_secret(self.data_dir / "secret_key")


def of_file(path: Path) -> str:
    """The URL of a SQLite file, whatever characters its path holds."""
    return f"sqlite:///{quote(str(path))}"


class WrongSettings(SystemExit):
    """Invalid settings. Uncaught, it ends the process with its messages, wherever the settings were first read."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("\n".join(f"{name} {sentence(problem)}" for name, problem in problems.items()))
        self.problems = problems


def _names_in_env_file() -> list[str]:
    """The names in `.env`; raises WrongSettings if it is not text."""
    file = Settings.model_config.get("env_file")
    try:
        return list(dotenv_values(str(file))) if file and os.path.isfile(str(file)) else []
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSettings(
            {str(Path(str(file)).absolute()): f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"}
        ) from None


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return this process's settings, read at the first call; raises WrongSettings.

    Settings that are not configured follow the `./run up` that runs in the data folder.
    """
    folder = SECRETS_DIR if os.path.isdir(SECRETS_DIR) else None
    problems = misspelled(Settings.model_fields, [*os.environ, *_names_in_env_file(), *(os.listdir(folder) if folder else ())])
    problems |= unreadable(folder, Settings.model_fields) if folder else {}
    try:
        settings = Settings(_secrets_dir=folder)
    except ValidationError as error:
        raise WrongSettings(problems | problems_of(error)) from None
    except SettingsError:  # a secret file that cannot be read
        raise WrongSettings(problems) from None
    if problems:
        raise WrongSettings(problems)
    for name in ("data_dir", "results_dir", "uploads_dir", "backup_dir", "mail_templates"):
        if str(getattr(settings, name)):  # absolute, as long as this process is where it was started: a job may call chdir()
            settings.__dict__[name] = type(getattr(settings, name))(setting_checks.at_home(Path(getattr(settings, name))).absolute())
    for name, value in running(settings.data_dir).items():
        if value and name not in settings.model_fields_set:
            settings.__dict__[name] = value  # not set by the operator: `model_fields_set` stays as it is
    return settings

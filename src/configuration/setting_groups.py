"""Settings of alerts, mail, proxies and retention: parts of `Settings` (src/settings.py)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from .. import COMMAND
from . import setting_checks


class AlertSettings(BaseSettings):
    """Thresholds of alerts."""

    alert_actor: str = Field(
        "mail_schedule_news",
        description="actor that is called when a schedule without its own `on_alert` misses its deadline",
    )

    alert_backlog: int = Field(1000, ge=0, description="number of ready jobs in a queue above which an alert begins; 0: no alert")
    alert_backlog_for: setting_checks.Minutes = Field(
        5, ge=0, description="minutes that a queue must stay above CALLBOARD_ALERT_BACKLOG before the alert begins"
    )
    alert_oldest: setting_checks.Minutes = Field(
        30, ge=0, description="minutes that the oldest ready job of a queue may wait before an alert begins; 0: no alert"
    )
    alert_no_worker: setting_checks.Minutes = Field(
        2, ge=0, description="minutes without a live worker process before an alert begins; 0: no alert"
    )
    alert_failures: float = Field(
        50, ge=0, lt=100, description="percentage of dead jobs among recently finished ones above which an alert begins; 0: no alert"
    )
    alert_failures_over: setting_checks.Minutes = Field(15, gt=0, description="minutes that count as recent for CALLBOARD_ALERT_FAILURES")
    alert_failures_least: int = Field(20, ge=1, description="minimum number of recently finished jobs for CALLBOARD_ALERT_FAILURES")
    alert_late: setting_checks.Minutes = Field(
        5, ge=0, description="minutes that a schedule may be overdue before an alert begins; 0: no alert"
    )
    alert_no_scheduler: setting_checks.Minutes = Field(
        1, ge=0, description="minutes without a live scheduler or relay before an alert begins; 0: no alert"
    )
    alert_fewer: setting_checks.Minutes = Field(
        2,
        ge=0,
        le=30,
        description="minutes with fewer workers or schedulers than in the previous hour before an alert begins; 0: no alert",
    )
    alert_broker: setting_checks.Minutes = Field(
        1,
        ge=0,
        description="minutes that RabbitMQ or one of its nodes may be unreachable before an alert begins; memory and disk alarms alert at once; 0: no alert",
    )
    alert_held: setting_checks.Minutes = Field(5, ge=0, description="minutes that jobs may be held before an alert begins; 0: no alert")
    alert_backup: setting_checks.Hours = Field(
        3,
        ge=0,
        description="hours without a successful backup before an alert begins; a failed backup alerts at once; 0: no alert",
    )


class ConsoleSettings(BaseSettings):
    """How the console presents itself."""

    environment: str = Field(
        "",
        max_length=24,
        pattern=r"^[^\x00-\x1f]*$",
        description="name of this installation, e.g. production, shown in the top bar and in page titles; empty: none",
    )
    environment_color: Literal["grey", "green", "blue", "purple", "amber", "red"] = Field(
        "grey", description="colour of the environment's name: `grey`, `green`, `blue`, `purple`, `amber` or `red`"
    )


class MailSettings(BaseSettings):
    """Mail server, addresses and failure mail."""

    smtp_url: Annotated[str, AfterValidator(setting_checks.mail_server)] = Field(
        "",
        description=f"URL of the mail server: `smtp://`, `smtp+starttls://` or `smtps://`, then `user:password@host:port`; empty: the built-in mailbox under `{COMMAND} up`",
    )
    mail_from: Annotated[str, AfterValidator(setting_checks.sender)] = Field(
        "Callboard <callboard@localhost>", description="default sender of mail"
    )
    mail_admins: Annotated[str, AfterValidator(setting_checks.addresses)] = Field(
        "",
        description="recipients of reports and failure mail, separated by commas; empty: the built-in mailbox, or no recipient with a real mail server",
    )
    mail_templates: Annotated[str, AfterValidator(setting_checks.folder)] = Field(
        "", description="folder of your own mail templates, NAME.txt and NAME.html, which override the built-in ones"
    )
    public_url: Annotated[str, AfterValidator(setting_checks.public_address)] = Field(
        "", description="address of the console in a browser, for links in mail; empty: host and port"
    )

    failure_mail_after: int = Field(
        3, ge=1, description="failed attempts of an error group after which it is mailed; a dead job is mailed at once"
    )
    failure_mail_quiet: setting_checks.Minutes = Field(60, gt=0, description="minutes between two emails about the same error group")


class ProxySettings(BaseSettings):
    """A reverse proxy that authenticates users."""

    proxy_user_header: Annotated[str, AfterValidator(setting_checks.header)] = Field(
        "", description="header in which a reverse proxy sends the name of the authenticated user, e.g. `X-Remote-User`; empty: none"
    )
    proxy_addresses: Annotated[str, AfterValidator(setting_checks.networks)] = Field(
        "",
        description="addresses or networks of trusted reverse proxies, separated by commas: only their `X-Forwarded-For`, `X-Forwarded-Proto` and user header are used",
    )
    proxy_new_users: Literal["", "viewer", "submitter", "operator"] = Field(
        "", description="role of a new user whom the proxy authenticates; empty: only administrators create users"
    )


class RetentionSettings(BaseSettings):
    """Days after which rows are deleted."""

    keep_succeeded: setting_checks.Days = Field(14, gt=0, description="days to keep succeeded jobs and their results")
    keep_cancelled: setting_checks.Days = Field(30, gt=0, description="days to keep cancelled and expired jobs")
    keep_dead: setting_checks.Days = Field(180, gt=0, description="days to keep dead jobs")
    keep_ticks: setting_checks.Days = Field(
        60, gt=0, description="days to keep ticks and changes of schedules; the newest 100 of each schedule stay"
    )
    keep_mails: setting_checks.Days = Field(30, gt=0, description="days to keep delivered mail; undelivered mail is kept twice as long")
    keep_reports: setting_checks.Days = Field(400, gt=0, description="days to keep reports in the archive")
    keep_audit: setting_checks.Days = Field(400, gt=0, description="days to keep audit entries")

"""Every setting is validated once, by name and with the cure; possible passwords are never shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
import trustme

from src import settings as module
from src.configuration.setting_sources import PREFIX
from src.settings import Settings, WrongSettings, get_settings
from src.up.environment import broker_is_configured

#: setting -> a wrong value, and words of the sentence about it
WRONG = {
    "PORT": ("eight", "must be a whole number"),
    "WORKERS": ("-1", "must be greater than or equal to 0"),
    "LEASE_DURATION": ("inf", "must be a finite number"),
    "HEARTBEAT_INTERVAL": ("6", "LEASE_DURATION must be longer than CALLBOARD_HEARTBEAT_INTERVAL (6)"),
    "KEEP_DEAD": ("1e9", "must be at most 36500 days"),
    "DATABASE_URL": ("mysql://u:s3cret@h/db", "must be postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
    "BROKER_URL": ("redis://:s3cret@h:6379/0", "must be amqp://USER:PASSWORD@HOST:5672/VHOST"),
    "MANAGEMENT_URL": ("localhost:15672", "must be http://HOST:PORT"),
    "MANAGEMENT_PUBLIC_URL": ("//h", "must be http://HOST:PORT"),
    "PUBLIC_URL": ("jobs.example.com", "must be http://HOST:PORT or https://HOST"),
    "API_RATE": ("fast", "must be one number of requests in a time, e.g. 600/m"),
    "TIMEZONE": ("Berlin", "did you mean Europe/Berlin?"),
    "LOG_LEVEL": ("LOUD", "must be DEBUG, INFO, WARNING, ERROR or CRITICAL"),
    "LOG_FORMAT": ("xml", "must be 'auto', 'console' or 'json'"),
    "TRACE_URL": ("http://h/trace", "with {trace_id} in it"),
    "FOREIGN_MESSAGES": ("drop", "must be 'hold' or 'run'"),
    "SMTP_URL": ("mail.example.com:25", "must be smtp://, smtp+starttls:// or smtps://"),
    "MAIL_FROM": ("Callboard", "must be one mail address"),
    "MAIL_ADMINS": ("ops", "must be mail addresses, comma separated; 'ops' is none"),
    "MAIL_TEMPLATES": ("/nowhere/templates", "must be an existing folder"),
    "HTTP_ALLOW": ("10.0.0.0/33", "must be host names, addresses or networks"),
    "PROXY_USER_HEADER": ("X Remote User", "must be the name of a header, e.g. X-Remote-User"),
    "PROXY_ADDRESSES": ("10.0.0.0/33", "'10.0.0.0/33' is none"),
    "MAX_MEMORY": ("half", "must be a size such as 512MB or 2GiB"),
    "MAX_JOBS": ("-1", "must be greater than or equal to 0"),
    "HOST": ("http://0.0.0.0", "must be an address of this machine"),
}


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused_by_name_with_what_would_be_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, words = WRONG[name]
    monkeypatch.setenv(PREFIX + name, value)

    with pytest.raises(WrongSettings) as found:
        get_settings()

    said = str(found.value)
    assert PREFIX + name in said
    assert words in said
    assert "s3cret" not in said


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_PORT", "eight")
    monkeypatch.setenv("CALLBOARD_TIMEZONE", "Nowhere")
    monkeypatch.setenv("CALLBOARD_DATABSE_URL", "x")
    with pytest.raises(WrongSettings) as found:
        get_settings()
    assert set(found.value.problems) == {"CALLBOARD_PORT", "CALLBOARD_TIMEZONE", "CALLBOARD_DATABSE_URL"}


def test_a_header_of_a_proxy_needs_the_proxys_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_PROXY_USER_HEADER", "X-Remote-User")
    with pytest.raises(WrongSettings, match="CALLBOARD_PROXY_ADDRESSES must name the proxy"):
        get_settings()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "tcp://10.0.0.1:8000", "Kubernetes sets it for a Service named callboard"),
        ("LEASE_DURATION", "soon", "must be a number of seconds, or a time such as 500ms, 30s, 5m"),
        ("LEASE_DURATION", "6,5", "must be a number of seconds"),
        ("KEEP_DEAD", "forever", "must be a number of days"),
        ("MAX_RESULT_BYTES", "1KB", "must be greater than or equal to 1024"),
        ("MAX_MEMORY", "999999999999999TB", "must be a size"),
        ("API_RATE", "100/h;10/m", "must be one number of requests"),
        ("API_RATE", "0/m", "must be one number of requests"),
        ("API_RATE", "600/x", "must be one number of requests"),
        ("HTTP_ALLOW", "10.0.0.1:8080", "'10.0.0.1:8080' is none"),
        ("HOST", "0.0.0.0:8000", "without a scheme or port"),
        ("PUBLIC_URL", "https://u:s3cret@h", "without user, password or query"),
        ("PUBLIC_URL", "https://h:0", "must be http://HOST:PORT"),
        ("SMTP_URL", "smtp://h?timeout=soon", "has timeout=soon after the `?`, where ?timeout=SECONDS"),
        ("SMTP_URL", "smtp://h?timeout=inf", "has timeout=inf"),
        ("SMTP_URL", "smtp://h?ca=/nowhere/ca.pem", "has ca=/nowhere/ca.pem, which cannot be read"),
        ("SMTP_URL", "smtp://h?x=1", "has x after the `?`"),
        ("SMTP_URL", "smtps://h?tls=off", "has tls=off"),
        ("SMTP_URL", "smtp://h/path", "must be smtp://"),
        ("MAIL_FROM", "a@x, b@y", "must be one mail address"),
        ("MAIL_FROM", "Ops <a@x", "must be one mail address"),
        ("MAIL_ADMINS", "a@x;b@y", "'a@x;b@y' is none"),
        ("ACTORS", "tasks.py", "names the file tasks.py: write its module, tasks"),
        ("ACTORS", "shop/tasks.py", "write its module, shop.tasks"),
        ("ACTORS", "a;b", "'a;b' is none"),
        ("ACTORS", "shop:app", "'shop:app' is none"),
        ("CELERY_QUEUES", "a;b", "'a;b' is none"),
        ("BROKER_URL", "amqp://u:s3cret@h?unknown=1", "has the unknown parameter 'unknown'"),
        ("BROKER_URL", "amqp://u:s3cret@h?frame_max=5", "has frame_max=5, which must be a whole number from 4096"),
        ("BROKER_URL", "amqps://u:s3cret@h?verify=verify_none", "certificates are always verified"),
        ("BROKER_URL", "amqps://u:s3cret@h?cacertfile=/nowhere/ca.pem", "has cacertfile=/nowhere/ca.pem"),
        ("BROKER_URL", "amqps://u:s3cret@h?ssl_options=x", "ssl_options that are not a Python dictionary"),
        ("BROKER_URL", "amqp://u:s3cret@h1:5672;h2:5672", "several separated by `;`"),
        ("BROKER_URL", "amqp://u:s3cret@h:0", "must be amqp://"),
        ("DATABASE_URL", "postgresql://u:s3@cret@h/d", "percent-encode"),
        ("DATABASE_URL", "postgresql://u:s3cret@h/d?unknown=1", "has the parameter unknown, which PostgreSQL does not know"),
        ("DATABASE_URL", "postgresql://u:s3cret@h/d?schema=jobs", "CALLBOARD_DATABASE_SCHEMA"),
        ("DATABASE_URL", "postgresql://u:s3cret@h/d?sslmode=on", "has sslmode=on, which must be one of disable, allow"),
        ("DATABASE_URL", "postgresql://u:s3cret@h/d?connect_timeout=5s", "has connect_timeout=5s"),
        ("DATABASE_URL", "postgresql://u:s3cret@h:99999/d", "a number from 1 to 65535"),
        ("DATABASE_URL", "postgresql://u:s3cret@h:0/d", "a number from 1 to 65535"),
        ("DATABASE_URL", "postgresql://u:s3cret@h /d", "must be postgresql://"),
        ("DATABASE_URL", "sqlite:///x.db?mode=ro", "without anything after the path"),
    ],
)
def test_a_value_that_is_nearly_right_is_refused_with_the_cure(name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(WrongSettings) as found:
        get_settings()
    assert str(found.value).startswith(PREFIX + name)
    assert words in str(found.value)
    assert "s3cret" not in str(found.value)


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("PORT", "8080 ", 8080), ("PORT", '"8080"', 8080), ("PORT", "'8080'\n", 8080), ("PORT", " ", 8000), ("PORT", '""', 8000),
        ("LOG_FORMAT", "JSON\n", "json"), ("FOREIGN_MESSAGES", "Run", "run"), ("ENVIRONMENT_COLOR", '"Red"', "red"), ("LOG_LEVEL", "'info'", "INFO"),
        ("LEASE_DURATION", "10s", 10), ("LEASE_DURATION", "1m 30s", 90), ("LEASE_DURATION", "7500ms", 7.5), ("LEASE_DURATION", "1e1", 10),
        ("ALERT_LATE", "90s", 1.5), ("ALERT_BACKUP", "2d", 48), ("KEEP_DEAD", "12h", 0.5), ("KEEP_DEAD", "26w", 182),
        ("MAX_RESULT_BYTES", "64MB", 64_000_000), ("MAX_UPLOAD_BYTES", "1GiB", 1 << 30), ("MAX_MESSAGE_BYTES", "2048", 2048),
        ("TIMEZONE", '"Europe/Berlin"\n', "Europe/Berlin"), ("HOST", "[::]", "::"), ("HOST", "0.0.0.0 ", "0.0.0.0"), ("API_RATE", " ", ""),
        ("DATABASE_SCHEMA", "jobs\n", "jobs"), ("SECRET_KEY", '"kgTn-Hs82_bYq1"', "kgTn-Hs82_bYq1"), ("PUBLIC_URL", ' "https://x.example.com" ', "https://x.example.com"),
        ("MAIL_FROM", '"Ops, Team" <ops@x.test>', '"Ops, Team" <ops@x.test>'),
    ],
)  # fmt: skip
def test_blanks_quotes_units_and_capitals_do_not_matter(name: str, value: str, meant: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    assert getattr(get_settings(), name.lower()) == meant


def test_a_name_in_quotes_may_hold_a_comma(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_MAIL_ADMINS", '"Ops, Team" <ops@x.test>, b@x.test')
    assert get_settings().admins == ['"Ops, Team" <ops@x.test>', "b@x.test"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("DATABSE_URL", "DATABASE_URL"), ("WORKER", "WORKERS"), ("BROKERURL", "BROKER_URL"), ("SMTP_URI", "SMTP_URL"), ("PROT", "PORT")],
)
def test_a_misspelled_variable_is_refused_with_the_one_that_was_meant(
    name: str, meant: str, tmp_path: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = f"CALLBOARD_{name} is not a setting: did you mean CALLBOARD_{meant}?"
    monkeypatch.setenv(PREFIX + name, "x")
    with pytest.raises(WrongSettings) as in_environment:
        get_settings()
    monkeypatch.delenv(PREFIX + name)
    (secrets / f"callboard_{name.lower()}").write_text("x")
    with pytest.raises(WrongSettings) as in_secrets:
        get_settings()
    (secrets / f"callboard_{name.lower()}").unlink()
    (tmp_path / ".env").write_text(f"CALLBOARD_{name}=x\n")
    monkeypatch.setitem(Settings.model_config, "env_file", str(tmp_path / ".env"))
    with pytest.raises(WrongSettings) as in_file:
        get_settings()
    assert [str(one.value) for one in (in_environment, in_secrets, in_file)] == [sentence] * 3


def test_variables_of_kubernetes_and_of_our_own_processes_are_no_misspellings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "SERVICE_HOST",
        "SERVICE_PORT",
        "PORT_8000_TCP",
        "PORT_8000_TCP_ADDR",
        "BEGUN_AT",
        "CALLED_FROM",
        "WEB_FD",
        "UP_FOLDER",
        "TEAM",
    ):
        monkeypatch.setenv(PREFIX + name, "x")
    assert get_settings().port == 8000


def test_a_secret_that_cannot_be_read_is_named_with_its_file(secrets: Path) -> None:
    (secrets / "callboard_secret_key").mkdir()  # as Docker makes it where there was no file to mount
    (secrets / "callboard_broker_url").write_bytes(b"\xff\xfe")
    with pytest.raises(WrongSettings) as found:
        get_settings()
    assert f"CALLBOARD_SECRET_KEY cannot be read from {secrets}/callboard_secret_key: is a folder." in str(found.value)
    assert "CALLBOARD_BROKER_URL cannot be read" in str(found.value)


def test_folders_and_files_stay_the_same_after_a_change_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (
        ("DATA_DIR", "data"),
        ("RESULTS_DIR", "results"),
        ("BACKUP_DIR", "~/backups"),
        ("DATABASE_URL", "sqlite:///jobs.db"),
    ):
        monkeypatch.setenv(PREFIX + name, value)
    found = get_settings()
    monkeypatch.chdir("/")
    assert (found.data_dir, found.effective_results_dir, found.effective_uploads_dir, found.effective_backup_dir) == (
        tmp_path / "data",
        tmp_path / "results",
        tmp_path / "data" / "uploads",
        Path("~/backups").expanduser(),
    )
    assert found.effective_database_url == f"sqlite:///{tmp_path}/jobs.db"


@pytest.mark.parametrize(("query", "scheme"), [("ssl=true", "amqps"), ("ssl=0", "amqp"), ("heartbeat=abc&connection_attempts=0", "amqp")])
def test_parameters_of_other_clients_are_understood(query: str, scheme: str) -> None:
    [url] = Settings(broker_url=f"amqp://u:p@h/x?{query}").broker_urls
    assert (pika.URLParameters(url).ssl_options is not None, url.partition(":")[0]) == (scheme == "amqps", scheme)


def test_tls_files_of_a_broker_url_reach_pika(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    [url] = Settings(
        broker_url=f"amqp://u:p@h/x?cacertfile={tmp_path}/ca.pem&verify=verify_peer&server_name_indication=mq.test"
    ).broker_urls
    options = pika.URLParameters(url).ssl_options
    assert (len(options.context.get_ca_certs()), options.server_hostname) == (1, "mq.test")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("amqp://", ("127.0.0.1", 5672, "/", "guest", "guest")),
        ("pyamqp://u:p@h:5673//", ("h", 5673, "/", "u", "p")),
        ("amqp://u:p@h//", ("h", 5672, "/", "u", "p")),
        ("amqp://u:p@h/%2F", ("h", 5672, "/", "u", "p")),
        ("amqp://u:p@h/a/b", ("h", 5672, "a/b", "u", "p")),
        ("amqp://u:p@h/a%2Fb%20c", ("h", 5672, "a/b c", "u", "p")),
        ("amqp://guest@h/x", ("h", 5672, "x", "guest", "guest")),
        ("amqp://u%40x:p%2F%23@h/x", ("h", 5672, "x", "u@x", "p/#")),
        ("amqps://u:p@[::1]/x?heartbeat=10", ("::1", 5671, "x", "u", "p")),
        (" amqp://u:p@h/x ", ("h", 5672, "x", "u", "p")),
    ],
)
def test_broker_urls_of_other_clients_are_understood(text: str, meant: tuple[str, int, str, str, str]) -> None:
    [url] = Settings(broker_url=text).broker_urls

    found = pika.URLParameters(url)
    assert (found.host, found.port, found.virtual_host, found.credentials.username, found.credentials.password) == meant


@pytest.mark.parametrize("text", ["amqp://u@h/x", "amqp://u:p#q@h/x", "amqp://u:p@h1,h2/x", "sqs://", "h:5672", ";", "amqp://u:p@h:port/"])
def test_those_that_cannot_be_are_refused_by_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_BROKER_URL", text)
    with pytest.raises(WrongSettings, match="CALLBOARD_BROKER_URL"):
        get_settings()


# empty variables


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "SECRETS_DIR", str(tmp_path))
    monkeypatch.setattr("src.up.environment.SECRETS", tmp_path)
    return tmp_path


def test_an_empty_variable_does_not_beat_the_secret_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("secret_key", "from the file\n"), ("broker_url", "amqp://u:p@h/x"), ("database_url", "postgresql://u@h/db")):
        (secrets / f"callboard_{name}").write_text(value)
        monkeypatch.setenv(f"CALLBOARD_{name.upper()}", "")

    found = get_settings()

    assert (found.secret_key, found.broker_url, found.database_url) == ("from the file", "amqp://u:p@h/x", "postgresql://u@h/db")
    assert broker_is_configured()


def test_every_setting_may_be_empty_and_is_then_as_if_it_were_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(PREFIX + name.upper(), "")

    found = get_settings()

    assert found.model_fields_set <= {"api_rate"}
    assert found.api_rate == ""  # no limit, as its description says
    assert not broker_is_configured()


def test_a_variable_that_says_something_beats_the_secret_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "callboard_secret_key").write_text("from the file")
    monkeypatch.setenv("CALLBOARD_SECRET_KEY", "from the environment")

    assert get_settings().secret_key == "from the environment"

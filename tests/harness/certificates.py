"""A certificate authority for tests, and the certificate of a server on the loopback address."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import trustme

from tests.harness.services import unprivileged_user


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority's certificate, the server's and its key."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def amqp_query(self) -> str:
        """The end of an `amqps://` URL that checks the server's certificate."""
        return f"?ssl_options={quote(repr({'ca_certs': str(self.authority), 'server_hostname': '127.0.0.1'}), safe='')}"

    @property
    def settings(self) -> dict[str, str]:
        """The settings of PostgreSQL."""
        return {"ssl": "on", "ssl_cert_file": str(self.certificate), "ssl_key_file": str(self.key)}

    @property
    def sql_query(self) -> str:
        """The end of a PostgreSQL URL that checks the server's certificate."""
        return f"?sslmode=verify-full&sslrootcert={quote(str(self.authority))}"


def make_certificates(folder: Path) -> Certificates:
    """Write the files into a new folder, as PostgreSQL wants them; its parents must be open to PostgreSQL's user."""
    folder.mkdir()
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    made = Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    authority.cert_pem.write_to_path(str(made.authority))
    for blob in server.cert_chain_pems:
        blob.write_to_path(str(made.certificate), append=True)
    server.private_key_pem.write_to_path(str(made.key))
    made.key.chmod(0o600)
    if os.geteuid() == 0:  # PostgreSQL runs as another user then
        os.chown(made.key, 0, unprivileged_user().pw_gid)
        made.key.chmod(0o640)
    return made

"""A cluster of RabbitMQ nodes on the loopback address, with quorum queues on each of them; with TLS if certificates are given."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType

from src.configuration.kept_secrets import kept_secret
from src.up.data import ports
from src.up.rabbitmq.node_files import VHOST
from tests.harness.certificates import Certificates
from tests.harness.services import BrokerNode, make_broker_node
from tests.harness.waiting import eventually

#: files that all nodes of a cluster share
SHARED = ("app_password", "admin_password", "home/.erlang.cookie")


class Cluster:
    """Use as a context: starts all nodes, the later ones join the first."""

    def __init__(self, folder: Path, *, size: int = 3, certificates: Certificates | None = None) -> None:
        self.nodes = [make_broker_node(folder / f"node-{number}") for number in range(1, size + 1)]
        first = self.nodes[0]
        for node in self.nodes:
            node.ports = replace(node.ports, epmd=first.ports.epmd)  # the nodes of one host find each other through one epmd
        for file in SHARED:
            secret = kept_secret(first.folder / file)
            for node in self.nodes[1:]:
                kept_secret(node.folder / file, make=partial(str, secret))
        self.tls_ports: list[int] = []
        for node in self.nodes:
            own = node.folder / "conf" / "conf.d"
            own.mkdir(mode=0o700, parents=True, exist_ok=True)
            (own / "cluster.conf").write_text(_formation([first, node] if node is not first else [node]))
            if certificates is not None:
                self.tls_ports.append(ports.anywhere(["tls"])["tls"])
                (own / "tls.conf").write_text(_tls(self.tls_ports[-1], certificates))

    def __enter__(self) -> Cluster:
        try:
            for node in self.nodes:
                node.start()
            self.wait_complete()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        for node in self.nodes:
            node.kill()
        self.nodes[0].stop_epmd()

    @property
    def url(self) -> str:
        """The value of CALLBOARD_BROKER_URL: every node, without TLS."""
        return ";".join(node.url_of(VHOST) for node in self.nodes)

    def tls_url(self, certificates: Certificates) -> str:
        """The same with TLS and a checked certificate."""
        urls = zip(self.nodes, self.tls_ports, strict=True)
        return ";".join(
            node.url_of(VHOST).replace("amqp://", "amqps://").replace(f":{node.ports.amqp}/", f":{port}/") + certificates.amqp_query
            for node, port in urls
        )

    @property
    def management_url(self) -> str:
        """The value of CALLBOARD_MANAGEMENT_URL."""
        return ";".join(node.management_url for node in self.nodes)

    def wait_complete(self) -> None:
        """Wait until each node says that all of them run."""
        eventually(
            lambda: all(sum(one["running"] for one in node.api("GET", "/api/nodes")) == len(self.nodes) for node in self.nodes),
            deadline_s=60, interval_s=0.5, what="all nodes have joined",
        )  # fmt: skip

    def leaders(self) -> dict[str, str]:
        """Return the leading node of each queue, as a living node says."""
        living = next(node for node in self.nodes if node.pid is not None)
        return {queue["name"]: str(queue.get("leader", "")) for queue in living.api("GET", f"/api/queues/{VHOST}")}

    def busiest(self) -> BrokerNode:
        """Return the node that leads most queues."""
        led = list(self.leaders().values())
        return max(self.nodes, key=lambda node: led.count(node.name))

    def wipe(self, node: BrokerNode) -> None:
        """Delete a killed node's data."""
        shutil.rmtree(node.folder / f"data-{node.series}")


def _formation(members: list[BrokerNode]) -> str:
    lines = ["cluster_formation.peer_discovery_backend = classic_config"]
    lines += [f"cluster_formation.classic_config.nodes.{number} = {node.name}" for number, node in enumerate(members, 1)]
    return "\n".join(lines) + "\n"


def _tls(port: int, certificates: Certificates) -> str:
    return f"""listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {certificates.authority}
ssl_options.certfile = {certificates.certificate}
ssl_options.keyfile = {certificates.key}
ssl_options.verify = verify_none
ssl_options.versions.1 = tlsv1.2
"""

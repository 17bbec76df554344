"""Descendants of a result: the tasks behind its task in the same workflow, and their graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from sqlalchemy import or_, select

from ...jobs.core.models import Job
from ...jobs.core.workflow_models import Fate, StoredEdge, StoredStep
from ...sql.database import read
from ..exceptions import IncompleteStream


class Graph(dict[Any, list[Any]]):
    """Results, each with those that had to come before it."""

    def edges(self) -> list[Any]:
        """Return the results that others follow, or that follow others."""
        return [node for node, before in self.items() if before or any(node in each for each in self.values())]

    def topsort(self) -> list[Any]:
        """Return the results, each after those before it."""
        return list(self)

    def to_dot(self, file: Any) -> None:
        """Write the graph in the language of Graphviz."""
        file.write("digraph dependencies {\n")
        for node, before in self.items():
            file.write(f'  "{node}";\n')
            file.writelines(f'  "{each}" -> "{node}";\n' for each in before)
        file.write("}\n")


class Descendants:
    """The part of AsyncResult that follows the edges of its workflow."""

    id: str

    def _job(self) -> Job | None:
        raise NotImplementedError

    @property
    def children(self) -> list[Any]:
        """Results of the tasks directly behind this one; tasks that it has sent itself are not among them."""
        job = self._job()
        if job is None:
            return []
        behind = (
            select(Job.id, Job.actor)
            .join(StoredEdge, StoredEdge.after_seq == Job.seq)
            .join(StoredStep, StoredStep.job_seq == Job.seq)
            .where(StoredEdge.before_seq == job.seq, or_(StoredStep.fate.is_(None), StoredStep.fate != Fate.NOT_NEEDED))
        )
        with read() as session:
            return [type(self)(id, task_name=actor) for id, actor in session.execute(behind.order_by(Job.seq))]  # type: ignore[call-arg]

    def iterdeps(self, intermediate: bool = False) -> Iterator[tuple[Any, Any]]:
        """Yield each descendant with the result before it, this one first. Raises IncompleteStream at a task that has not ended, unless `intermediate`."""
        waiting: deque[tuple[Any, Any]] = deque([(None, self)])
        seen: set[str] = set()
        while waiting:
            before, node = waiting.popleft()
            if node.id in seen:
                continue
            seen.add(node.id)
            yield before, node
            if node.ready():
                waiting.extend((node, child) for child in node.children)
            elif not intermediate:
                raise IncompleteStream

    def collect(self, intermediate: bool = False, **how: Any) -> Iterator[tuple[Any, Any]]:
        """Yield each descendant with its value, this one first."""
        for _, node in self.iterdeps(intermediate):
            yield node, node.get(**how)

    def get_leaf(self) -> Any:
        """Return the value of the last descendant."""
        value = None
        for _, node in self.iterdeps():
            value = node.get()
        return value

    def build_graph(self, intermediate: bool = False, formatter: Any = None) -> Graph:
        """Return the descendants as a graph."""
        graph = Graph()
        for before, node in self.iterdeps(intermediate):
            graph[node] = [] if before is None else [before]
        return graph

    @property
    def graph(self) -> Graph:
        return self.build_graph()

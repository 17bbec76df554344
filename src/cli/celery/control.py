"""celery control: actions on tasks, jobs, queues and workers, each by the verb that does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from ...up.errors import UpError
from .commands_table import COMMANDS, Effect
from .options import refuse, without_counterpart
from .running import run
from .workers import destination_option, require

#: signals that end a task here: a cancel, which raises in it
_TERM = ("TERM", "SIGTERM", "15")


@click.command()
@click.argument("action")
@click.argument("words", nargs=-1)
@destination_option
@without_counterpart("control")
def control(*, action: str, words: tuple[str, ...], destination: tuple[str, ...]) -> None:
    """Do ACTION: rate_limit TASK RATE, shutdown, revoke ID…, terminate SIGTERM ID…, cancel_consumer QUEUE, add_consumer QUEUE."""
    row = COMMANDS.get(f"control {action}")
    if row is None:
        known = [name.removeprefix("control ") for name in COMMANDS if name.startswith("control ")]
        raise UpError(f"celery control has no action {action!r}. Choose one of: {', '.join(known)}.")
    if row.effect is Effect.REFUSED:
        raise refuse(f"control {action}")
    if action == "shutdown":
        _shut_down(destination)
        return
    if destination:
        raise UpError(f"--destination of celery control {action} is not available here: it holds across the fleet. Leave it out.")
    _ACTIONS[action](words)


def _shut_down(destination: Sequence[str]) -> None:
    """Stop the named workers after their current jobs, or all. Raises UpError if a name means several: their names here are host:pid."""
    from ...celery.app.inspections import chosen
    from ...jobs.leases import workers
    from ...sql import database

    with database.read() as session:
        alive = workers.alive(session)
    require(alive)
    for name in destination:
        meant = [worker.name for worker in chosen(alive, [name])]
        if len(meant) != 1:
            raise UpError(
                f"--destination {name} means {len(meant)} workers ({', '.join(meant) or 'none of ' + str(len(alive))}): name one as host:pid."
            )
    _run_each([("workers", "stop", worker.name) for worker in chosen(alive, destination)])


def _rate_limit(words: Sequence[str]) -> None:
    task, rate = _named(words, "TASK", "RATE")
    run("limit", f"actor:{task}", "--rate", "none" if rate in ("0", "0.0") else f"{rate}/s" if rate.isdecimal() else rate)


def _revoke(words: Sequence[str]) -> None:
    """Cancel jobs that wait; one that runs goes on, as in Celery."""
    from ...jobs.core.states import State
    from ...jobs.read import queries
    from ...sql import database

    with database.read() as session:
        running = {job.id for job in queries.find_many(session, words) if job.state is State.RUNNING}
    for id in words or _named(words, "ID"):
        if id in running:
            click.echo(f"· {id} runs, and goes on: celery control terminate SIGTERM {id} stops it", err=True)
    _run_each([("cancel", id) for id in words if id not in running])


def _terminate(words: Sequence[str]) -> None:
    signal, *ids = words if len(words) > 1 else _named(words, "SIGNAL", "ID")
    if signal.upper() not in _TERM:
        raise UpError(
            f"The signal {signal} is not available here: a cancel raises in the task, and kills the process of one with a time limit. Use SIGTERM."
        )
    _run_each([("cancel", id) for id in ids])


def _cancel_consumer(words: Sequence[str]) -> None:
    [queue] = _named(words, "QUEUE")
    run("pause", f"queue:{queue}", "--reason", "celery control cancel_consumer")


def _add_consumer(words: Sequence[str]) -> None:
    [queue] = _named(words, "QUEUE")
    run("resume", f"queue:{queue}")


def _run_each(commands: Sequence[Sequence[str]]) -> None:
    """Run every verb, also behind one that fails; raises UpError with all complaints."""
    complaints = []
    for words in commands:
        try:
            run(*words)
        except UpError as error:
            complaints.append(str(error) if len(commands) == 1 else f"{words[-1]}: {error}")
    if complaints:
        raise UpError("\n".join(complaints))


def _named(words: Sequence[str], *names: str) -> Sequence[str]:
    if len(words) != len(names):
        raise UpError(f"Give {' '.join(names)}, not {len(words)} words.")
    return words


_ACTIONS: dict[str, Callable[[Sequence[str]], None]] = {
    "rate_limit": _rate_limit, "revoke": _revoke, "terminate": _terminate, "cancel_consumer": _cancel_consumer, "add_consumer": _add_consumer,
}  # fmt: skip

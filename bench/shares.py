"""User A submits 100,000 jobs, then user B ten to the same queue: is B done in seconds?

.venv/bin/python -m bench.shares --store postgresql
"""

from __future__ import annotations

import time

from bench.sides import measured
from bench.site import open_site, parser, tell, until
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit_many

TOGETHER = 1000
#: seconds
PROMISED_S = 5.0


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--many", type=int, default=100_000)
    options.add_argument("--few", type=int, default=10)
    options.add_argument("--length", type=float, default=0.02, help="seconds of a job")
    options.add_argument("--times", type=int, default=3, help="how often a B comes")
    chosen = options.parse_args()
    with open_site(chosen.store) as site:
        begun = time.monotonic()
        for _ in range(0, chosen.many, TOGETHER):
            with site.database.write() as session:
                submit_many(session, [Submission(measured.shared.message("a", chosen.length)) for _ in range(TOGETHER)])
        loaded = time.monotonic() - begun
        took: list[float] = []
        with site.fleet(2, threads=8):
            until(lambda: len(site.lines()) > 200, 60, "A's jobs run")
            running_from, already = time.monotonic(), len(site.lines())
            for number in range(chosen.times):
                user, sent = f"b{number}", time.time()
                with site.database.write() as session:
                    submit_many(session, [Submission(measured.shared.message(user, chosen.length)) for _ in range(chosen.few)])
                until(lambda user=user: sum(words[0] == user for words in site.lines()) == chosen.few, 120, f"{user} is done")  # type: ignore[misc]
                took.append(max(float(words[1]) for words in site.lines() if words[0] == user) - sent)
            lines = site.lines()
            rate = (len(lines) - already) / (time.monotonic() - running_from)
        left = chosen.many - sum(words[0] == "a" for words in lines)
    tell(
        "shares",
        chosen.store,
        [
            f"A: {chosen.many} jobs of {chosen.length * 1000:.0f} ms, submitted in {loaded:.0f} s; {left} of them still waited at the end",
            f"B: {chosen.few} jobs, done after {', '.join(f'{each:.2f}' for each in took)} s; the queue's jobs ran at {rate:.0f} per second meanwhile",
            f"in submission order B would have waited {chosen.many / max(rate, 1):.0f} s",
        ],
        [(f"B done within {PROMISED_S:.0f} s each time", max(took) <= PROMISED_S), ("A had jobs waiting all the time", left > 0)],
    )


if __name__ == "__main__":
    main()

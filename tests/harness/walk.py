"""Walk of a new user: `python -m tests.harness.walk [--install]` clones the repository, then follows README and tour literally.

Runs each command that the pages show and clicks each word that they name, in a headless browser. Prints each step with
its seconds; ends with 1 at the first stumble. With `--install`, `./run` installs everything, as on a new machine;
without, its verbs run by this interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

from src.up import packages
from tests.harness import ROOT
from tests.harness.tour import Kind, Step, steps

#: seconds that a command may take, and milliseconds that a page may take to show a word
COMMAND_S, PATIENCE_MS = 300, 90_000
_READY = re.compile(r"✔ ready in .*?(http\S+)")


class Walk:
    """A clone of the repository, its running Callboard, and a browser; ends both."""

    def __init__(self, clone: Path, browser: Browser, *, installs: bool = False) -> None:
        self.clone, self._browser, self._installs = clone, browser, installs
        self.taken: list[tuple[float, str]] = []
        self._server: subprocess.Popen[str] | None = None
        self._page: Page | None = None
        self._base, self._script = "", ""

    def __enter__(self) -> Walk:
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(self.clone)], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def follow(self, page: Path, *, section: str = "") -> None:
        """Take each step of a page, or of one of its sections."""
        for step in steps(page, section=section):
            begun = time.monotonic()
            self._take(step)
            self.taken.append((time.monotonic() - begun, f"{step.kind}: {' → '.join(step.words).splitlines()[0][:90]}"))

    def stop(self) -> None:
        """Stop what ./run up or ./run demo has started."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._server.wait(120)
            if self._server.poll() is None:
                self._server.kill()
        self._server = None

    def _take(self, step: Step) -> None:
        match step.kind:
            case Kind.RUN:
                self._run(step.words[0])
            case Kind.SAVE:
                (self.clone / step.words[0]).write_text(step.words[1])
            case Kind.OPEN:
                self._open(step.words)
            case Kind.TYPE:
                value, label = step.words
                self._shown.get_by_label(re.compile(f"^{re.escape(label)}")).first.fill(value)
            case Kind.PRESS:
                self._shown.locator("main button:not(.unseen)", has_text=re.compile(rf"^\s*{re.escape(step.words[0])}")).first.click()
            case Kind.SEE:
                self._shown.locator("main").get_by_text(step.words[0], exact=True).first.wait_for(timeout=PATIENCE_MS)

    def _open(self, words: tuple[str, ...]) -> None:
        for word in words:
            link = self._shown.get_by_role("link", name=re.compile(rf"^{re.escape(word)}($|[\s:])"))
            deadline = time.monotonic() + PATIENCE_MS / 1000
            while link.count() == 0:  # an actor that is being loaded, an error that is being counted
                if time.monotonic() > deadline:
                    raise AssertionError(f"{self._shown.url} has no link {word}")
                self._shown.wait_for_timeout(500)
                self._shown.reload()
            link.first.click()

    @property
    def _shown(self) -> Page:
        assert self._page is not None, "a page is opened by ./run up"
        return self._page

    def _run(self, line: str) -> None:
        command = line.partition("#")[0].strip().replace("http://127.0.0.1:8000", self._base)
        words = command.split()
        if words[:2] in (["./run", "up"], ["./run", "demo"]):
            self.stop()
            self._start(self._called(command).split())
            return
        if command.startswith("TOKEN="):
            self._script = f"{command}\n"  # for the shell of the next line, which uses the variable
            return
        if words[0] == "curl":
            command = self._script + command
        command = self._called(command)
        done = subprocess.run(
            ["bash", "-ec", command], cwd=self.clone, env=self._environment, capture_output=True, text=True, timeout=COMMAND_S
        )
        if done.returncode:
            raise AssertionError(f"{line}\nended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        if words[0] == "curl":
            assert "id" in json.loads(done.stdout), done.stdout

    def _called(self, command: str) -> str:
        return command if self._installs else command.replace("./run ", f"{sys.executable} -m src ")

    def _start(self, words: list[str]) -> None:
        """Start it, wait for its last line, and follow the link there."""
        out = open(self.clone / "walk.log", "w+")  # noqa: SIM115  (read while it grows)
        self._server = subprocess.Popen(
            [*words, "--port", "0"], cwd=self.clone, env=self._environment, stdout=out, stderr=subprocess.STDOUT, text=True
        )
        deadline = time.monotonic() + COMMAND_S
        while (ready := _READY.search((self.clone / "walk.log").read_text())) is None:
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise AssertionError(f"{' '.join(words)} is not ready: {(self.clone / 'walk.log').read_text()[-3000:]}")
            time.sleep(0.2)  # poll interval
        self._base = re.match(r"https?://[^/]+", ready[1])[0]  # type: ignore[index]
        self._page = self._browser.new_context().new_page()
        self._page.set_default_timeout(PATIENCE_MS)
        self._page.goto(ready[1])

    @property
    def _environment(self) -> dict[str, str]:
        """The environment of a new user: nothing of this process's own installation."""
        return {name: value for name, value in os.environ.items() if not name.startswith("CALLBOARD_")}


def main() -> None:
    """Follow README and tour, and print the minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="begin with ./run itself, which downloads what is missing")
    installs = parser.parse_args().install
    program = packages.browser()
    if program is None:
        raise SystemExit("The walk needs Chromium: sudo apt-get install chromium")
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        begun = time.monotonic()
        with Walk(Path(temporary) / "clone", browser, installs=installs) as walk:
            try:
                walk.follow(walk.clone / "README.md", section="Start")
                walk.stop()
                walk.follow(walk.clone / "docs" / "tutorial" / "tour.md")
            except (AssertionError, Error) as error:
                sys.exit(f"✘ stumbled after {len(walk.taken)} steps: {error}")
            finally:
                for seconds, words in walk.taken:
                    print(f"{seconds:6.1f} s  {words}")
        print(f"✔ {len(walk.taken)} steps without a stumble in {(time.monotonic() - begun) / 60:.1f} minutes")
        browser.close()


if __name__ == "__main__":
    main()

"""Tour: the steps of a page of the docs, read literally. Commands are in blocks, words to click in italics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """Kind of a step."""

    RUN = "run"  # a command
    SAVE = "save"  # a file: its path, its text
    OPEN = "open"  # links to follow, one after the other
    TYPE = "type"  # a value, the label of its field
    PRESS = "press"  # a button
    SEE = "see"  # a word that the page shows


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a reader."""

    kind: Kind
    words: tuple[str, ...]


_STEP = re.compile(
    r"```sh\n(?P<sh>.*?)```"
    r"|Save this as `(?P<path>[^`]+)`[^`]*```python actors\n(?P<code>.*?)```"
    r"|\b[Oo]pen\s+\*(?P<open>[^*]+)\*"
    r"|\b[Tt]ype\s+`(?P<value>[^`]+)`\s+into\s+\*(?P<label>[^*]+)\*"
    r"|\b[Pp]ress\s+\*(?P<press>[^*]+)\*"
    r"|\b(?:shows|then)\s+\*(?P<see>[^*]+)\*",
    re.DOTALL,
)


def steps(page: Path, *, section: str = "") -> list[Step]:
    """Read the steps of a page, or of one of its sections, in order; folded details are alternatives, and left out."""
    text = re.sub(r"<details>.*?</details>", "", page.read_text(), flags=re.DOTALL)
    if section:
        text = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return list(_steps(text))


def _steps(text: str) -> Iterator[Step]:
    for found in _STEP.finditer(text):
        match found.lastgroup:
            case "sh":
                yield from (Step(Kind.RUN, (line,)) for line in found["sh"].splitlines() if line)
            case "code":
                yield Step(Kind.SAVE, (found["path"], found["code"]))
            case "open":
                yield Step(Kind.OPEN, tuple(" ".join(word.split()) for word in found["open"].split("→")))
            case "label":
                yield Step(Kind.TYPE, (found["value"], found["label"]))
            case "press":
                yield Step(Kind.PRESS, (found["press"],))
            case _:
                yield Step(Kind.SEE, (found["see"],))


def italics(page: Path) -> set[str]:
    """The words in italics of a page, outside its blocks."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL).replace("**", "")
    text = re.sub(r"`[^`]*`", "", text)
    return {" ".join(found.split()) for found in re.findall(r"\*([^*\n]+(?:\n[^*\n]+)?)\*", text)} - {"italics"}

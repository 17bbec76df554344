"""`python -m tests.harness.plain_english`: fail on banned words and openings in docstrings, comments, messages, templates and docs.

Prints file, line and the better word. Text in backticks, file names and identifiers with an underscore are not checked.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

#: third-party texts, and this file, which must spell the banned words
EXCLUDED = ("tests/browser/web/vendor/", "tests/harness/plain_english.py", "src/web/static/vendor/")

#: pattern -> what to write instead; matched anywhere, whatever the case
WORDS = {
    r"told": "notified, passed, reported, learns",
    r"tell(?:s|ing)? (?:nobody|somebody|people|everybody|whoever)": "notifies + the person's role",
    r"hear(?:s|d|ing)? of": "subscribes to, receives, heartbeat from",
    r"(?<!there )(?:is|are|was|were) no (?!longer|more than|less than|better|worse|different|later|earlier|sooner)\w+": "is not a …, has no …",
    r"(?:is|are|was|were) there(?= *(?:[.,;:)]|$))": "exists",
    r"no more(?= *(?:[.,;:)]|$))": "no longer",
    r"knows? nothing": "has no record of",
    r"believe[sd]?": "caches, assumes",
    r"deeds?": "audit entry, action",
    r"witness(?:es|ed)?": "audit hook, record",
    r"crews?": "worker process",
    r"nurser(?:y|ies)": "fork server",
    r"obituar(?:y|ies)": "death report",
    r"bur(?:y|ies|ied)": "report the death of",
    r"wish(?:es|ed)?": "worker command, request",
    r"doubt(?:s|ed)?": "lost message, possibly lost",
    r"verdicts?": "misfire, decision, result",
    r"letters?": "email",
    r"twins?": "copy, duplicate, export format",
    r"intake": "claimer",
    r"mend(?:s|ed|ing)?": "repair, fix",
    r"whoever|whomever|somebody|nobody": "name the person or thing",
    r"anybody|everybody": "any user, everyone, all workers",
    r"(?:a|each|every|one|next|last|two) looks?(?! (?:at|like))": "check, poll, scan",
    r"anew": "again",
    r"lest|whence|thence|thereof|wherein|whereof|aright|hitherto": "a modern word",
    r"a person": "a user, an operator",
}

#: words banned only in some files, where the field has another name for the thing
LOCAL_WORDS = {("src/broker/", "src/jobs/", "tests/process/", "tests/faults/"): {r"(?<!generic )cells?(?! rate)": "child, child pool"}}

#: phrases in which a banned word is the right one
ALLOWED = (
    r"dead[- ]letter(?:s|ed|ing)?",
    r"(?:capital|upper-?case|lower-?case|small|latin|ascii|of|only|two|three|four|ten) letters?",
    r"letters?(?:,| and| or) (?:digits?|numbers?|spaces?|signs?)",
    r"letters? of the alphabet",
    r"first letters?",
    r"(?:two|any) letters",
    r"letters (?:beyond|outside|without)",
    r"at first look",
)

#: first words of a docstring, comment or text of a page -> what to write instead
OPENINGS = {
    r"what(?:ever)?|the things? (?:that|which)|things that|those (?:who|that)": "the noun's standard term",
    r"who|whom|whose": "the worker, the caller, the operator …",
    r"whether|(?:is|are|does|do|did|has|have|may|can|could|will|would|was|were|must|should)\b[^.?]*\?": "'True if …'",
    r"(?-i:How) (?:many|much|long|often|far|old)": "'Number of …', 'Duration of …', 'Interval of …'",
    r"for whom|to whom|by whom|with whom": "name the person or thing",
}

_NOT_PROSE = re.compile(r"``?[^`]+``?|https?://\S+|\b[\w./-]+\.(?:py|md|html|css|js|toml|cfg|txt|json|csv)\b|\b\w*_\w*\b|\w+[./]\w[\w./]*")
_ALLOWED = re.compile(rf"\b(?:{'|'.join(ALLOWED)})\b", re.IGNORECASE)
_OPENINGS = [(re.compile(rf"\s*(?:{pattern})(?!\w)", re.IGNORECASE), better) for pattern, better in OPENINGS.items()]
#: a later sentence that begins without its noun
_HEADLESS = re.compile(r"(?:[.!?]|\n\n)\s+((?:What|Who|Whose|Whom|Whether|Those (?:that|who))\b)[^.?!]*(?:[.!]|$)")
_CONFIGURATION = frozenset({"", ".cfg", ".conf", ".ini", ".service", ".sh", ".sql", ".toml", ".yaml", ".yml"})
_SQL = re.compile(r"\b(?:SELECT|UPDATE|INSERT|DELETE|CREATE|ALTER)\b")


class Passage(NamedTuple):
    """A piece of prose; `opens`: its first words are checked too."""

    line: int
    text: str
    opens: bool


class Fault(NamedTuple):
    line: int
    found: str
    better: str


def words_of(name: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the words that are banned in this file."""
    words = WORDS.copy()
    for paths, more in LOCAL_WORDS.items():
        words |= more if name.startswith(paths) else {}
    return [(re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), better) for pattern, better in words.items()]


def faults(passage: Passage, words: list[tuple[re.Pattern[str], str]]) -> Iterator[Fault]:
    """Yield the banned words of one passage, and its opening if that is banned."""
    prose = _NOT_PROSE.sub(_blank, passage.text)
    opening = passage.opens and next(((match, better) for p, better in _OPENINGS if (match := p.match(prose))), None)
    if opening and not prose[opening[0].end() :].lstrip().startswith(":") and not _asks(prose, passage):
        yield Fault(passage.line, opening[0].group().strip(), opening[1])
    for match in _HEADLESS.finditer(prose):
        yield Fault(passage.line + prose.count("\n", 0, match.start(1)), match[1], "a sentence with its noun")
    prose = _ALLOWED.sub(_blank, prose)
    for pattern, better in words:
        for match in pattern.finditer(re.sub(r"\n", " ", prose)):
            yield Fault(passage.line + prose.count("\n", 0, match.start()), match.group(), better)


def _asks(prose: str, passage: Passage) -> bool:
    """True for a question on a page or in the docs, where it is a valid heading."""
    return prose.rstrip().endswith("?") and not passage.text.startswith(" ")


def _blank(match: re.Match[str]) -> str:
    """Replace a match by x's, keeping its line breaks: an opening must stay at its position."""
    return "\n".join("x" * len(line) for line in match.group().split("\n"))


def passages(path: Path) -> Iterator[Passage]:
    """Yield the prose of one file by its kind."""
    text = path.read_text(errors="replace")
    if path.suffix == ".py":
        yield from _of_python(text, messages=path.parts[0] == "src")
    elif path.suffix in (".html", ".txt", ".j2") and "templates" in path.parts:
        yield from _of_template(text)
    elif path.suffix == ".md":
        yield from _of_markdown(text)
    elif path.suffix in (".css", ".js"):
        comments = re.compile(r"(?<=/\*)[^*]*(?:\*(?!/)[^*]*)*(?=\*/)|(?<=^//)[^\n]*|(?<= // )[^\n]*", re.M)
        yield from (Passage(text.count("\n", 0, match.start()) + 1, match.group(), True) for match in comments.finditer(text))
    elif path.name == "run" or path.suffix in _CONFIGURATION:
        yield from _of_lines(text, whole=path.name == "run")


def _of_lines(text: str, *, whole: bool) -> Iterator[Passage]:
    """Yield the comments of a script, SQL or configuration; `whole`: also its other lines, such as the usage of ./run."""
    for number, line in enumerate(text.split("\n"), 1):
        comment = re.match(r"\s*(?:#|--)(?!!)\s?(.*)", line)
        if comment or whole:
            yield Passage(number, comment[1] if comment else line, False)


def _of_python(text: str, *, messages: bool) -> Iterator[Passage]:
    """Yield docstrings and comments; with `messages` also the string literals of at least three words."""
    docstrings = set()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node) is not None:
            docstring = node.body[0].value  # type: ignore[attr-defined]
            docstrings.add(docstring)
            yield Passage(docstring.lineno, " " + docstring.value, True)
    for node in ast.walk(tree) if messages else ():
        literal = node.value if isinstance(node, ast.Constant) and node not in docstrings else None
        if isinstance(literal, str) and literal.count(" ") >= 2 and not _SQL.search(literal):
            yield Passage(node.lineno, literal, False)  # type: ignore[attr-defined]
    yield from _comments(text)


def _comments(text: str) -> Iterator[Passage]:
    """Yield comments of Python; those on consecutive lines of their own are joined."""
    start, joined, follows = 0, list[str](), False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        is_alone = not token.line[: token.start[1]].strip()
        if not (follows and is_alone and token.start[0] == start + len(joined)):
            if joined:
                yield Passage(start, "\n".join(joined), True)
            start, joined = token.start[0], []
        joined.append(" " + token.string.lstrip("#: "))
        follows = is_alone
    if joined:
        yield Passage(start, "\n".join(joined), True)


def _of_template(text: str) -> Iterator[Passage]:
    """Yield text between tags, and the attributes that a reader sees."""
    spoken = re.compile(r'\b(?:title|placeholder|aria-label|alt|label)="([^"]*)"')
    text = re.sub(r"<(script|style)\b.*?</\1>|\{#-?|-?#\}", _spaces, text, flags=re.S)
    for match in spoken.finditer(re.sub(r"\{%.*?%\}|\{\{.*?\}\}", _spaces, text, flags=re.S)):
        yield Passage(_line(text, match), match.group(1), True)
    bare = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", _blank_keeping_x, text, flags=re.S)
    for match in re.finditer(r"(?:^|>)([^<>]+)(?=<|$)", bare, flags=re.S):
        piece = match.group(1)
        if re.search(r"[A-Za-z]{2}", piece):
            lead = len(piece) - len(piece.lstrip())
            yield Passage(_line(bare, match) + piece.count("\n", 0, lead), piece.lstrip(), True)


def _of_markdown(text: str) -> Iterator[Passage]:
    """Yield lines of paragraphs, headings and list items, without code."""
    text = re.sub(r"^```.*?^```|<!--.*?-->", _spaces, text, flags=re.S | re.M)
    text = re.sub(r"\]\([^)]*\)", _spaces, text)
    for number, line in enumerate(text.split("\n"), 1):
        heading = line.startswith("#")
        yield Passage(number, line.lstrip("#->*| "), not heading and line.startswith(("- ", "* ", "**")))


def _spaces(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match.group())


def _blank_keeping_x(match: re.Match[str]) -> str:
    """Replace an expression of a template by x's, and a tag by spaces: only the first counts as a word."""
    return _blank(match) if match.group().startswith("{{") else re.sub(r"[^\n]", " ", match.group())


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start(1)) + 1


def main(arguments: list[str]) -> int:
    """Check all tracked files, or only those under the given paths."""
    files = subprocess.run(["git", "ls-files", *arguments], capture_output=True, text=True, check=True).stdout.splitlines()
    found = 0
    for name in files:
        if not name.startswith(EXCLUDED) and Path(name).is_file():
            words = words_of(name)
            for passage in passages(Path(name)):
                for line, word, better in faults(passage, words):
                    found += 1
                    print(f"{name}:{line}: {word!r}: write {better}")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

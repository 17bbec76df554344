"""Weak passwords: common words, usual substitutions, keyboard runs and the user's name."""

from __future__ import annotations

import re

#: most frequent entries of leaked password lists, in lower case
WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    abc access account adidas admin administrator alexander alexis amanda andrea andrew angel anthony apple arsenal asdf ashley august autumn baby backup banana
    barcelona baseball basketball batman bailey beautiful biteme blink boss boston buster butterfly callboard captain change changeme charlie cheese chelsea chicken
    chocolate christmas company computer cookie corvette correct daniel database december default demo dragon eagle eminem enter facebook family february ferrari
    flower football forever freedom friday friend gandalf george ginger god golf google guest guitar hacker hammer hannah happy harley hello horse hockey
    hunter iloveyou internet jackson january jasmine jennifer jessica jesus jordan joshua july june justin killer king liverpool letmein live login london love lovely
    loveyou maggie manager marina march martin master matrix matthew maverick me melissa mercedes michael michelle mickey miss monday money monkey monster mother
    mustang my naruto nicole november nothing october only orange pass passport passwd password patrick peanut pepper phoenix please pokemon prince princess private
    public purple qazwsx qwer qwerty rabbit rainbow ranger robert root samantha samsung saturday secret secure security september server service shadow silver
    snoopy soccer spring staple star starwars student summer sunday sunshine super superman support sysadmin system temp temporary test tester testing the thomas thunder
    thursday tigger trustno1 tuesday user welcome whatever william winter wednesday windows wizard wonderful you yankees your zxcv
    """,
    )
)
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "azertyuiop",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1q2w3e4r5t6y7u8i9o0p",
)
_DISGUISES = str.maketrans("0134578@$!", "oleastbasi")
#: minimum distinct characters left after removing words and runs
LEAST_OWN = 4


def is_weak(password: str, *names: str) -> bool:
    """True if the password is mostly common words, keyboard runs, digits and repetitions."""
    text = password.casefold()
    if len(set(text)) < 5:
        return True
    known = sorted({*WORDS, *(name.casefold() for name in names if name)}, key=len, reverse=True)
    return any(_own_letters(each, known) < LEAST_OWN for each in (text, text.translate(_DISGUISES)))


def _own_letters(text: str, known: list[str]) -> int:
    """Count the distinct characters left after removing guessable parts."""
    for run in _RUNS:
        for each in (run, run[::-1]):
            for length in range(len(each), 3, -1):
                for start in range(len(each) - length + 1):
                    text = text.replace(each[start : start + length], " ")
    for word in known:
        if len(word) > 2 or word in text.split():
            text = text.replace(word, " ")
    return len(set(re.sub(r"[\W\d_]", "", text)))

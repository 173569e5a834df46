"""What can be told of a pattern without compiling it, which for a whole library would take too long.

A pattern is read once, from left to right, by the rules of PCRE. What Hyperscan itself does not take is said here in
the words of somebody who wants to mend it; the rest (a class that does not end, say) is left to Hyperscan.
"""

import re
from typing import NamedTuple

LONGEST = 500  #: characters of a pattern
MOST_REPEATS = 200  #: of one element
DEEPEST = 20  #: groups inside each other
LARGEST = 1000  #: positions of a pattern whose repetitions are written out; Hyperscan refuses most of those above 500

_PLAIN = re.compile(r"[^\\\[\](){}*+?|^$.\n]+(?![*+?{])")  # characters that stand for themselves, once
_QUANTIFIER = re.compile(r"[*+?]|\{(\d*)(,?)(\d*)\}")
_ESCAPE = re.compile(r"\\(?:x\{[0-9A-Fa-f]*\}|x[0-9A-Fa-f]{0,2}|[pP]\{\w*\}|0[0-7]{0,2}|[1-9]\d*|c.|.)", re.DOTALL)
_CLASS = re.compile(r"\[(\^?)(\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*)\]", re.DOTALL)
_CLASS_ITEM = re.compile(rf"\[:(\^?\w+):\]|({_ESCAPE.pattern}|.)(?:-({_ESCAPE.pattern}|[^\]]))?", re.DOTALL)
_GROUP = re.compile(r"\((?:\?(?:P?<\w+>|'\w+'|[a-zA-Z-]*:|[a-zA-Z-]+\)|P=|P>|<[=!]|[=!>|(&R#]|\d)?|\*)?")
_LOOK_AROUND = ("(?=", "(?!", "(?<=", "(?<!")
_ASSERTIONS = frozenset({r"\b", r"\B"})
_BUFFER_ENDS = {r"\A": "^", r"\G": "^", r"\Z": "$", r"\z": "$"}
_WITH_NEWLINE = frozenset({r"\s", r"\W", r"\D", r"\v", r"\H", r"\R", r"\X", r"\C"})


class _Part(NamedTuple):
    """A piece of a pattern."""

    empty: bool  #: whether it matches nothing at all
    size: int  #: positions, its repetitions written out
    tail: str = ""  #: the repetition that it ends in, whose every end would be reported


def mistake(pattern: str) -> str | None:
    """Why this pattern is refused, and what to write instead; None where nothing is wrong with it so far."""
    if len(pattern) > LONGEST:
        return f"is {len(pattern)} characters long, {LONGEST} are allowed: write several patterns"
    try:
        whole = _Reader(pattern).read()
    except _RefusedError as error:
        return str(error)
    if whole.size > LARGEST:
        return f"has {whole.size} positions once its repetitions are written out, {LARGEST} are allowed: repeat less"
    if whole.empty:
        return "matches an empty text, so every line: say what must be there"
    if whole.tail:
        return f"ends in the repetition '{whole.tail}', and every end of it would be reported: {_hint(whole.tail)}"
    return None


def _hint(tail: str) -> str:
    if re.search(r"(?:[*?]|\{0?,\d*\})\??$", tail):
        return f"leave '{tail}' out"
    once = re.sub(r"(?:\+|\{[\d,]+\})\??$", "", tail)
    return rf"write '{once}' once, or let \b or a character that always follows end it"


class _RefusedError(Exception):
    """The pattern is refused; the text is for its writer."""


class _Reader:
    """Reads a pattern by recursive descent: alternatives, sequences, elements with their quantifiers."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._depth = 0

    def read(self) -> _Part:
        whole = self._alternatives()
        if self._at < len(self._text):
            raise _RefusedError(f"has a ')' too many at character {self._at + 1}")
        return whole

    def _alternatives(self) -> _Part:
        parts = [self._sequence()]
        while self._text.startswith("|", self._at):
            self._at += 1
            parts.append(self._sequence())
        tail = next((part.tail for part in parts if part.tail), "")
        return _Part(any(part.empty for part in parts), sum(part.size for part in parts), tail)

    def _sequence(self) -> _Part:
        empty, size, tail = True, 0, ""
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            if plain := _PLAIN.match(self._text, self._at):
                self._at = plain.end()
                empty, size, tail = False, size + len(plain[0]), ""
                continue
            start = self._at
            element = self._element()
            part = self._quantified(element, start)
            empty, size = empty and part.empty, size + part.size
            if part.size or part.tail:
                tail = part.tail
            elif self._text[start] != "(":  # an assertion, which tells where the repetition before it ends
                tail = ""
        return _Part(empty, size, tail)

    def _element(self) -> _Part:
        match self._text[self._at]:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case "\\":
                return self._escape()
            case "^" | "$":
                self._at += 1
                return _Part(empty=True, size=0)
            case character:
                self._at += 1
                if character == "\n":
                    raise _RefusedError("has an end of line in it, and a pattern is looked for in one line")
                return _Part(empty=False, size=1)

    def _group(self) -> _Part:
        head = _GROUP.match(self._text, self._at)
        opening = head[0] if head else "("
        if opening in _LOOK_AROUND:
            raise _RefusedError(f"looks around by '{opening}', which Hyperscan cannot: write an exclusion instead")
        if opening in ("(?P=", "(?P>", "(?(", "(?&", "(?R", "(?|", "(*") or re.fullmatch(r"\(\?\d", opening):
            raise _RefusedError(f"has '{opening}', which Hyperscan does not know: write the alternatives out")
        if opening == "(?>":
            raise _RefusedError("has an atomic group '(?>', which Hyperscan does not know: write '(?:'")
        if flags := re.match(r"\(\?([a-zA-Z-]+)[:)]", opening):
            _refuse_flags(flags[1])
        self._at += len(opening)
        if opening.endswith(")"):
            return _Part(empty=True, size=0)
        self._depth += 1
        if self._depth > DEEPEST:
            raise _RefusedError(f"has groups inside groups, {DEEPEST} deep are allowed")
        inside = self._alternatives()
        self._depth -= 1
        if not self._text.startswith(")", self._at):
            raise _RefusedError("has a '(' that is not closed")
        self._at += 1
        return inside

    def _class(self) -> _Part:
        found = _CLASS.match(self._text, self._at)
        if not found:
            raise _RefusedError("has a '[' that is not closed")
        self._at = found.end()
        negated = bool(found[1])
        if negated != _holds_newline(found[2]):
            instead = f"'[^{found[2]}\\n]'" if negated else r"'[ \t]'"
            raise _RefusedError(f"may match the end of the line by '{found[0]}': write {instead}")
        return _Part(empty=False, size=1)

    def _escape(self) -> _Part:
        found = _ESCAPE.match(self._text, self._at)
        if not found:
            raise _RefusedError("ends in a single backslash")
        self._at = found.end()
        escape = found[0]
        if escape in _ASSERTIONS:
            return _Part(empty=True, size=0)
        if escape in _BUFFER_ENDS:
            raise _RefusedError(f"has '{escape}', and a text is a piece of a file: write '{_BUFFER_ENDS[escape]}'")
        if escape[1] in "123456789kg":
            raise _RefusedError(f"refers back by '{escape}', which Hyperscan cannot: write the alternatives out")
        if escape in (r"\Q", r"\E", r"\K"):
            raise _RefusedError(f"has '{escape}', which Hyperscan does not know: write '\\' before each character")
        if _is_newline(escape):
            raise _RefusedError(rf"may match the end of the line by '{escape}': write '[ \t]' for blanks")
        return _Part(empty=False, size=1)

    def _quantified(self, part: _Part, start: int) -> _Part:
        found = _QUANTIFIER.match(self._text, self._at)
        if not found or found[0] in ("{}", "{,}"):
            return part
        self._at = found.end()
        if self._text.startswith("+", self._at):
            raise _RefusedError("has a possessive repetition, which Hyperscan does not know: leave the second '+' out")
        if self._text.startswith("?", self._at):
            self._at += 1
        fewest, most = _bounds(found)
        if max(fewest, most or 0) > MOST_REPEATS:
            raise _RefusedError(f"repeats by '{found[0]}', {MOST_REPEATS} times are allowed: write '*' or '+'")
        size = part.size * (max(fewest, 1) if most is None else most)
        tail = self._text[start : self._at] if fewest != most else part.tail
        return _Part(part.empty or fewest == 0, size, tail)


def _bounds(quantifier: re.Match[str]) -> tuple[int, int | None]:
    """(fewest, most) repetitions; None for no end."""
    match quantifier[0]:
        case "*":
            return 0, None
        case "+":
            return 1, None
        case "?":
            return 0, 1
    fewest = int(quantifier[1] or 0)
    if not quantifier[2]:
        return fewest, fewest
    return fewest, int(quantifier[3]) if quantifier[3] else None


def _refuse_flags(flags: str) -> None:
    if "s" in flags.partition("-")[0]:
        raise _RefusedError("lets '.' match the end of the line by the flag 's': leave the flag out")
    if unknown := flags.strip("im-"):
        raise _RefusedError(f"sets the flag {unknown[0]!r}; known are i and m")


def _holds_newline(items: str) -> bool:
    """Whether what stands in a class `[...]`, seen without a `^`, matches the end of a line."""
    for item in _CLASS_ITEM.finditer(items):
        if item[1]:
            if item[1] in ("space", "cntrl") or (item[1].startswith("^") and item[1] not in ("^space", "^cntrl")):
                return True
        elif item[3] is not None:
            if _code(item[2]) <= 10 <= _code(item[3]):
                return True
        elif _is_newline(item[2]):
            return True
    return False


def _is_newline(item: str) -> bool:
    return item in _WITH_NEWLINE or _code(item) == 10 or item.startswith(r"\P")


def _code(item: str) -> int:
    """The number of a character or of an escape that stands for one; -1 for an escape that stands for several."""
    if not item.startswith("\\") or len(item) == 1:
        return ord(item[0])
    kind, digits = item[1], item[2:].strip("{}")
    match kind:
        case "x":
            return int(digits or "0", 16)
        case "0":
            return int(digits or "0", 8)
        case "c":
            return ord(digits.upper()) ^ 64
    named = {"n": 10, "t": 9, "r": 13, "f": 12, "e": 27, "a": 7}
    return named.get(kind, -1 if kind.isalnum() else ord(kind))

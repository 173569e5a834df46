"""Secrets that a text gives by name: `password=...`, `api key: ...`, `"token": "..."`, `Cookie: ...`.

A separator is looked for with the words before it; whether they name a secret is for `SecretKeys` to say; only then is
the value read. So a harmless `error: ` never swallows the `token: ` behind it.
"""

import re
from collections.abc import Iterator

from logging_core.redaction.secret_keys import SecretKeys

_NAMED = re.compile(  # words in any script
    r"(?<![\w\-])(?P<word>[\w\-]++)"
    r"(?:\\{0,8}[\"'`\])])?\s{0,8}(?P<separator>:=|=>|==?|:(?!:)|[：＝])[ \t]{0,8}"  # noqa: RUF001
)
_LONGEST_WORD, _LONGEST_PHRASE = 200, 64  #: characters at the end of a name; characters in front of its last word
_LONGEST_LINE = 1000  #: of a program
#: Of an unquoted value: a comma, semicolon or ampersand ends it before a space, the end or a further name; so does a
#: bracket that closes.
_BARE = (
    r"(?:[^\s,;&\"'`()\[\]{}<>|，；。、]"  # noqa: RUF001
    r"|[,;&](?!\s|$|[\w.\-\[\]]{1,64}[=:])|[)\]}>(\[{<|](?![\s,;&.)\]}>\"']|$))++"
)
_QUOTED = (
    r"[bBuUrR]{0,2}"
    r"(?:\"(?P<double>(?:[^\"\\]|\\.)*+)|'(?P<single>(?:[^'\\]|\\.)*+)|\\+\"(?P<escaped>[^\"\\]*+))"
)
_FLAT = r"[\[({](?:[^\[\](){}])*+[\])}]?"
_NESTED = rf"[\[({{](?:[^\[\](){{}}]|{_FLAT})*+[\])}}]?"
_GROUP = rf"(?P<group>[\[({{](?:[^\[\](){{}}]|{_NESTED})*+[\])}}]?)"
_SCHEME = r"(?i:(?:bearer|basic|token|digest|negotiate|ntlm|apikey)[ ]+)?"
_VALUE = re.compile(rf"{_QUOTED}|{_GROUP}|(?P<bare>{_SCHEME}{_BARE})", re.ASCII | re.DOTALL)
#: What headers hold: a scheme, an item, further items behind commas and semicolons.
_ITEM = r"[^\s,;\"'(){}<>]*+(?:\"[^\"\\]*+\")?"
_FURTHER = rf"(?:[,;][ ]{{0,8}}[\w.\-]{{1,64}}(?:={_ITEM})?(?![\w:]))*+"
_HEADER = re.compile(
    rf"{_QUOTED}|{_GROUP}|(?P<bare>(?:[A-Za-z][\w-]{{0,40}}[ ]+(?=[^\s=:]))?{_ITEM}{_FURTHER})", re.ASCII | re.DOTALL
)
_LITERAL = re.compile(r"\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'|[\"']")  # or a quote that nothing closes
_NOTHING = frozenset({"", "none", "null", "nil", "true", "false", "undefined"})


def has_separator(text: str) -> bool:
    """Whether anything in the text may be given by name."""
    return ":" in text or "=" in text or "：" in text or "＝" in text  # noqa: RUF001


def secrets_in(text: str, keys: SecretKeys) -> Iterator[tuple[int, int]]:
    """Where the values of secret names begin and end, from left to right, none inside another."""
    done = 0
    harmless = set()
    for named in _NAMED.finditer(text):
        word, start = named["word"][-_LONGEST_WORD:], named.start()
        if word in harmless or start < done:
            continue
        if not _names_secret(word, text, start, keys):
            if not keys.may_end_phrase(word) and word[0] not in "nrt":
                harmless.add(word)  # whatever is in front of it
            continue
        kind = _HEADER if _is_header(word) else _VALUE
        value = kind.match(text, named.end())
        if value is None or value.lastgroup is None:
            continue
        first, end = value.span(value.lastgroup)
        is_code = value.lastgroup == "bare" and "=" in named["separator"] and _is_source_line(text, start)
        if is_code or text[first:end].lower() in _NOTHING:
            continue
        yield first, end
        done = end


def _names_secret(word: str, text: str, at: int, keys: SecretKeys) -> bool:
    """Whether a word of the text does, alone or with the words in front of it, as in `the api key`."""
    if word[0] in "nrt" and text[at - 1 : at] == "\\":
        word = word[1:]  # a repr's \n is no part of the name behind it
    if keys.is_secret(word):
        return True
    if not keys.may_end_phrase(word):
        return False
    words = f"{text[max(0, at - _LONGEST_PHRASE) : at]}{word}".split(" ")
    return any(keys.is_name(" ".join(words[-count:])) for count in (2, 3))


def _is_header(word: str) -> bool:
    lowered = word.lower()
    return lowered.endswith(("cookie", "authorization"))


def _is_source_line(text: str, at: int) -> bool:
    """Whether this is a line of a program in a traceback: `token = read_token()` holds no secret, but a literal may."""
    start = text.rfind("\n", max(0, at - _LONGEST_LINE), at) + 1
    above = text.rfind("\n", max(0, start - _LONGEST_LINE), max(start - 1, 0)) + 1
    is_line = start > 0 and text.startswith("    ", start) and text.startswith('  File "', above)
    return is_line and not _is_in_literal(text[start:at])


def _is_in_literal(before: str) -> bool:
    """Whether what comes behind this beginning of a line of a program is within a text."""
    return any(literal in ("'", '"') for literal in _LITERAL.findall(before))

"""The words in which logs say how bad something is, and the seven that we say it in."""

from typing import Final

#: Levels of which nothing is a failure, whatever the text says. No level ("") is not among them.
QUIET: Final = frozenset({"TRACE", "DEBUG", "INFO", "NOTICE"})

_SYNONYMS = {
    "TRACE": "TRACE TRAC FINEST FINER BLAT VERBOSE",
    "DEBUG": "DEBUG DBG FINE CONFIG DEBUG1 DEBUG2 DEBUG3 DEBUG4 DEBUG5",
    "INFO": "INFO INF INFORMATION INFORMATIONAL SUCCESS",
    "NOTICE": "NOTICE NOTE",
    "WARNING": "WARNING WARN WRN",
    "ERROR": "ERROR ERR ERRO SEVERE",
    "CRITICAL": "CRITICAL CRIT FATAL FTL ALERT EMERGENCY EMERG PANIC DPANIC",
}
_CANONICAL = {word: level for level, words in _SYNONYMS.items() for word in words.split()}
#: Each word in capitals, in small letters and with a capital, as bytes and as text.
SPELLINGS: Final[dict[bytes | str, str]] = {}
for _word, _level in _CANONICAL.items():
    for _spelling in (_word, _word.lower(), _word.capitalize()):
        SPELLINGS[_spelling] = SPELLINGS[_spelling.encode()] = _level
_LETTERS = {"T": "TRACE", "V": "TRACE", "D": "DEBUG", "I": "INFO", "N": "NOTICE", "W": "WARNING", "E": "ERROR"}
_LETTERS |= dict.fromkeys("CFAP", "CRITICAL")
_OF_PYTHON = {1: "DEBUG", 2: "INFO", 3: "WARNING", 4: "ERROR", 5: "CRITICAL"}
_OF_PINO = {1: "TRACE", 2: "DEBUG", 3: "INFO", 4: "WARNING", 5: "ERROR", 6: "CRITICAL"}
_OF_SYSLOG = ("CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")

#: All of the words in capitals, for a pattern: longer ones before those that they begin with.
WORDS: Final = "|".join(sorted(_CANONICAL, key=len, reverse=True)).encode()


def level_of(word: bytes | str) -> str:
    """The level of a word in any case, or ""."""
    known = SPELLINGS.get(word)
    if known is not None:
        return known
    text = word if isinstance(word, str) else word.decode("ascii", "replace")
    return _CANONICAL.get(text.strip().upper(), "")


def level_of_letter(letter: bytes) -> str:
    """The level of a letter, as Android, glog and Tornado write it, or ""."""
    return _LETTERS.get(letter.decode("ascii", "replace"), "")


def level_of_severity(number: int) -> str:
    """The level of a severity of syslog (RFC 5424, section 6.2.1), the facility taken off or not."""
    return _OF_SYSLOG[number & 7]


def level_of_number(number: float, *, pino: bool) -> str:
    """The level of a number in JSON, or "": of GELF below 8, else of Python's `logging`, or of Bunyan and pino."""
    if 0 <= number < 8:
        return level_of_severity(int(number))
    return (_OF_PINO if pino else _OF_PYTHON).get(int(number) // 10, "") if 10 <= number < 70 else ""


def level_of_status(status: bytes) -> str:
    """The level of an HTTP answer: only a server's own failure is one, since clients write the rest of such a line."""
    return "ERROR" if status.startswith(b"5") else "INFO"

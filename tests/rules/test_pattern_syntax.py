"""What a pattern may not have is told with what to write instead, at once and without compiling."""

import time

import pytest

from rules.errors import ConfigError
from rules.patterns.database import compile_mistake, compiled
from rules.patterns.syntax import mistake


@pytest.mark.parametrize(
    "pattern",
    [
        "leak",
        r"leak\+",
        "leak[0-9]{3}",
        r"leak[0-9]{1,3}\b",
        r"leak\r?$",
        "(?i)leak (?:is )?found",
        "(?i:leak)s",
        r"[^a\n]leak",
        r"[^\s]leak",
        r"[]a]leak",
        r"[^]\n]leak",
        "[[:alpha:]]leak",
        r"leak \[pid=[0-9]{1,7}\]",
        r"\x41leak",
        "a{leak}",
        "x{,5}leak",
        "leak.*lost",
        "(?P<what>leak)s",
    ],
)
def test_a_pattern_in_one_line_with_a_fixed_tail_is_taken(pattern: str) -> None:
    assert mistake(pattern) is None
    assert compile_mistake(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("leak.*", "ends in the repetition '.*', and every end of it would be reported: leave '.*' out"),
        ("leaks?", "ends in the repetition 's?', and every end of it would be reported: leave 's?' out"),
        ("leak(?:s|ed)*?", "leave '(?:s|ed)*?' out"),
        ("(leak[0-9]{1,3})", r"write '[0-9]' once, or let \b or a character that always follows end it"),
        ("leak|drip.+", r"write '.' once, or let \b or a character that always follows end it"),
        ("leak{0,3}", "leave 'k{0,3}' out"),
        ("(?<!no )leak", "looks around by '(?<!', which Hyperscan cannot: write an exclusion instead"),
        ("leak(?=s)", "looks around by '(?=', which Hyperscan cannot: write an exclusion instead"),
        (r"(a|b)leak\1", r"refers back by '\1', which Hyperscan cannot: write the alternatives out"),
        ("(?P<a>x)(?P=a)", "has '(?P=', which Hyperscan does not know: write the alternatives out"),
        ("(?>leak)s", "has an atomic group '(?>', which Hyperscan does not know: write '(?:'"),
        ("leak++s", "has a possessive repetition, which Hyperscan does not know: leave the second '+' out"),
        (r"leak\s+found", r"may match the end of the line by '\s': write '[ \t]' for blanks"),
        (r"leak\nfound", r"may match the end of the line by '\n': write '[ \t]' for blanks"),
        (r"leak[^a]found", r"may match the end of the line by '[^a]': write '[^a\n]'"),
        (r"leak[\s,]found", r"may match the end of the line by '[\s,]': write '[ \t]'"),
        (r"leak[\x00-\x7f]found", r"may match the end of the line by '[\x00-\x7f]': write '[ \t]'"),
        ("leak[[:space:]]found", r"may match the end of the line by '[[:space:]]': write '[ \t]'"),
        ("leak\nfound", "has an end of line in it, and a pattern is looked for in one line"),
        ("(?s)leak.found", "lets '.' match the end of the line by the flag 's': leave the flag out"),
        ("(?x)leak found", "sets the flag 'x'; known are i and m"),
        (r"\Aleak", r"has '\A', and a text is a piece of a file: write '^'"),
        ("a*", "matches an empty text, so every line: say what must be there"),
        ("^$", "matches an empty text, so every line: say what must be there"),
        ("leak)", "has a ')' too many at character 5"),
        ("(leak", "has a '(' that is not closed"),
        ("[leak", "has a '[' that is not closed"),
        ("leak\\", "ends in a single backslash"),
        ("a" * 501, "is 501 characters long, 500 are allowed: write several patterns"),
        ("(" * 250 + "a" + ")" * 249, "has groups inside groups, 20 deep are allowed"),
        ("a{201}", "repeats by '{201}', 200 times are allowed: write '*' or '+'"),
        ("(?:ab{1,100}){1,100}c", "has 10101 positions once its repetitions are written out, 1000 are allowed"),
    ],
)
def test_what_cannot_be_used_is_told_with_what_to_write(pattern: str, text: str) -> None:
    assert text in str(mistake(pattern))


@pytest.mark.parametrize(
    "pattern",
    [
        "(a{1,1000}){1,1000}",
        "((((a{1,30}){1,30}){1,30}){1,30})b",
        "(?:a{1,200}b{1,200}){1,200}c",
        "(((((((((a|b){2}){2}){2}){2}){2}){2}){2}){2}){200}c",
        "(?:x.{0,99}){9}y",
        "(?:a*b*c*d*){1,50}x",
        "(?:ab|abc|abcd.{0,20}){1,40}x",
        "x.{0,200}y.{0,200}z.{0,200}w",
        "(" * 90 + "a" + ")" * 90 + "{1,200}b{1,200}c{1,200}d{1,200}e{1,200}f",
    ],
)
def test_a_catastrophic_pattern_is_refused_and_hangs_nothing(pattern: str) -> None:
    began = time.monotonic()
    assert mistake(pattern) or compile_mistake(pattern)
    assert time.monotonic() - began < 5


def test_a_match_is_told_by_the_index_of_its_pattern() -> None:
    found = set()
    database = compiled(["(?i)no (?:space|memory) left", "leaks? found"])
    database.scan(b"No memory left, leak found", match_event_handler=lambda index, *_: found.add(index))
    assert found == {0, 1}


def test_a_pattern_that_hyperscan_alone_refuses_is_told() -> None:
    assert mistake("[z-a]") is None
    assert str(compile_mistake("[z-a]")).startswith("does not compile: ")
    with pytest.raises(ConfigError) as raised:
        compiled(["leak", "[z-a]"])
    (said,) = raised.value.mistakes
    assert said.startswith("'[z-a]' does not compile: ")

"""The mistakes of pattern files, all of them: what reading finds, what Hyperscan says, what the samples disprove."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rules.errors import ConfigError
from rules.patterns.database import compile_mistake
from rules.patterns.load import Loaded, load_files, patterns_of, shipped
from rules.patterns.matching import LineMatcher
from rules.patterns.model import ErrorType


def check(paths: Sequence[Path]) -> list[str]:
    """The mistakes of these files, each as `FILE:LINE: key: what`; they are read beside those that ship."""
    ours = {path.resolve() for path in paths}
    try:
        files = load_files([*(path for path in shipped() if path.resolve() not in ours), *paths])
    except ConfigError as error:
        return list(error.mistakes)
    checked = files[-len(paths) :]
    if uncompiled := [mistake for loaded in checked for mistake in _uncompiled(loaded)]:
        return uncompiled
    matcher = LineMatcher([each for loaded in files for each in loaded.types])
    return [mistake for loaded in checked for mistake in _disproved(loaded, matcher)]


def _uncompiled(loaded: Loaded) -> Iterator[str]:
    for place, pattern in patterns_of(loaded):
        if mistake := compile_mistake(pattern):
            yield loaded.document.mistake(place, f"{pattern!r} {mistake}")


def _disproved(loaded: Loaded, matcher: LineMatcher) -> Iterator[str]:
    for index, each in enumerate(loaded.types):
        for place, text in _unproved(each, matcher):
            yield loaded.document.mistake(("types", index, *place), text)


def _unproved(each: ErrorType, matcher: LineMatcher) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What the samples of a type say against it."""
    for number, sample in enumerate(each.samples.match):
        if problem := _problem(each, matcher.types(sample)):
            yield ("samples", "match", number), problem
    for number, sample in enumerate(each.samples.other):
        if each in matcher.types(sample):
            yield ("samples", "other", number), f"is of the type {each.type} after all"
    own = LineMatcher([each])
    samples = [line.encode() for text in (*each.samples.match, *each.samples.other) for line in text.split("\n")]
    hits = [hit for line in samples for hit in own.hits(line)]
    for key, patterns, proved in (
        ("patterns", each.patterns, {pattern for hit in hits for pattern in hit.patterns}),
        ("at_any_level", each.at_any_level, {pattern for hit in hits for pattern in hit.patterns}),
        ("exclusions", each.exclusions, {pattern for hit in hits for pattern in hit.exclusions}),
    ):
        for number, pattern in enumerate(patterns):
            if pattern not in proved:
                yield (key, number), f"{pattern!r} matches in none of the type's samples: add one that shows it"


def _problem(wanted: ErrorType, found: Sequence[ErrorType]) -> str | None:
    if wanted not in found:
        return f"is not of the type {wanted.type}: no pattern matches, or an exclusion does"
    rivals = [other for other in found if other is not wanted and other.priority >= wanted.priority]
    if not rivals:
        return None
    claims = ", ".join(f"{rival.type} ({rival.priority})" for rival in rivals)
    return f"is claimed by {claims} too, whose priority is not below that of {wanted.type} ({wanted.priority})"

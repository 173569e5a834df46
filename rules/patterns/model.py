"""What a pattern file holds. The JSON Schema of these files is made of this module."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Severity = Literal["warning", "error", "critical"]

Pattern = Annotated[str, Meta(min_length=1, description="Hyperscan's syntax: PCRE without look-around and references.")]
Sample = Annotated[str, Meta(min_length=1, description="A line of a log, or the lines of a whole traceback.")]


class Samples(Struct, frozen=True, forbid_unknown_fields=True):
    """Texts that prove the patterns of a type; a type without samples is refused."""

    match: Annotated[tuple[Sample, ...], Meta(min_length=1, description="Texts that are of the type.")]
    other: Annotated[tuple[Sample, ...], Meta(min_length=1, description="Look-alikes, which are not of the type.")]


class ErrorType(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of error: a line is of it when a pattern matches and no exclusion does."""

    type: Annotated[str, Meta(pattern=r"^[A-Z][A-Za-z0-9]{0,63}$", description="The name of the type, in CamelCase.")]
    severity: Annotated[Severity, Meta(description="Of every event of the type.")]
    priority: Annotated[
        int, Meta(ge=0, le=1000, description="Of several types that match in a record, the highest wins.")
    ]
    patterns: Annotated[tuple[Pattern, ...], Meta(min_length=1, description="Any of them makes a line of the type.")]
    samples: Samples
    at_any_level: Annotated[
        tuple[Pattern, ...], Meta(description="As patterns, even where the record says of itself INFO or less.")
    ] = ()
    exclusions: Annotated[tuple[Pattern, ...], Meta(description="Any of them says that the line is not.")] = ()


def says_so(of: ErrorType) -> tuple[str, ...]:
    """All that makes a line of a type."""
    return *of.patterns, *of.at_any_level


class PatternFile(Struct, frozen=True, forbid_unknown_fields=True):
    """Error types, in YAML."""

    types: Annotated[tuple[ErrorType, ...], Meta(min_length=1)]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a pattern file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Error types of Tocsin",
        **msgspec.json.schema(PatternFile),
    }

"""The formats that logs are written in: what a line says of a record that begins with it. No I/O."""

from rules.layouts.header import ALONE, Header
from rules.layouts.layouts import Layouts
from rules.layouts.levels import QUIET
from rules.layouts.times import Times
from rules.layouts.wrappers import Wrapped

__all__ = ["ALONE", "QUIET", "Header", "Layouts", "Times", "Wrapped"]

"""Error types and the patterns by which their lines are known, read from YAML files that carry their own samples."""

from rules.patterns.database import FLAGS as FLAGS
from rules.patterns.load import LIBRARY as LIBRARY
from rules.patterns.load import live_type as live_type
from rules.patterns.load import load_patterns as load_patterns
from rules.patterns.model import ErrorType as ErrorType
from rules.patterns.model import Samples as Samples
from rules.patterns.model import Severity as Severity
from rules.patterns.model import says_so as says_so

"""Logging from within logging: nothing deadlocks, nothing recurses without end, nothing is lost."""

import pytest

from tests.logging_core.guest.conftest import Guest


@pytest.mark.parametrize("call", ['get_logger("guest").info', 'logging.getLogger("guest").info'])
@pytest.mark.parametrize("method", ["__str__", "__repr__", "__format__"])
def test_values_that_log_as_they_are_shown(guest: Guest, call: str, method: str) -> None:
    guest.run(f"""
begin()
class Loud:
    def {method}(self, *_):
        {call}("from within")
        return "loud"
for _ in range(200):
    {call}("%s" if "{method}" != "__repr__" else "%r", Loud() if "{method}" != "__format__" else format(Loud()))
""")
    guest.each_once(*["from within"] * 200, *["loud"] * 200)


@pytest.mark.parametrize("call", ["get_logger('guest').info('%s', self)", "logging.getLogger('guest').info(self)"])
def test_a_value_that_logs_itself_ends(guest: Guest, call: str) -> None:
    guest.run(f"""
begin()
class Vain:
    def __str__(self):
        {call}
        return "vain"
started = time.monotonic()
logging.getLogger("guest").info(Vain())
get_logger("guest").info("survived")
assert time.monotonic() - started < 10
""")
    assert guest.messages()[-1] == "survived"


def test_a_field_that_logs_itself_ends(guest: Guest) -> None:
    guest.run("""
begin()
class Vain:
    def __str__(self):
        get_logger("guest").info("field", value=self)
        return "vain"
started = time.monotonic()
get_logger("guest").info("outer", value=Vain())
get_logger("guest").info("survived")
assert time.monotonic() - started < 10
""")
    assert guest.messages()[-1] == "survived"


def test_filters_and_formatters_that_log(guest: Guest) -> None:
    guest.run("""
begin()
busy = threading.local()
class Loud(logging.Filter, logging.Formatter):
    def filter(self, record):
        if not getattr(busy, "here", False):
            busy.here = True
            logging.getLogger("guest.inner").info("from a filter")
            busy.here = False
        return True
logger = logging.getLogger("guest")
logger.addFilter(Loud())
logging.getLogger().handlers[0].addFilter(Loud())
class Formats(logging.Formatter):
    def format(self, record):
        if record.name == "guest":
            logging.getLogger("guest.inner").info("from a formatter")
        return super().format(record)
stream = logging.StreamHandler(open(os.devnull, "w"))
stream.setFormatter(Formats())
logging.getLogger().addHandler(stream)
for number in range(100):
    get_logger("guest").info("one", number=number)
    logger.info("two")
""")
    guest.each_once(*["one"] * 100, *["two"] * 100)
    inner = guest.messages("guest.inner")
    assert inner.count("from a formatter") == 200
    assert inner.count("from a filter") >= 200


def test_finalizers_that_log_at_any_moment(guest: Guest) -> None:
    guest.run("""
import gc
gc.set_threshold(5, 1, 1)
begin()
class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        get_logger("guest.del").info("collected")
log = get_logger("guest")
plain = logging.getLogger("guest")
def work():
    for number in range(1500):
        Cycle()
        log.info("one", value=[{"n": number}])
        plain.info("two %s", number)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
gc.collect()
""")
    found = guest.messages("guest.del")
    assert len(found) == 4500
    assert len(guest.messages()) == 9000


def test_what_is_said_of_our_own_work_is_never_shipped(guest: Guest) -> None:
    """The libraries' loggers are the application's too: in other threads they are heard."""
    guest.run("""
begin()
root = logging.getLogger().handlers[0]
names = ("redis", "urllib3.connectionpool", "requests", "logging_core.sink")
if type(root).__name__ == "BackgroundHandler":
    owner, name = type(root.sink), "write"
else:
    from logging_core.streams import shipper
    owner, name = shipper.Feed, "ship"
plain = getattr(owner, name)
def loud(self, *arguments):
    for each in names:
        logging.getLogger(each).warning("from our own thread")
        get_logger(each).warning("from our own thread")
    return plain(self, *arguments)
setattr(owner, name, loud)
for _ in range(50):
    get_logger("guest").info("record")
    time.sleep(0.01)
for each in names:
    logging.getLogger(each).warning("from the application")
""")
    assert len(guest.messages("guest")) == 50
    for name in ("redis", "urllib3.connectionpool", "requests", "logging_core.sink"):
        assert guest.messages(name) == ["from the application"]

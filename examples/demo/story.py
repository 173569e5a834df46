"""The stages of the demo, in their order: each brings about something real, and waits for what must come of it."""

from contextlib import ExitStack

from examples.demo import account
from examples.demo.account import Figures
from examples.demo.ledger import Ledger, Written
from examples.demo.narrator import Narrator
from examples.demo.place import CLEANED, QUOTA, Place
from examples.demo.programs import WORKERS, shop, tocsin_up
from examples.demo.traffic import CUSTOMERS, Customer, Traffic
from examples.sinks import MailSink, SlackSink

RECORDS = 12_000  #: at least so many are logged
REFUSED = 0.3  #: the share of refused cards, while there is trouble at the bank
SLOW = 5  #: requests to the recommender while it does not answer
PICTURES = 100  #: far more than the quota has room for

#: What a customer sends to the checkout, in words and in JSON, and the error that nobody catches.
BUGS: tuple[tuple[str, object, str], ...] = (
    ("an empty cart", {"items": {}}, "decimal.InvalidOperation"),
    ("a thing that is not sold", {"items": {"drum": 1}}, "KeyError"),
    ("a quantity in words", {"items": {"bell": "two"}}, "ValueError"),
    ("no quantity", {"items": {"bell": None}}, "TypeError"),
    ("a list for a mapping", {"items": ["bell"]}, "AttributeError"),
    ("half a cart", '{"items": {', "json.decoder.JSONDecodeError"),
)
LATE, FULL, REFUSAL = "TimeoutError", "OSError", "examples.shop.PaymentRefusedError"
ERRORS = {LATE, FULL, REFUSAL, *(error_type for _, _, error_type in BUGS)}
#: What the scan must find in errors.log: of what customers send, one lacks a key, and two are no values.
SCANNED = {"DiskSpace": 1, "Timeout": SLOW, "KeyError": 1, "ValueError": 2}


class Story:
    """One run; `recommender` is the HOST:PORT of something that never answers."""

    def __init__(self, place: Place, slack: SlackSink, mail: MailSink, narrator: Narrator, recommender: str) -> None:
        self.figures = Figures()
        self._place = place
        self._slack = slack
        self._mail = mail
        self._narrator = narrator
        self._recommender = recommender
        self._ledger = Ledger()

    def run(self) -> None:
        """Everything, from the start of the stack to its end.

        Raises:
            StartError: something did not start.
            OSError, HTTPException: something stopped answering.
        """
        say = self._narrator.say
        self._place.write_settings(self._slack.url, self._mail.smarthost)
        with ExitStack() as running:
            say("tocsin up: Redis, ingest, worker, beat, web")
            running.enter_context(tocsin_up(self._place)).await_text("ready in", timeout=60)
            say(f"ready; its status is at {self._place.status_url}")
            gunicorn = running.enter_context(shop(self._place, self._recommender))
            gunicorn.await_text("Booting worker", timeout=20, times=WORKERS)
            say(f"the shop is open: gunicorn with {WORKERS} worker processes")
            traffic = Traffic(self._place.shop_port, self._ledger)
            running.callback(traffic.stop)
            traffic.start()
            say(f"{CUSTOMERS} customers come in")
            self._trouble(traffic)
            self._closing_time(traffic)
            gunicorn.stop()
            requests, records = len(self._ledger.answered), self._ledger.records
            say(f"the shop is closed after {requests:,} requests and {records:,} records")
            self._account()
            say("stopping everything")

    # -- trouble ---------------------------------------------------------------------------------------------------

    def _trouble(self, traffic: Traffic) -> None:
        customer = Customer("breaker", self._place.shop_port, self._ledger)
        self._narrator.pause(2.0)
        self._bugs(customer)
        self._slow_dependency(customer)
        self._full_cache(customer)
        customer.close()
        self._refused_cards(traffic)

    def _bugs(self, customer: Customer) -> None:
        for words, cart, error_type in BUGS:
            self._narrator.say(f"a customer sends {words}")
            customer.post("/checkout", cart)
            self._await_announcement(error_type)

    def _slow_dependency(self, customer: Customer) -> None:
        self._narrator.say("the recommender stops answering")
        for _ in range(SLOW):
            customer.get("/recommendations")
        self._await_announcement(LATE)

    def _full_cache(self, customer: Customer) -> None:
        say, until = self._narrator.say, self._narrator.until
        say(f"thumbnails fill the cache folder, whose quota is {QUOTA // 1024} KiB")
        pictures = (f"/thumbnails/picture-{number}" for number in range(PICTURES))
        unfit = next(picture for picture in pictures if customer.get(picture) != 200)
        say(f"{unfit} does not fit: {self._cached() // 1024} KiB are used")
        self._await_announcement(FULL)
        if until("scan", lambda: "DiskSpace" in self._found(), within=10, otherwise="DiskSpace was not found"):
            say("the scan found DiskSpace in errors.log")
        if until("recovery", lambda: self._place.status()["recovery"].get("healed"), within=10, otherwise="no healing"):
            say(f"clean_cache healed it: {self._cached() // 1024} KiB are used")
        if self._cached() > CLEANED or customer.get(unfit) != 200:
            self._narrator.fail("recovery", "thumbnails still do not fit")

    def _refused_cards(self, traffic: Traffic) -> None:
        self._narrator.say(f"the bank refuses {REFUSED:.0%} of the cards")
        traffic.refused = REFUSED
        self._await_announcement(REFUSAL)
        self._await_news("HighErrorRate firing", within=15)
        traffic.refused = 0.0
        self._narrator.say("the bank is well again")

    def _closing_time(self, traffic: Traffic) -> None:
        self._await_news("HighErrorRate resolved", within=25)
        self._narrator.say(f"until there are {RECORDS:,} records, the shop stays open")
        self._narrator.until("traffic", self._enough, within=40, otherwise=f"fewer than {RECORDS:,} records")
        traffic.stop()
        if traffic.unanswered:
            self._narrator.fail("traffic", f"requests without an answer: {dict(traffic.unanswered)}")

    def _await_announcement(self, error_type: str) -> None:
        self._await_news(f"NewErrorGroup of {error_type} firing", within=10)

    def _await_news(self, text: str, *, within: float) -> None:
        self._narrator.until(
            "Slack", lambda: text in map(str, self._narrator.news()), within=within, otherwise=f"has not heard: {text}"
        )

    def _enough(self) -> bool:
        return self._ledger.records >= RECORDS

    def _found(self) -> dict[str, int]:
        """What the scans have found: error type -> lines."""
        found: dict[str, int] = self._place.status()["scan"]["events"]
        return found

    def _cached(self) -> int:
        """Bytes in the shop's cache folder."""
        return sum(file.stat().st_size for file in self._place.cache.iterdir())

    # -- the account -----------------------------------------------------------------------------------------------

    def _account(self) -> None:
        until, status, records = self._narrator.until, self._place.status, self._ledger.records
        until("ingest", lambda: status()["written"] >= records, within=15, otherwise="not all is written")
        until("scan", lambda: self._found() == SCANNED, within=10, otherwise=f"has not found {SCANNED}")
        until("mail", self._all_mailed, within=10, otherwise="not as many messages as at Slack")
        written, told = Written.read(self._place.app_log), self._narrator.news()
        slack, mail = len(self._slack.posts), len(self._mail.mails)
        self.figures = account.figures(status(), self._ledger, written, told, slack=slack, mail=mail)
        for stage, why in account.mistakes(self.figures, self._ledger, written, told, errors=ERRORS, processes=WORKERS):
            self._narrator.fail(stage, why)
        self._narrator.say(f"app.log holds {written.marks.total():,} records from {len(written.processes)} processes")
        self._narrator.say(f"a new error took {self.figures.alert_ms} ms from the log call to Slack (median)")

    def _all_mailed(self) -> bool:
        return 0 < len(self._slack.posts) == len(self._mail.mails)

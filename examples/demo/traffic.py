"""Customers: threads that ask the shop for things over real HTTP, each request under an id of its own."""

import json
import random
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from itertools import count

from examples.demo.ledger import Ledger
from examples.shop import PRICES, REFUSED_CARD
from examples.sinks import LOOPBACK

CUSTOMERS = 4  #: threads
PAUSE = 0.016  #: seconds from one request of a customer to the next
PER_CONNECTION = 25  #: requests, so that both of the shop's processes get their share


class Customer:
    """One connection to the shop at a time. What it is told goes into the ledger."""

    def __init__(self, name: str, port: int, ledger: Ledger) -> None:
        self._name = name
        self._port = port
        self._ledger = ledger
        self._numbers = count(1)
        self._connection = HTTPConnection(LOOPBACK, port, timeout=10)

    def get(self, path: str) -> int:
        """Ask; the status."""
        return self._request("GET", path, None)

    def post(self, path: str, body: object) -> int:
        """Send an object as JSON, or a text as it is; the status."""
        return self._request("POST", path, body if isinstance(body, str) else json.dumps(body))

    def buy(self, chance: random.Random, *, refused: float) -> None:
        """Whatever customers do; a share of them has a card that is refused."""
        cart = {"items": {chance.choice(list(PRICES)): chance.randint(1, 3)}}
        if chance.random() < refused:
            self.post("/checkout", cart | {"card": REFUSED_CARD})
        elif chance.random() < 0.5:
            self.get("/catalog")
        else:
            self.post(chance.choice(["/orders", "/checkout"]), cart)

    def close(self) -> None:
        """Leave."""
        self._connection.close()

    def _request(self, method: str, path: str, body: str | None) -> int:
        number = next(self._numbers)
        if number % PER_CONNECTION == 0:
            self._connection.close()
        request_id = f"{self._name}-{number}"
        self._connection.request(method, path, body, {"X-Request-ID": request_id, "X-User": self._name})
        response = self._connection.getresponse()
        response.read()
        self._ledger.note(request_id, int(response.headers["X-Log-Records"]))
        return response.status


class Traffic:
    """The customers, all at once, until `stop`."""

    def __init__(self, port: int, ledger: Ledger) -> None:
        self.refused = 0.0  #: the share of customers whose card is refused
        self.unanswered: Counter[str] = Counter()  #: what went wrong with the requests that got no answer
        self._port = port
        self._ledger = ledger
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"customer-{number}") for number in range(CUSTOMERS)
        ]

    def start(self) -> None:
        """Let them in."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each finish its request."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        customer, chance = Customer(f"customer-{number}", self._port, self._ledger), random.Random(number)
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            due = max(due + PAUSE, time.monotonic() - PAUSE)  # who was held up does not storm the shop
            try:
                customer.buy(chance, refused=self.refused)
            except (OSError, HTTPException) as error:
                self.unanswered[type(error).__name__] += 1
                customer.close()
        customer.close()

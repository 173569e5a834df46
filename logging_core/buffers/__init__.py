"""Between the thread that logs and the thread that ships: what holds a record until it is written."""

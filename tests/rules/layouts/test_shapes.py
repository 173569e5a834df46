"""Lines as they are written, and what their headers say."""

import pytest

DAY = "2026-02-19T10:30:00"
MILLI, WHOLE, MICRO = f"{DAY}.123000+00:00", f"{DAY}.000000+00:00", f"{DAY}.123456+00:00"
UUID = "123e4567-e89b-12d3-a456-426614174000"

#: (line, time, level, logger, message)
PYTHON = [
    ("2026-02-19 10:30:00,123 ERROR shop.orders order 17 failed", MILLI, "ERROR", "shop.orders", "order 17 failed"),
    ("2026-02-19 10:30:00,123 ERROR shop.orders: order failed", MILLI, "ERROR", "shop.orders", "order failed"),
    ("2026-02-19 10:30:00,123 - shop - ERROR - failed", MILLI, "ERROR", "shop", "failed"),
    ("2026-02-19 10:30:00,123 - shop.db - WARNING - slow - very", MILLI, "WARNING", "shop.db", "slow - very"),
    ("2025-05-17 10:05:00 - visionai_processor - ERROR - Out of memory error",
     "2025-05-17T10:05:00.000000+00:00", "ERROR", "visionai_processor", "Out of memory error"),
    ("2026-02-19 10:30:00,123 - ERROR - shop.db - lost", MILLI, "ERROR", "shop.db", "lost"),
    ("2026-02-19 10:30:00,123 - ERROR - it failed - again", MILLI, "ERROR", "", "it failed - again"),
    ("2026-02-19 10:30:00,123 [ERROR] shop.db: lost", MILLI, "ERROR", "shop.db", "lost"),
    ("2026-02-19 10:30:00,123 [ERROR] lost", MILLI, "ERROR", "", "lost"),
    ("2026-02-19 10:30:00,123 ERROR [order 17] lost", MILLI, "ERROR", "", "[order 17] lost"),
    ("2026-02-19 10:30:00,123 [error] lost", MILLI, "ERROR", "", "lost"),
    ("2026-02-19 10:30:00,123 [MainThread] [ERROR] [shop.db] lost", MILLI, "ERROR", "shop.db", "lost"),
    ("2026-02-19 10:30:00,123 [shop.db] ERROR: lost", MILLI, "ERROR", "shop.db", "lost"),
    ("2026-02-19 10:30:00,123 shop.db ERROR lost", MILLI, "ERROR", "shop.db", "lost"),
    ("2026-02-19 10:30:00,123 shop ERROR lost", MILLI, "ERROR", "shop", "lost"),
    ("2026-02-19 10:30:00,123 MainThread shop.db ERROR lost", MILLI, "ERROR", "shop.db", "lost"),
    ("2026-02-19 10:30:00,123 [12] ERROR shop.db lost", MILLI, "ERROR", "shop.db", "lost"),
    ("2026-02-19 10:30:00,123 | ERROR | shop.db | lost", MILLI, "ERROR", "shop.db", "lost"),
    ("2026-02-19 10:30:00,123 | shop | ERROR | lost", MILLI, "ERROR", "shop", "lost"),
    ("2026-02-19 10:30:00,123:ERROR:shop.db:lost", MILLI, "ERROR", "shop.db", "lost"),
    ("2026-02-19 10:30:00,123 ERROR redis.exceptions.ConnectionError: Error 111", MILLI, "ERROR", "",
     "redis.exceptions.ConnectionError: Error 111"),
    ("2026-02-19 10:30:00,123 ERROR settings.py is missing", MILLI, "ERROR", "", "settings.py is missing"),
    ("2026-02-19 10:30:00 error: lost", WHOLE, "ERROR", "", "lost"),
    ("2026-02-19 10:30:00 Switching to DEBUG mode", WHOLE, "", "", "Switching to DEBUG mode"),
    ("2026-02-19 10:30:00 nothing said", WHOLE, "", "", "nothing said"),
    ("2026-02-30 10:30:00,123 ERROR shop.db lost", "", "ERROR", "shop.db", "lost"),
    ("ERROR:root:boom", "", "ERROR", "root", "boom"),
    ("WARNING:shop.db:slow: very", "", "WARNING", "shop.db", "slow: very"),
    ("ERROR: boom", "", "ERROR", "", "boom"),
    ("ERROR 2026-02-19 10:30:00,123 views 12 140 lost", MILLI, "ERROR", "views", "lost"),
    ("[ERROR] 2026-02-19 10:30:00,123 shop.db: lost", MILLI, "ERROR", "shop.db", "lost"),
    ("ERROR    shop.orders:orders.py:42 lost", "", "ERROR", "shop.orders", "lost"),
    ("[ERROR] lost", "", "ERROR", "", "lost"),
    ("02/19/2026 10:30:00 AM is when it happened", WHOLE, "", "", "is when it happened"),
]  # fmt: skip
LIBRARIES = [
    ("2026-02-19 10:30:00.123 | ERROR    | shop.orders:create:12 - failed", MILLI, "ERROR", "shop.orders", "failed"),
    ("2026-02-19 10:30:00.123 | SUCCESS  | __main__:<module>:5 - done", MILLI, "INFO", "__main__", "done"),
    ("\x1b[32m2026-02-19 10:30:00.123\x1b[0m | \x1b[31m\x1b[1mERROR   \x1b[0m | \x1b[36mshop\x1b[0m:create:12 - failed",
     MILLI, "ERROR", "shop", "failed"),
    ("2026-02-19T10:30:00.123456Z [error    ] it failed                      [shop.api] key=1", MICRO, "ERROR",
     "shop.api", "it failed key=1"),
    ("\x1b[2m2026-02-19T10:30:00.123456Z\x1b[0m [\x1b[31m\x1b[1merror    \x1b[0m] \x1b[1mit failed\x1b[0m", MICRO,
     "ERROR", "", "it failed"),
    ("2026-02-19 10:30:00 [info     ] ready                          port=80", WHOLE, "INFO", "",
     "ready                          port=80"),
    ("[2026-02-19 10:30:00 +0000] [7] [ERROR] Worker (pid:9) was sent SIGKILL! Perhaps out of memory?", WHOLE, "ERROR",
     "", "Worker (pid:9) was sent SIGKILL! Perhaps out of memory?"),
    ("[2026-02-19 11:30:00 +0100] [7] [CRITICAL] WORKER TIMEOUT (pid:9)", WHOLE, "CRITICAL", "",
     "WORKER TIMEOUT (pid:9)"),
    ("[2026-02-19 10:30:00 +0000] [7] [INFO] Booting worker with pid: 9", WHOLE, "INFO", "",
     "Booting worker with pid: 9"),
    ('INFO:     127.0.0.1:5 - "GET / HTTP/1.1" 200 OK', "", "INFO", "", '127.0.0.1:5 - "GET / HTTP/1.1" 200 OK'),
    ("ERROR:    Exception in ASGI application", "", "ERROR", "", "Exception in ASGI application"),
    ("\x1b[31mERROR\x1b[0m:    Exception in ASGI application", "", "ERROR", "", "Exception in ASGI application"),
    ("CRITICAL: x", "", "CRITICAL", "", "x"),
    (f"[2026-02-19 10:30:00,123: ERROR/ForkPoolWorker-1] Task shop.add[{UUID}] raised unexpected: KeyError('a')", MILLI,
     "ERROR", "", f"Task shop.add[{UUID}] raised unexpected: KeyError('a')"),
    ("[2026-02-19 10:30:00,123: WARNING/MainProcess] consumer: Cannot connect", MILLI, "WARNING", "",
     "consumer: Cannot connect"),
    (f"[2026-02-19 10:30:00,123: ERROR/ForkPoolWorker-1] shop.add[{UUID}]: lost", MILLI, "ERROR", "shop.add", "lost"),
    ('[19/Feb/2026 10:30:00] "GET / HTTP/1.1" 500 145', WHOLE, "ERROR", "", '"GET / HTTP/1.1" 500 145'),
    ('[19/Feb/2026 10:30:00] "GET /MemoryError HTTP/1.1" 404 12', WHOLE, "INFO", "",
     '"GET /MemoryError HTTP/1.1" 404 12'),
    ("Internal Server Error: /orders/", "", "ERROR", "django.request", "Internal Server Error: /orders/"),
    ("Not Found: /x", "", "WARNING", "django.request", "Not Found: /x"),
    ("Forbidden (CSRF token missing.): /x", "", "WARNING", "django.request", "Forbidden (CSRF token missing.): /x"),
    ("[E 260219 10:30:00 web:1789] Uncaught exception GET /", WHOLE, "ERROR", "web", "Uncaught exception GET /"),
    ("[I 2026-02-19 10:30:00.123 ServerApp] ready", MILLI, "INFO", "ServerApp", "ready"),
    ("[W 260219 10:30:00 web:2348] 404 GET /x (::1) 0.35ms", WHOLE, "WARNING", "web", "404 GET /x (::1) 0.35ms"),
    ("2026-02-19 10:30:00 [scrapy.core.engine] INFO: Spider opened", WHOLE, "INFO", "scrapy.core.engine",
     "Spider opened"),
    ("[2026-02-19T10:30:00.123+0000] {taskinstance.py:1824} ERROR - Task failed", MILLI, "ERROR", "", "Task failed"),
    ("[02/19/26 10:30:00] ERROR    lost      shop.py:12", WHOLE, "ERROR", "", "lost      shop.py:12"),
    ("INFO  [alembic.runtime.migration] Context impl", "", "INFO", "alembic.runtime.migration", "Context impl"),
]  # fmt: skip
SYSLOG = [
    ("Feb 19 10:30:00 web sshd[12]: Failed password", WHOLE, "", "sshd", "Failed password"),
    ("Feb 19 10:30:00.123456 web sshd[12]: Failed password", MICRO, "", "sshd", "Failed password"),
    ("Feb 19 10:30:00 web systemd[1]: shop.service: A process was killed by the OOM killer.", WHOLE, "", "systemd",
     "shop.service: A process was killed by the OOM killer."),
    ("Feb 19 10:30:00 web kernel: [ 8214.317205] Out of memory: Killed process 7", WHOLE, "", "kernel",
     "Out of memory: Killed process 7"),
    ("Feb 19 10:30:00 web su(pam_unix)[2]: session opened", WHOLE, "", "su(pam_unix)", "session opened"),
    ("<11>Feb 19 10:30:00 web shop: lost", WHOLE, "ERROR", "shop", "lost"),
    ("<14>Feb 19 10:30:00 web shop[2]: lost", WHOLE, "INFO", "shop", "lost"),
    ("<30>Feb 19 10:30:00 web shop[2]: MemoryError", WHOLE, "", "shop", "MemoryError"),
    ("<30>Feb 19 10:30:00 web shop[2]: ERROR:shop.db:lost", WHOLE, "ERROR", "shop.db", "lost"),
    ("Feb 19 10:30:00 web gunicorn[12]: [2026-02-19 10:29:59 +0000] [7] [ERROR] x",
     "2026-02-19T10:29:59.000000+00:00", "ERROR", "gunicorn", "x"),
    ('<165>1 2026-02-19T10:30:00.123Z web shop 12 ID47 [ex@1 a="b\\"]" c="d"][f@2] lost', MILLI, "NOTICE", "shop",
     "lost"),
    ("<11>1 2026-02-19T11:30:00.123456+01:00 web shop - - - \ufefflost", MICRO, "ERROR", "shop", "lost"),
    ("<11>1 - - - - - - lost", "", "ERROR", "", "lost"),
    ("<3>lost", "", "ERROR", "", "lost"),
    ("2026-02-19T11:30:00+0100 web shop[12]: lost", WHOLE, "", "shop", "lost"),
    ("2026-02-19T10:30:00.123456+00:00 web shop[12]: WARNING: lost", MICRO, "WARNING", "shop", "lost"),
    ("2026-02-19T10:30:00+00:00 web kernel: oom-kill:constraint=CONSTRAINT_NONE", WHOLE, "", "kernel",
     "oom-kill:constraint=CONSTRAINT_NONE"),
    ("Thu 2026-02-19 10:30:00 UTC web shop[12]: lost", WHOLE, "", "shop", "lost"),
    ("[ 8214.317205] Out of memory: Killed process 7", "", "", "kernel", "Out of memory: Killed process 7"),
    ("[    0.000000][    T0] Linux version", "", "", "kernel", "Linux version"),
    ("kern  :err   : [ 8214.317205] lost", "", "ERROR", "kernel", "lost"),
    ("<3>[ 8214.317205] lost", "", "ERROR", "kernel", "lost"),
]  # fmt: skip
SERVERS = [
    ("2026/02/19 10:30:00 [error] 31#31: *7 connect() failed (111: Connection refused)", WHOLE, "ERROR", "",
     "connect() failed (111: Connection refused)"),
    ("2026/02/19 10:30:00 [emerg] 1#1: bind() to 0.0.0.0:80 failed", WHOLE, "CRITICAL", "",
     "bind() to 0.0.0.0:80 failed"),
    ("2026/02/19 10:30:00 [warn] 31#31: slow", WHOLE, "WARNING", "", "slow"),
    ('127.0.0.1 - - [19/Feb/2026:10:30:00 +0000] "GET / HTTP/1.1" 502 12 "-" "curl"', WHOLE, "ERROR", "",
     '"GET / HTTP/1.1" 502 12 "-" "curl"'),
    ('::1 - ann [19/Feb/2026:11:30:00 +0100] "GET /\\"Killed HTTP/1.1" 200 12', WHOLE, "INFO", "",
     '"GET /\\"Killed HTTP/1.1" 200 12'),
    ('shop.example 10.0.0.1 - - [19/Feb/2026:10:30:00 +0000] "-" 408 0', WHOLE, "INFO", "", '"-" 408 0'),
    ("2026-02-19 10:30:00.123 UTC [77] ERROR:  deadlock detected", MILLI, "ERROR", "", "deadlock detected"),
    ("2026-02-19 11:30:00.123 CET [77] shop@shop FATAL:  sorry, too many clients already", MILLI, "CRITICAL", "",
     "sorry, too many clients already"),
    ("2026-02-19 10:30:00.123 UTC [77] LOG:  checkpoint starting", MILLI, "", "", "checkpoint starting"),
    ("2026-02-19 10:30:00 UTC [77]: [3-1] user=a,db=b,app=psql,client=[local] ERROR:  lost", WHOLE, "ERROR", "",
     "lost"),
    ("2026-02-19 10:30:00 UTC:10.0.0.1(12345):user@db:[77]:PANIC:  lost", WHOLE, "CRITICAL", "", "lost"),
    ("1:M 19 Feb 2026 10:30:00.123 # Can't save in background: fork: Cannot allocate memory", MILLI, "WARNING", "",
     "Can't save in background: fork: Cannot allocate memory"),
    ("1:S 19 Feb 2026 10:30:00.123 * MASTER <-> REPLICA sync started", MILLI, "NOTICE", "",
     "MASTER <-> REPLICA sync started"),
    ("12:C 19 Feb 2026 10:30:00.123 - DB saved", MILLI, "DEBUG", "", "DB saved"),
    ("12:C 19 Feb 2026 10:30:00.123 . tick", MILLI, "TRACE", "", "tick"),
    ("[Thu Feb 19 10:30:00 2026] [error] child died", WHOLE, "ERROR", "", "child died"),
    ("[Thu Feb 19 10:30:00.123456 2026] [core:error] [pid 7] lost", MICRO, "ERROR", "", "[pid 7] lost"),
    ("[Thu Feb 19 10:30:00 2026] [notice] ready", WHOLE, "NOTICE", "", "ready"),
    ("2026-02-19T10:30:00.123456Z 8 [ERROR] [MY-012345] [InnoDB] lost", MICRO, "ERROR", "InnoDB", "lost"),
    ("2026-02-19 10:30:00.123456+00:00 [error] <0.123.0> lost", MICRO, "ERROR", "", "<0.123.0> lost"),
]  # fmt: skip
JAVA = [
    ("2026-02-19 10:30:00.123 ERROR 1 --- [main] c.e.App                : lost", MILLI, "ERROR", "c.e.App", "lost"),
    ("2026-02-19T10:30:00.123Z ERROR 1 --- [shop] [main] c.e.App : lost", MILLI, "ERROR", "c.e.App", "lost"),
    ("26/02/19 10:30:00 INFO executor.Executor: running", WHOLE, "INFO", "executor.Executor", "running"),
    ("260219 103000 148 WARN dfs.DataNode$PacketResponder: slow", WHOLE, "WARNING", "dfs.DataNode$PacketResponder",
     "slow"),
    ("2026-02-19 10:30:00,123 INFO [main] org.apache.App: ready", MILLI, "INFO", "org.apache.App", "ready"),
    ("2026-02-19 10:30:00,123 - WARN  [QuorumPeer[myid=1]/0:0:2181:Learner@12] - slow", MILLI, "WARNING", "Learner",
     "slow"),
    ("10:30:00.123 [main] ERROR com.example.App - lost", "", "ERROR", "com.example.App", "lost"),
    ("19-Feb-2026 10:30:00.123 SEVERE [main] org.apache.Server lost", MILLI, "ERROR", "org.apache.Server", "lost"),
    ("[2026-02-19 10:30:00,123] ERROR lost (kafka.server.KafkaServer)", MILLI, "ERROR", "",
     "lost (kafka.server.KafkaServer)"),
    ("[2026-02-19T10:30:00,123][WARN ][o.e.b.Bootstrap          ] [node] slow", MILLI, "WARNING", "o.e.b.Bootstrap",
     "slow"),
]  # fmt: skip
LETTERS = [
    ("02-19 10:30:00.123  1702  2395 E WindowManager: lost", MILLI, "ERROR", "WindowManager", "lost"),
    ("02-19 10:30:00.123  1702 12395 I am_proc : started", MILLI, "INFO", "am_proc", "started"),
    ("02-19 10:30:00.123  1702  2395 F libc    : Fatal signal 11", MILLI, "CRITICAL", "libc", "Fatal signal 11"),
    ("E0219 10:30:00.123456       1 file.go:12] lost", MICRO, "ERROR", "", "lost"),
    ("W20260219 10:30:00.123456  12 file.cc:12] slow", MICRO, "WARNING", "", "slow"),
    ("I0219 10:30:00.123456       1 a/b.go:12] ready", MICRO, "INFO", "", "ready"),
    ("[rank0]:[E219 10:30:00.123456789 ProcessGroupNCCL.cpp:616] [Rank 0] Watchdog", MICRO, "ERROR", "",
     "[Rank 0] Watchdog"),
    ("[W219 10:30:00.123456789 socket.cpp:752] [c10d] slow", MICRO, "WARNING", "", "[c10d] slow"),
    ("[W socket.cpp:601] [c10d] slow", "", "WARNING", "", "[c10d] slow"),
    ("node1:1234:5678 [0] NCCL WARN Cuda failure 'out of memory'", "", "WARNING", "NCCL",
     "Cuda failure 'out of memory'"),
    ("[2026-02-19 10:30:00] node1:1234:5678 [0] misc/socket.cc:12 NCCL INFO ready", WHOLE, "INFO", "NCCL", "ready"),
    ("node1:1234:5678 [7] transport.cc:12 NCCL ERROR lost", "", "ERROR", "NCCL", "lost"),
]  # fmt: skip
LOGFMT = [
    ('time="2026-02-19T10:30:00Z" level=error msg="query \\"a\\" failed" logger=db', WHOLE, "ERROR", "db",
     'query "a" failed'),
    ("level=warn ts=2026-02-19T10:30:00.123Z caller=main.go:12 msg=slow", MILLI, "WARNING", "", "slow"),
    ("ts=1771497000.123 level=info msg=ready", MILLI, "INFO", "", "ready"),
    ('level=error msg="query failed" err="connection refused"', "", "ERROR", "", "query failed: connection refused"),
    ("at=error code=H12 desc=x", "", "ERROR", "", "at=error code=H12 desc=x"),
]  # fmt: skip


@pytest.mark.parametrize(
    "case", PYTHON + LIBRARIES + SYSLOG + SERVERS + JAVA + LETTERS + LOGFMT, ids=lambda case: case[0]
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_header_says_what_its_line_does(layouts, case, end):
    line, *wanted = case
    for _ in range(2):  # the second time, this second is known
        header = layouts.header((line + end).encode())
        assert header is not None
        assert [header.timestamp, header.level, header.logger, header.message] == wanted
    assert layouts.begins((line + end).encode())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Traceback (most recent call last):",
        '  File "/srv/shop/orders.py", line 42, in create',
        "    ~~~~~~^^^^^",
        "ValueError: x",
        "MemoryError",
        "KeyError: 'a'",
        "Error: lost",
        "error: lost",
        "redis.exceptions.ConnectionError: Error 111 connecting to 127.0.0.1:6379.",
        "Caused by: java.net.ConnectException: refused",
        "\tat org.apache.App.main(App.java:12)",
        "\t... 12 more",
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
        "  + Exception Group Traceback (most recent call last):",
        "  | ValueError: x",
        "Information about it",
        "Debugging is on",
        "Errors: 5",
        "2026-02-19",
        "2026-02-19 is no date of delivery",
        "12 orders",
        "10.0.0.1 is unreachable",
        "Feb is over",
        "[1, 2, 3]",
        "[local] x",
        "<html>",
        "{}",
        "key=value",
        "level=",
        "2026-02-19 10:30:00.123 UTC [77] DETAIL:  Process 1 waits",
        "2026-02-19 10:30:00.123 UTC [77] STATEMENT:  SELECT 'ERROR' FROM x",
        "2026-02-19 10:30:00 UTC:10.0.0.1(12345):user@db:[77]:HINT:  x",
    ],
)
def test_other_lines_do_not_begin_a_record(layouts, line):
    assert layouts.header(line.encode()) is None
    assert not layouts.begins(line.encode())


def test_a_mark_at_the_beginning_of_a_file_is_no_part_of_the_line(layouts):
    assert layouts.header(b"\xef\xbb\xbfERROR:root:boom")[:4] == ("", "ERROR", "root", "boom")
    assert layouts.begins(b"\xef\xbb\xbfERROR:root:boom")


def test_broken_text_is_shown_escaped(layouts):
    assert layouts.header(b"ERROR:root:gr\xfc\xdfe \x00").message == "gr\\xfc\\xdfe \x00"

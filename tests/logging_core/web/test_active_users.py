import os

from logging_core.web import active_users
from logging_core.web.active_users import ActiveUsers


def test_a_user_is_counted_once_however_often_he_comes():
    users = ActiveUsers()
    for user in (1, 2, "2", None, "ann", 1):
        users.saw(user)
    assert users.count() == 3


def test_a_user_of_two_processes_is_counted_once(tmp_path):
    users = ActiveUsers(tmp_path)
    for user in ("ann", "bob"):
        users.saw(user)
    child = os.fork()
    if child == 0:
        for user in ("bob", "eve"):
            users.saw(user)
        os._exit(users.count() - 3)
    assert os.waitpid(child, 0)[1] == 0
    assert users.count() == 3


def test_what_a_dead_process_has_seen_counts_until_it_is_old(tmp_path, monkeypatch):
    users = ActiveUsers(tmp_path)
    child = os.fork()
    if child == 0:
        users.saw("eve")
        os._exit(0)
    os.waitpid(child, 0)
    assert users.count() == 1
    monkeypatch.setattr(users, "_window", -1.0)
    assert users.count() == 0
    assert list(tmp_path.iterdir()) == []


def test_memory_is_bounded_and_who_has_gone_makes_room(tmp_path, monkeypatch):
    monkeypatch.setattr(active_users, "_MAX_USERS", 10)
    users = ActiveUsers(tmp_path)
    for user in range(20):
        users.saw(user)
    assert users.count() == 10
    monkeypatch.setattr(users, "_window", -1.0)
    users.saw("late")
    monkeypatch.setattr(users, "_window", 300.0)
    assert users.count() == 1
    (notes,) = tmp_path.iterdir()
    assert notes.stat().st_size == 16


def test_a_folder_that_is_no_longer_there_counts_who_was_seen_here(tmp_path):
    users = ActiveUsers(tmp_path / "gone")
    users.saw("ann")
    assert users.count() == 1

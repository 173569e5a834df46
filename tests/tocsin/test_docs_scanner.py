"""The page on the scanner: its log, what is said of it, and its programs."""

import json
import re

import pytest

from tests.documents import Page, says
from tests.tocsin.test_cli import tocsin
from tocsin import analyze

PAGE = Page("docs/scanner.md")
LOG, SAID, PRINTED = PAGE.blocks("text")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.log").write_text(LOG)
    return tmp_path


def test_the_log_of_the_page_is_read_as_it_says(folder):
    assert says(SAID, tocsin("analyze", "app.log", folder=folder).stdout)


def test_its_programs_print_what_it_says(folder):
    assert says(PRINTED, PAGE.run(folder))


def test_every_key_of_the_object_is_told(folder):
    shown = json.loads(tocsin("analyze", "app.log", "--json", folder=folder).stdout)
    for key in (*shown, *shown["events"][0]):
        assert f"`{key}`" in PAGE.text


def test_the_exit_codes_are_those_of_the_command():
    codes = [int(code) for code in re.findall(r"^\| (\d+) \| ", PAGE.text, re.MULTILINE)]
    assert codes == [analyze.NOTHING, analyze.FOUND, analyze.BAD, analyze.INCOMPLETE, analyze.STOPPED]

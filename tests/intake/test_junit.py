"""Results of tests are taken as JUnit XML, whoever wrote it, and nothing of it is expanded."""

import gzip
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

import pytest

from honed.core.intake import Request, Taken
from honed.errors import MalformedSignal
from honed.intake.junit import JunitIntake
from honed.testing.intake import IntakeContract, IntakeServer

CASE = '<testcase classname="shop.CartTest" name="total" time="0.25"'
#: Control characters have no place in XML, escaped or not.
NO_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def take(xml: str, **query: str) -> Taken:
    return JunitIntake().take(Request("POST", "/api/v1/junit", query=query, body=xml.encode()))


def suite(*cases: str, said: str = "") -> str:
    return f'<testsuites><testsuite name="shop" {said}>{"".join(cases)}</testsuite></testsuites>'


def test_what_cannot_be_read_is_counted_and_its_result_is_kept() -> None:
    xml = (
        '<testsuite timestamp="yesterday"><properties><property name="dirty" value="perhaps"/>'
        '<property name="other" value="x"/></properties>'
        '<testcase name="a" time="long" line="last"/><testcase name="b" time="1,234.5" line="7"/>'
        "</testsuite>"
    )
    query = {"dirty": "maybe", "committed_at": "then", "comit": "c0ffee", "branch": "main"}
    taken = take(xml, **query)
    assert taken.skipped == {
        "bad_dirty": 2, "bad_committed_at": 1, "unknown_parameter": 1, "bad_timestamp": 1,
        "bad_time": 1, "bad_line": 1,
    }  # fmt: skip
    assert json.loads(taken.answer) == {"accepted": 2, "skipped": dict(taken.skipped)}
    assert [(each.body["branch"], "dirty" in each.body) for each in taken.signals] == [
        ("main", False), ("main", False),
    ]  # fmt: skip


def outcomes(taken: Taken) -> list[object]:
    return [signal.body["outcome"] for signal in taken.signals]


class TestJunitIntake(IntakeContract):
    content_type = "application/xml"

    @pytest.fixture
    def intake(self) -> JunitIntake:
        return JunitIntake()

    def body(self, text: str) -> bytes:
        plain = NO_XML.sub("", text)
        said, words = quoteattr(plain), escape(plain)
        names = ("run", "commit", "branch", "service", "environment", "committed_at")
        properties = "".join(f"<property name='{name}' value={said}/>" for name in names)
        case = f"<testcase classname={said} name={said} file={said}>"
        xml = (
            f"<testsuite name={said} hostname={said}><properties>{properties}</properties>"
            f"{case}<failure type={said} message={said}>{words}</failure></testcase>"
            f"{case}<error>{words}</error><system-out>{words}</system-out></testcase>"
            f"{case}<skipped message={said}/></testcase></testsuite>"
        )
        return xml.encode()


def test_each_case_is_one_result() -> None:
    taken = take(
        suite(
            f"{CASE}/>",
            f"{CASE}><failure/></testcase>",
            f"{CASE}><error/></testcase>",
            f"{CASE}><skipped/></testcase>",
            f'{CASE}><skipped type="pytest.xfail" message="not yet"/></testcase>',
            said='timestamp="2027-01-01T10:00:00"',
        )
    )
    assert outcomes(taken) == ["passed", "failed", "error", "skipped", "xfailed"]
    assert {signal.subject for signal in taken.signals} == {"shop.CartTest > total"}
    assert {signal.value for signal in taken.signals} == {250.0}
    assert {signal.at for signal in taken.signals} == {datetime(2027, 1, 1, 10, tzinfo=UTC)}
    assert json.loads(taken.answer) == {"accepted": 5, "skipped": {}}


def test_the_address_and_the_properties_say_of_what_it_is_a_run() -> None:
    properties = (
        '<properties><property name="commit" value="old"/><property name="branch" value="main"/>'
        '<property name="dirty" value="TRUE"/></properties>'
    )
    (signal,) = take(
        suite(properties, f"{CASE}/>", said='hostname="ci-7"'), commit="c0ffee", service="shop"
    ).signals
    assert signal.body == {
        "outcome": "passed", "commit": "c0ffee", "branch": "main", "dirty": True,
    }  # fmt: skip
    assert (signal.service, signal.environment) == ("shop", "ci-7")
    (signal,) = take(suite(f"{CASE}/>"), environment="java 21").signals
    assert (signal.environment, signal.body) == ("java 21", {"outcome": "passed"})


def test_attempts_are_told_apart() -> None:
    flaky = f'{CASE}><flakyFailure message="first"/><flakyError message="second"/></testcase>'
    lost = f'{CASE}><failure message="first"/><rerunFailure message="second"/></testcase>'
    taken = take(suite(flaky, lost))
    assert [(each.body["attempt"], each.body["outcome"]) for each in taken.signals] == [
        (1, "failed"), (2, "error"), (3, "passed"), (1, "failed"), (2, "failed"),
    ]  # fmt: skip
    assert [each.body.get("message") for each in taken.signals] == [
        "first", "second", None, "first", "second",
    ]  # fmt: skip


def test_a_test_that_failed_and_could_not_be_cleared_away_is_one_result() -> None:
    taken = take(suite(f'{CASE}><skipped/><failure message="a"/><error message="b"/></testcase>'))
    assert [(each.body["outcome"], each.body["message"]) for each in taken.signals] == [
        ("failed", "a")
    ]


def test_a_traceback_tells_the_fault_and_where() -> None:
    text = (
        'Traceback (most recent call last):\n  File "shop/cart.py", line 3, in total\n'
        "    raise ValueError(number)\nValueError: no 7\n"
    )
    (signal,) = take(suite(f"{CASE}><failure>{text}</failure></testcase>")).signals
    assert (signal.body["title"], signal.body["message"]) == ("ValueError: no 7", "no 7")
    assert (signal.body["culprit"], signal.body["files"]) == (
        "total in shop/cart.py", ("shop/cart.py",),
    )  # fmt: skip


def test_what_is_said_twice_is_one_group_for_each_test() -> None:
    failure = '<failure message="assert 1 == 2"/></testcase>'
    other = '<testcase classname="shop.OrderTest" name="total">'
    one, again, two = take(
        suite(f"{CASE}>{failure}", f"{CASE}>{failure}", f"{other}{failure}")
    ).signals
    assert one.fingerprint == again.fingerprint != two.fingerprint


def test_suites_in_suites_name_what_has_no_class() -> None:
    inner = (
        '<testsuite name="inner" timestamp="2027-01-02T00:00:00Z"><testcase name="a"/></testsuite>'
    )
    taken = take(suite(inner, '<testcase name="b"/>', said='timestamp="2027-01-01T00:00:00Z"'))
    assert [(each.subject, each.at.day) for each in taken.signals] == [
        ("inner > a", 2), ("shop > b", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("time", ["", "soon", "nan", "inf", "-1"])
def test_a_time_that_is_none_is_left_out(time: str) -> None:
    (signal,) = take(suite(f'<testcase name="a" time="{time}" line="x"/>')).signals
    assert signal.value is None
    assert "line" not in signal.body


def test_thousands_are_read_as_surefire_writes_them() -> None:
    (signal,) = take(suite('<testcase name="a" time="1,234.5"/>')).signals
    assert signal.value == 1_234_500


BOMB = (
    '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
    "<testsuite><testcase name='&c;'/></testsuite>"
)
FETCH = (
    '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    "<testsuite><testcase name='x'><failure>&a;</failure></testcase></testsuite>"
)


@pytest.mark.parametrize("xml", [BOMB, FETCH, "<!DOCTYPE testsuite SYSTEM 'a.dtd'><testsuite/>"])
def test_a_document_type_is_refused_before_anything_of_it_is_read(xml: str) -> None:
    with pytest.raises(MalformedSignal, match="document type"):
        take(xml)


@pytest.mark.parametrize(
    "xml",
    ["", "{}", "<testsuite>", "<testsuite>&nbsp;</testsuite>", "<testsuite></b>",
     '<?xml version="1.0" encoding="klingon"?><testsuite/>',
     '<?xml version="1.0" encoding="utf-7"?><testsuite/>',
     '<?xml version="1.0" encoding="cp932"?><testsuite/>'],
)  # fmt: skip
def test_what_is_no_xml_is_malformed(xml: str) -> None:
    with pytest.raises(MalformedSignal, match="not XML"):
        take(xml)


def test_xml_of_another_sort_is_malformed() -> None:
    with pytest.raises(MalformedSignal, match="not of JUnit") as refused:
        take("<project><testcase name='a'/></project>")
    assert "<testsuites>" in refused.value.hint


def test_what_is_nested_too_deeply_is_malformed() -> None:
    depth = 100_000
    with pytest.raises(MalformedSignal, match="32 deep"):
        take("<testsuite>" * depth + "</testsuite>" * depth)


def test_a_long_text_loses_its_middle_and_no_result_is_lost(intake_server: IntakeServer) -> None:
    text = "word " * 400_000
    xml = suite(f"{CASE}><failure message='{text}'>{text}</failure></testcase>")
    headers = {"X-Honed-Key": intake_server.project.public_key, "Content-Encoding": "gzip"}
    answer = intake_server.post("/api/v1/junit", gzip.compress(xml.encode()), headers)
    assert answer.status_code == 200
    (row,) = intake_server.rows("SELECT message FROM honed.test_result")
    assert len(row["message"]) <= 60_003
    assert row["message"].startswith("word word")
    assert set(row["message"].split()) == {"word", "..."}


@pytest.mark.slow
def test_what_has_no_name_and_what_is_too_much_is_counted() -> None:
    taken = take(suite("<testcase/>", '<testcase name="a"/>' * 50_003))
    assert len(taken.signals) == 50_000
    assert taken.skipped == {"no_test": 1, "too_many": 3}


@pytest.mark.slow
def test_a_file_that_pytest_wrote_is_taken(intake_server: IntakeServer, tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert {'a': 1} == {'a': 2}\n"
        "@pytest.fixture\n"
        "def broken(): raise ValueError('no <shop>')\n"
        "def test_error(broken): pass\n"
        "@pytest.mark.skip(reason='later')\n"
        "def test_skipped(): pass\n"
        "@pytest.mark.xfail(reason='known')\n"
        "def test_known(): assert False\n"
    )
    report = tmp_path / "report.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    address = f"/api/v1/junit?{urlencode({'commit': 'c0ffee', 'run': '7'})}"
    assert intake_server.post(address, report.read_bytes()).status_code == 200
    rows = intake_server.rows('SELECT test, outcome, run, "commit" FROM honed.test_result')
    assert {row["test"]: row["outcome"] for row in rows} == {
        "test_shop > test_good": "passed",
        "test_shop > test_bad": "failed",
        "test_shop > test_error": "error",
        "test_shop > test_skipped": "skipped",
        "test_shop > test_known": "xfailed",
    }
    assert {(row["run"], row["commit"]) for row in rows} == {("7", "c0ffee")}
    titles = intake_server.rows("SELECT title, files FROM honed.signal_group ORDER BY title")
    assert [row["title"] for row in titles] == [
        "AssertionError: assert {'a': 1} == {'a': 2}",
        'ValueError: failed on setup with "ValueError: no <shop>"',
    ]
    assert [row["files"] for row in titles] == [["test_shop.py"]] * 2

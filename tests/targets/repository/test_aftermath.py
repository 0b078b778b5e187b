"""A change of code after it was proposed, on a real repository and what services tell."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from honed.core.aftermath import Aftermath, Standing
from honed.core.change import CodeChange, FileChange
from honed.core.hypothesis import Hypothesis
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.repository.publishing.packing import pack, patch_digest
from honed.targets.repository.target import RepositoryTarget
from honed.targets.repository.watching.aftermath import aftermath
from honed.targets.repository.watching.services import is_same_file
from honed.testing.repository_worlds import (
    PRICES,
    WRONG_SLICE,
    RepositoryPlan,
    RepositoryWorld,
    make_repository_world,
    require_sandbox,
)

FAULT = "a" * 32
WATCH_H = 4.0
REPAIRED = PRICES.replace("prices[1:]", "prices")
TEST = "tests/test_prices.py::test_cheapest"
NOT_RUN: dict[str, Any] = {"lost": [], "repaired": None, "error": "there is no sandbox"}


@dataclass
class Story:
    """A change from its request on, told hour by hour; hour 0 is its merge."""

    world: RepositoryWorld
    owner: Database
    merged_at: datetime
    change: CodeChange
    parameters: dict[str, Any]
    merge_commit: str = ""

    def propose(self) -> None:
        """Let the request be open."""
        self._run(
            "INSERT INTO honed.change_request (target_id, root_cause, patch_digest, branch,"
            " base_branch, base_commit, head_commit, title, body, lane, forge)"
            " VALUES (%s, 'cause', %s, 'improvement/x', 'main', %s, %s, 'Count it', '', 'review',"
            " 'local')",
            self.world.target.target_id,
            self.parameters["patch_digest"],
            self.change.base_commit,
            self.change.base_commit,
        )

    def end(self, state: str, *, by_person: bool = True, text: str = REPAIRED) -> None:
        """Let the request be merged or closed at hour 0."""
        is_merged = state == "merged"
        if is_merged:
            self.merge_commit = self.world.checkout.commit({"shop/prices.py": text.encode()})
        self._run(
            "UPDATE honed.change_request SET state = %s, merge_commit = %s, ended_at = %s,"
            " closed_by_person = %s, end_reason = %s",
            state,
            self.merge_commit,
            self.merged_at,
            by_person and not is_merged,
            "" if is_merged else "not so",
        )

    def tests(self, before: Sequence[str], after: Sequence[str]) -> None:
        """Say which tests fail on the commit before the merge, and on it."""
        court = self.world.target.court
        command = hashlib.sha256("\0".join([str(court.python), *court.tests]).encode())
        for commit, failing in ((self.change.base_commit, before), (self.merge_commit, after)):
            self._run(
                "INSERT INTO honed.suite_run (target_id, commit, command, failing, flaky, passed,"
                " cpu_s) VALUES (%s, %s, %s, %s, '[]', 5, 0.1)",
                self.world.target.target_id,
                commit,
                command.hexdigest(),
                json.dumps(dict.fromkeys(failing, "E  wrong")),
            )

    def errors(self, hours: Sequence[float], release: str = "", fingerprint: str = FAULT) -> None:
        """Let errors of one fault come."""
        for hour in hours:
            self._run(
                "INSERT INTO honed.signal (received_at, project_id, source, type, at, subject,"
                " service, environment, release, fingerprint, body) SELECT %s, project_id,"
                " 'sentry', 'exception', %s, 'x', 's', 'e', %s, %s, '{}' FROM honed.project",
                *[self.merged_at + timedelta(hours=hour)] * 2,
                release,
                fingerprint,
            )

    def span(self, hour: float, operation: str, duration_ms: float) -> None:
        """Let an operation take so long."""
        self._run(
            "INSERT INTO honed.signal (received_at, project_id, source, type, at, subject, service,"
            " environment, release, value, fingerprint, body) SELECT %s, project_id, 'otlp',"
            " 'span', %s, %s, 's', 'e', '', %s, '', '{}' FROM honed.project",
            *[self.merged_at + timedelta(hours=hour)] * 2,
            operation,
            duration_ms,
        )

    def new_fault(
        self, hour: float, file: str, release: str = "", title: str = "KeyError in total"
    ) -> None:
        """Let a fault come that was never seen before."""
        at = self.merged_at + timedelta(hours=hour)
        self._run(
            "INSERT INTO honed.signal_group (project_id, fingerprint, type, title, culprit, files,"
            " created_at, first_seen_at, last_seen_at, event_count, releases, environments, sample,"
            " latest) SELECT project_id, md5(%s), 'exception', %s, '', %s, %s, %s,"
            " %s, 1, %s, '{}', '{}', '{}' FROM honed.project",
            file,
            title,
            [file],
            *[at] * 3,
            [release],
        )

    def write_down(self, facts: dict[str, Any], hour: float) -> None:
        """Let the loop have kept what a look found out."""
        self._run(
            "INSERT INTO honed.improvement (target_id, kind, subject, state, hypothesis, priority,"
            " risk) VALUES (%s, 'fix_exception', 'cause', 'watching', '{}', 3, 4)"
            " ON CONFLICT DO NOTHING",
            self.world.target.target_id,
        )
        self._run(
            "INSERT INTO honed.aftermath (improvement_id, standing, reason, facts, looked_at)"
            " SELECT improvement_id, 'waiting', '', %s, %s FROM honed.improvement"
            " ON CONFLICT (improvement_id) DO UPDATE SET facts = excluded.facts",
            json.dumps({"merge_commit": self.merge_commit, **facts}),
            self.merged_at + timedelta(hours=hour),
        )

    def look(self, hour: float = 0.0) -> Aftermath:
        """Return what is said of it so many hours after its merge."""
        now = self.merged_at + timedelta(hours=hour)
        known = self.world.target
        store = replace(known.store, fake_now=now)
        target = RepositoryTarget(known.record, store, known.settings)
        claim = Hypothesis("fix_exception", "cause", "a claim", 3, 4, -0.5, self.parameters)
        return aftermath(claim, target)

    def _run(self, statement: str, *values: object) -> None:
        with self.owner.transaction() as conn:
            conn.execute(statement.encode(), values)


@pytest.fixture
def story(store: Database, tmp_path: Path) -> Story:
    """Return a change that is not proposed yet, in a repository whose services report."""
    return told(WRONG_SLICE, store, tmp_path)


def told(plan: RepositoryPlan, store: Database, tmp_path: Path) -> Story:
    world = make_repository_world(plan, store, tmp_path, code_watch_hours=WATCH_H)
    base = world.target.shape().commit
    file = FileChange("shop/prices.py", PRICES, REPAIRED)
    change = CodeChange(base, (file,), ("tests/test_prices.py::test_total",), "Count it")
    with store.transaction() as conn:
        (row,) = conn.execute("SELECT honed.now() AS now")
        conn.execute(
            "INSERT INTO honed.project (name, public_key, target_id, created_at)"
            " VALUES ('shop', %s, %s, honed.now() - interval '24 hours')",
            ["0" * 32, world.target.target_id],
        )
    parameters: dict[str, Any] = {
        "change": pack(change),
        "patch_digest": patch_digest(change),
        "fingerprint": FAULT,
    }
    return Story(world, store, row["now"], change, parameters)


def test_it_waits_for_people_and_is_ended_by_them(story: Story) -> None:
    assert story.look().standing is Standing.ENDED, "nobody knows of it"
    story.propose()
    assert story.look(hour=1000.0).standing is Standing.WAITING
    story.end("closed")
    said = story.look()
    assert said.standing is Standing.ENDED
    assert said.reason == "a person closed change 1 without merging it", "in their words: no"
    story.end("closed", by_person=False)
    assert story.look().reason == "honed withdrew change 1 without merging it: not so"


def test_a_fault_that_is_gone_for_the_whole_watch_is_a_success(story: Story) -> None:
    story.propose()
    story.end("merged")
    story.tests([story.change.repairs[0]], [])
    story.errors([*(-number / 2 for number in range(1, 25)), -20.5, -21.5, -22.5, -23.5])
    # Nobody knows when it was deployed: what comes soon after the merge says nothing.
    story.errors([0.2, 0.5])
    for hour in (0.5, 1.5, 3.9):
        assert story.look(hour).standing is Standing.WAITING
    said = story.look(WATCH_H + 0.1)
    assert said.standing is Standing.WELL
    assert said.score is not None
    assert 0.8 < said.score <= 1.0
    facts: Any = said.facts
    assert (facts["fault"]["before"], facts["fault"]["after"]) == (28, 0)
    assert (facts["errors"]["before"], facts["errors"]["after"]) == (4, 2), "at the same hours"
    assert facts["tests"] == {"lost": [], "repaired": True, "error": ""}
    assert facts["release"] == ""


def test_a_release_tells_when_it_is_deployed(story: Story) -> None:
    story.propose()
    story.end("merged")
    story.tests([], [])
    old, new = story.change.base_commit[:12], story.merge_commit[:12]
    story.errors([-number / 4 for number in range(1, 49)], old)
    said = story.look(10.0)
    assert (said.standing, "no release" in said.reason) == (Standing.WAITING, True)
    # The old release goes on for a while; the fault is still in the new one.
    story.errors([0.5, 2.0, 2.5], old)
    story.errors([3.0], new, "b" * 32)
    assert story.look(4.5).standing is Standing.WAITING, "old ones raise it, and not the new one"
    story.errors([3.1, 3.3, 3.5, 3.7, 3.9], new)
    assert story.look(4.5).standing is Standing.WAITING, "it comes twice an hour: wait and see"
    said = story.look(5.5)
    assert said.standing is Standing.HARMED
    assert said.reason == (
        "the fault is not seen to come less often: 2.5 an hour (5 in 2.0 h) since,"
        " 2 an hour (48 in 24.0 h) before"
    )
    assert said.facts["release"] == new


def test_errors_are_compared_with_those_at_the_same_hours(story: Story) -> None:
    story.propose()
    story.end("merged")
    story.tests([], [])
    # At night there are none: that makes those of the day no more than they were.
    story.errors([-23.95 + number / 10 for number in range(10)], fingerprint="c" * 32)
    story.errors([0.05 + number / 10 for number in range(10)], fingerprint="c" * 32)
    assert story.look(1.1).standing is Standing.WAITING
    story.errors([0.01 + number / 50 for number in range(49)], fingerprint="d" * 32)
    said = story.look(1.1)
    assert said.standing is Standing.HARMED
    assert said.reason == (
        "errors come more often: 59 an hour (59 in 1.0 h) since, 10 an hour (10 in 1.0 h) before"
    )


def test_operations_that_take_longer_are_harm_at_the_end(story: Story) -> None:
    story.propose()
    story.end("merged")
    story.tests([], [])
    for hour in range(4):
        for minute in range(3):
            at, wobble = hour + minute / 10 + 0.1, 1 + (hour + minute) / 100
            story.span(at - 24, "GET /cart", 100.0 * wobble)
            story.span(at, "GET /cart", 150.0 * wobble)
            story.span(at - 24, "GET /", 100.0 * wobble)
            story.span(at, "GET /", 101.0 * wobble)
    assert story.look(3.5).standing is Standing.WAITING
    said = story.look(4.1)
    assert said.standing is Standing.HARMED
    assert said.reason == "operations take longer: GET /cart (+50%)"


@pytest.mark.parametrize(
    ("file", "release", "standing"),
    [
        ("/srv/app/shop/prices.py", "", Standing.HARMED),
        ("/srv/app/shop/cart.py", "", Standing.WELL),
        ("shop/prices.py", "old", Standing.WELL),
    ],
)
def test_new_faults_count_in_files_that_it_changed(
    story: Story, file: str, release: str, standing: Standing
) -> None:
    story.propose()
    story.end("merged")
    story.tests([], [])
    if release:
        story.errors([1.0], story.merge_commit, "b" * 32)
    story.new_fault(2.0, file, release)
    said = story.look(WATCH_H + 2.0)
    assert said.standing is standing
    assert ("KeyError in total" in said.reason) == (standing is Standing.HARMED)


def test_what_is_said_of_people_stays_out_of_the_record(story: Story) -> None:
    address = "ada.lovelace@analytical-engines.co.uk"
    story.propose()
    story.end("merged")
    story.tests([], [])
    story.new_fault(2.0, "shop/prices.py", title=f"KeyError: {address}")
    said = story.look(WATCH_H + 2.0)
    assert said.standing is Standing.HARMED
    assert "KeyError: <email:" in said.reason
    assert address not in f"{said.reason}{said.facts}"


@pytest.mark.slow
def test_names_of_tests_stay_out_of_the_record_where_they_name_people(
    store: Database, tmp_path: Path
) -> None:
    require_sandbox()
    address = "ada.lovelace@analytical-engines.co.uk"
    named = f"@pytest.mark.parametrize('prices', [[3, 2]], ids=[{address!r}])\n"
    tests = "import pytest\n\nfrom shop.prices import cheapest\n\n\n" + named
    tests += "def test_cheapest(prices):\n    assert cheapest(prices) == 2\n"
    story = told(
        RepositoryPlan({**WRONG_SLICE.files, "tests/test_prices.py": tests}), store, tmp_path
    )
    story.propose()
    story.end("merged", text=REPAIRED.replace("min(", "max("))
    story.tests([], [f"{TEST}[{address}]"])
    said = story.look(0.1)
    assert said.standing is Standing.HARMED
    assert f"{TEST}[<email:" in said.reason
    assert address not in f"{said.reason}{said.facts}"


@pytest.mark.slow
def test_tests_that_the_merge_breaks_are_harm_and_others_are_not(story: Story) -> None:
    require_sandbox()
    story.propose()
    story.end("merged", text=REPAIRED.replace("min(", "max("))
    story.tests(["tests/test_old.py::test_x"], ["tests/test_old.py::test_x", TEST])
    said = story.look(0.1)
    assert said.standing is Standing.HARMED
    assert said.reason == f"tests fail that passed before it was merged: {TEST}"


@pytest.mark.slow
def test_what_one_more_run_does_not_confirm_is_no_harm_and_is_asked_once(story: Story) -> None:
    require_sandbox()
    story.propose()
    story.end("merged")
    # It passes in truth: twice it failed by chance.
    story.tests([], [TEST])
    said = story.look(0.1)
    assert said.standing is Standing.WAITING
    facts: Any = said.facts
    assert facts["tests"] == {"lost": [], "repaired": True, "error": ""}
    story.write_down({"tests": facts["tests"], "waits_for": "a release"}, 0.1)
    with story.owner.transaction() as conn:
        conn.execute("DELETE FROM honed.suite_run")
    assert story.look(0.2).facts["tests"] == facts["tests"]
    with story.owner.transaction() as conn:
        assert conn.execute("SELECT FROM honed.suite_run").fetchall() == []


def test_what_the_last_look_found_out_is_not_looked_for_again(story: Story) -> None:
    story.propose()
    story.end("merged")
    story.write_down({"tests": NOT_RUN, "waits_for": "a release"}, 0.5)
    said = story.look(10.0)
    assert (said.standing, said.facts["waits_for"]) == (Standing.WAITING, "a release")
    deployed_at = (story.merged_at + timedelta(hours=5)).isoformat()
    known = {"release": "seen before", "deployed_at": deployed_at}
    story.write_down({"tests": NOT_RUN, **known}, 9.0)
    said = story.look(10.0)
    facts: Any = said.facts
    assert (said.standing, facts["deployed_at"]) == (Standing.WELL, deployed_at)
    assert facts["tests"]["error"] == "there is no sandbox"


def test_without_services_the_tests_decide_at_once(story: Story) -> None:
    with story.owner.transaction() as conn:
        conn.execute("DELETE FROM honed.project")
    story.propose()
    story.end("merged")
    story.tests([story.change.repairs[0]], [])
    said = story.look(0.1)
    assert said.standing is Standing.WELL
    assert said.score == pytest.approx(0.8)


def test_every_query_can_be_prepared_by_the_daemon(daemon: Database) -> None:
    places = {"aftermath": "watching", "services": "watching", "same_bug": "evidence"}
    for file, package in places.items():
        queries = load_queries(f"honed.targets.repository.{package}", f"{file}.sql")
        for name, query in queries.items():
            names = [part.split(")s")[0] for part in query.split("%(")[1:]]
            numbered = query.replace("%%", "%")
            for place, each in enumerate(dict.fromkeys(names), 1):
                numbered = numbered.replace(f"%({each})s", f"${place}")
            with daemon.transaction() as conn:
                conn.execute(f"PREPARE {name} AS {numbered}".encode())


def test_a_file_is_known_whatever_is_in_front_of_it() -> None:
    assert is_same_file("/srv/app/shop/cart.py", "src/shop/cart.py")
    assert is_same_file("shop/cart.py", "shop/cart.py")
    assert is_same_file("C:\\app\\shop\\cart.py", "shop/cart.py")
    assert is_same_file("cart.py", "shop/cart.py")
    assert not is_same_file("/srv/other/cart.py", "shop/cart.py")
    assert not is_same_file("/srv/shop/card.py", "shop/cart.py")

"""From a failing test to a merge on a forge that does everything that forges do, exactly once."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from honed.approval.policy import write_policy
from honed.config import Autonomy, Settings
from honed.core.change import CodeChange, FileChange
from honed.core.finding import FAILING_TEST, Finding, FindingType
from honed.core.forge import ChangeState, CheckState
from honed.core.gate import Examination, GateResult, Thresholds
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Risk
from honed.core.step import Step
from honed.core.verdict import State
from honed.gates.allowed_paths import AllowedPaths
from honed.improvement.record import Improvement, improvements
from honed.interfaces.http.app import create_app
from honed.interfaces.http.gate import Rules
from honed.interfaces.http.hooks import hooks_router
from honed.ledger.keys import Signer
from honed.ledger.verify import verify_log
from honed.loop.cycle import Options, request
from honed.loop.daemon import Keeper
from honed.loop.parts import Parts
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target, connection_url
from honed.targets.repository.code_kind import Claimed, CodeKind
from honed.targets.repository.judging.judge import CodeJudge
from honed.targets.repository.publishing.acts import change_of
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change, Lane, Wanted
from honed.targets.repository.target import RepositoryTarget
from honed.testing.forges.git import GitRepository
from honed.testing.forges.gitea import GITEA
from honed.testing.forges.github import GITHUB
from honed.testing.forges.gitlab import GITLAB
from honed.testing.forges.server import FakeForge, Said, Trouble, serving
from honed.testing.forges.state import FakeCheck
from honed.testing.pair import served as serving_api
from honed.testing.pets import pet_worker
from honed.testing.repositories import Checkout, served
from honed.testing.repository_worlds import PRICES, WRONG_SLICE, require_sandbox

SECRET = "secret-of-webhooks"  # noqa: S105 - it opens nothing
OPENING = r"^POST .*/(pulls|merge_requests)$"
LISTING = r"^GET .*/(pulls|merge_requests)$"
MERGING = r"/merge$"


class Known(CodeKind):
    """A kind that knows the repair, and calls it harmless: the policy may let it in."""

    name: ClassVar[str] = "known"
    risk: ClassVar[Risk] = Risk(level=4)
    wants: ClassVar[frozenset[FindingType]] = frozenset({FAILING_TEST})

    def propose(
        self, findings: Sequence[Finding], target: RepositoryTarget
    ) -> Iterator[Hypothesis]:
        """Yield the repair."""
        file = FileChange("shop/prices.py", PRICES, PRICES.replace("prices[1:]", "prices"))
        repairs = tuple(each.subject for each in findings)
        change = CodeChange(target.shape().commit, (file,), repairs, "Count the first, too")
        said = Claimed("failing test: total", change, "it repairs tests", 3, -0.5, findings)
        claim = self.claim(said, target)
        assert claim is not None
        yield claim

    def trial(self, hypothesis: Hypothesis, target: RepositoryTarget) -> Examination:
        """Return the one gate that lets a policy merge."""
        return Paths(target)


@dataclass
class Paths(Examination):
    """Asks whether a change keeps to the sources."""

    target: RepositoryTarget
    judge: str = "c" * 64

    def examine(self, steps: Sequence[Step]) -> Iterator[GateResult]:
        """Yield what it says."""
        change = change_of(steps[0], self.target.clone())
        with self.target.files(change.base_commit) as tree:
            judge = CodeJudge.of(tree.root, change, self.target.court)
            yield AllowedPaths().check(change, judge, Thresholds())


@dataclass
class Published:
    """A repository that is pushed to over HTTP, its forge, and the loop around both."""

    store: Database
    parts: Parts
    fake: FakeForge
    git: GitRepository

    def work(self) -> None:
        """Handle every message that is due."""
        pet_worker(self.parts).run(until_idle=True)

    def improvement(self) -> Improvement:
        """Return the only improvement."""
        with self.store.transaction() as conn:
            (found,) = improvements(conn)
        return found

    def changes(self) -> list[Change]:
        """Return every change but those that honed took back."""
        with self.store.transaction() as conn:
            wanted = Wanted("shop", (ChangeState.OPEN, ChangeState.MERGED))
            return changes.changes(conn, wanted)

    def recorded(self) -> list[str]:
        """Return what the ledger says of the change that was merged, once it is verified."""
        (change,) = self.changes()
        with self.store.transaction() as conn:
            verify_log(conn, self.parts.signer.public_key, ())
            rows = conn.execute(
                "SELECT l.event FROM honed.log_entry AS l"
                " JOIN honed.change_entry AS s ON s.ledger_index = l.leaf_index"
                " JOIN honed.change_event AS e USING (event_id)"
                " WHERE e.change_id = %s ORDER BY l.leaf_index",
                [change.change_id],
            )
            return [row["event"] for row in rows]

    def ring(self) -> None:
        """Let the forge send a webhook twice, and the daemon look."""
        body = json.dumps({"object_kind": "merge_request"}).encode()
        proof = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "github": {"X-GitHub-Event": "check_run", "X-Hub-Signature-256": f"sha256={proof}"},
            "gitlab": {"X-Gitlab-Event": "Pipeline Hook", "X-Gitlab-Token": SECRET},
            "gitea": {"X-Gitea-Event": "status", "X-Gitea-Signature": proof},
        }[self.fake.dialect.name]
        app = create_app(Rules.of(self.parts.settings), [hooks_router(self.parts)])
        with serving_api(app) as url, httpx.Client(base_url=url, trust_env=False) as api:
            for _ in range(2):
                answer = api.post("/hooks/shop", content=body, headers=headers)
                assert answer.status_code == 202, answer.text
        keeper = Keeper(self.parts, list, begins_cycles=True)
        for _ in range(2):
            keeper.follow_news()

    def check(self, state: CheckState) -> None:
        """Let the forge's own tests say something of every branch."""
        for commit in self.git.branches.values():
            self.git.checks[commit] = [FakeCheck("tests", state, "12 passed")]


@pytest.fixture(params=[GITHUB, GITLAB, GITEA], ids=lambda each: each.name)
def fake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FakeForge]:
    """Return a forge whose repository is a bare one of git."""
    person = Checkout(tmp_path / "person")
    commit = person.commit({path: text.encode() for path, text in WRONG_SLICE.files.items()})
    bare = tmp_path / "served" / "shop.git"
    person.git("clone", "--quiet", "--bare", ".", str(bare))
    person.git("-C", str(bare), "config", "http.receivepack", "true")
    git = GitRepository(folder=bare, authors={commit: "ada"})
    git.look()
    with serving(request.param) as running:
        running.repository = git
        running.just_before[""] = git.look
        yield running
    assert running.undocumented == []


@pytest.fixture
def shop(
    fake: FakeForge, store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Published]:
    require_sandbox()
    monkeypatch.setenv("SHOP_TOKEN", fake.token)
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    settings = Settings(home=tmp_path / "home", autonomy=Autonomy.FULL)
    settings = settings.model_copy(update={"require_human_approval": False})
    settings.home.mkdir()
    with store.transaction() as conn:
        write_policy(conn, settings)
    with served(tmp_path / "served", "x-access-token", fake.token) as url:
        options = {
            "tests": ["tests"],
            "branch": "main",
            "forge": fake.dialect.name,
            "forge_url": fake.url,
            "forge_repository": "shop/cart",
            "forge_token_variable": "SHOP_TOKEN",
            "forge_secret_variable": "SHOP_SECRET",
            "forge_expected_checks": "tests",
        }
        address = f"{url}/shop.git"
        record = add_target(store, TargetRecord("shop", address, address, "repository", options))
        assert isinstance(fake.repository, GitRepository)
        yield Published(store, _parts(store, settings, record), fake, fake.repository)


def _parts(store: Database, settings: Settings, record: TargetRecord) -> Parts:
    daemon = replace(store, role="honed_daemon")
    kind = Known()
    target = RepositoryTarget(record, daemon, settings)
    return Parts(
        store=daemon,
        signer=Signer.load_or_create(settings.key_file),
        settings=settings,
        kinds={kind.name: kind},
        detectors={},
        target=lambda _: target,
        acting_url=lambda _: connection_url(record, acting=True),
        holder="honed shop",
        on_event=lambda _: None,
    )


def proposed(shop: Published) -> None:
    """Ask the loop for a turn in which the policy may approve that the repair is proposed."""
    with shop.store.transaction() as conn:
        request(conn, "shop", Options(dry_run=False, require_approval=False))


def opened(shop: Published) -> Change:
    """Let the loop publish it on a forge in a bad mood; return the change."""
    troubles = shop.fake.troubles
    stale = Trouble(Said(200, []), times=0, where=LISTING)
    troubles += [
        Trouble(Said(403, {"message": "rate limit"}, {"Retry-After": "3600"}), where=OPENING),
        # It opens the request, and its answer is lost.
        Trouble(Said(502, {}), where=OPENING, acts=True),
        stale,
    ]

    def change_mood() -> None:
        # Then its list is not up to date until it is asked again, and says there is one already.
        stale.times = 0 if stale.times else 99

    shop.fake.just_before[OPENING] = change_mood
    shop.work()
    while shop.improvement().state in {State.APPROVED, State.APPLYING}:
        shop.work()
    assert shop.improvement().state is State.WATCHING, shop.improvement().error
    asked = [each for each in shop.fake.calls if re.search(OPENING, f"{each.method} {each.path}")]
    assert len(asked) == 3
    (change,) = shop.changes()
    return change


def merged(shop: Published, number: int) -> Change:
    """Let checks come late and the forge hesitate; return the change once webhooks end."""
    theirs = shop.git.changes[number]
    shop.git.late_answers = 3
    shop.ring()
    shop.check(CheckState.PENDING)
    shop.ring()
    assert theirs.is_open
    shop.check(CheckState.PASSED)
    shop.fake.troubles.append(Trouble(Said(409, {"message": "try again"}), where=MERGING))
    shop.ring()
    assert theirs.is_open, "the forge did not take it"
    for _ in range(3):
        shop.ring()
    (change,) = shop.changes()
    return change


@pytest.mark.slow
def test_a_change_is_pushed_opened_and_merged_once_whatever_the_forge_does(
    shop: Published,
) -> None:
    proposed(shop)
    change = opened(shop)
    (theirs,) = shop.git.changes.values()
    assert (change.number, change.lane) == (theirs.number, Lane.AUTOMERGE)
    assert (theirs.reviewers, theirs.labels) == (["ada"], ["honed"])
    assert "- passed: `allowed_paths`" in theirs.body
    assert f"- entry {change.ledger_index} of the ledger: proven" in theirs.body
    assert shop.git.branches[change.branch] == change.head_commit

    ended = merged(shop, theirs.number)
    assert (ended.state, ended.merge_commit) == (ChangeState.MERGED, theirs.merge_commit)
    assert ended.checks[0].tests is not None
    assert ended.checks[0].tests.passed == 12
    assert shop.git.line("main") == [ended.merge_commit, ended.base_commit], "exactly once"
    assert shop.recorded() == ["change_merge_asked", "change_merged"]
    assert not [each for each in shop.fake.calls if shop.fake.token in each.target]

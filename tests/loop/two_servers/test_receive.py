"""The secondary is believed once, by one key, under its newest epoch, while it is fresh."""

from dataclasses import replace
from datetime import timedelta

import pytest

from honed.core.verdict import State
from honed.errors import EvidenceRefused, NotAllowed, PeerUnavailable
from honed.ledger.keys import Signer
from honed.ledger.log import read_entries
from honed.ledger.statement import unseal
from honed.ledger.verify import verify_log
from honed.loop.two_servers.evidence import Evidence, Heartbeat, read, sign
from honed.loop.two_servers.member import Member
from honed.loop.two_servers.overview import PairOverview, read_pair_overview
from honed.loop.two_servers.receive import Reception, receive, receive_from_afar
from honed.targets.registry import TargetRecord, add_target
from honed.testing.pair import OneServer, Pair


def overview(server: OneServer) -> PairOverview:
    with server.store.transaction() as conn:
        return read_pair_overview(conn)


def refusals(server: OneServer) -> dict[str, int]:
    return {each.reason: each.times for each in overview(server).refusals}


def events(server: OneServer) -> list[str]:
    """Return the events of a server's ledger, after it was verified."""
    key = server.signer.public_key
    with server.store.transaction() as conn:
        entries = read_entries(conn, 0, verify_log(conn, key, ()).size)
    return [unseal(entry.envelope.encode(), key).event for entry in entries]


@pytest.fixture
def mail(apart_pair: Pair) -> list[bytes]:
    """Return what the secondary has sent; nothing of it has arrived."""
    sent: list[bytes] = []
    apart_pair.secondary.post = sent.append
    return sent


def evidence(pair: Pair, mail: list[bytes], state: State = State.KEPT) -> bytes:
    """Return an envelope with evidence that the secondary has just signed and sent."""
    pair.secondary.has(state)
    pair.secondary.keep()
    return mail[-1]


def believed(pair: Pair, envelope: bytes) -> Reception:
    return receive_from_afar(pair.primary.parts, envelope).result


def refused(pair: Pair, envelope: bytes) -> str:
    with pytest.raises(EvidenceRefused) as caught:
        receive_from_afar(pair.primary.parts, envelope)
    assert caught.value.hint
    assert not any(each.epoch for each in overview(pair.primary).evidence)
    return caught.value.reason


def changed(pair: Pair, envelope: bytes, **sender: object) -> bytes:
    """Return the same thing said by another sender, signed by the secondary's key."""
    signer = pair.secondary.signer
    said = read(envelope, signer.public_key)
    return sign(said.model_copy(update={"sender": said.sender.model_copy(update=sender)}), signer)


def test_evidence_is_accepted_and_recorded_in_both_ledgers(
    apart_pair: Pair, mail: list[bytes]
) -> None:
    envelope = evidence(apart_pair, mail)
    assert believed(apart_pair, envelope) is Reception.ACCEPTED
    (arrived,) = overview(apart_pair.primary).evidence
    assert (arrived.server, arrived.epoch, arrived.state, arrived.twin) == (
        "sofia", 1, "kept", "shop",
    )  # fmt: skip
    assert events(apart_pair.primary) == ["evidence_received"]
    assert events(apart_pair.secondary)[-1] == "evidence_published"
    said = read(envelope, apart_pair.secondary.signer.public_key)
    assert isinstance(said, Evidence)
    with apart_pair.secondary.store.transaction() as conn:
        entry = read_entries(conn, said.entry.index, said.entry.index + 1)[0]
    assert entry.leaf_hash == said.entry.leaf


def test_same_envelope_twice_changes_nothing(apart_pair: Pair, mail: list[bytes]) -> None:
    envelope = evidence(apart_pair, mail)
    believed(apart_pair, envelope)
    assert believed(apart_pair, envelope) is Reception.KNOWN
    again = changed(apart_pair, envelope, epoch=2)
    assert believed(apart_pair, again) is Reception.KNOWN
    assert len(overview(apart_pair.primary).evidence) == 1
    assert events(apart_pair.primary) == ["evidence_received"]


def test_what_was_tampered_with_or_signed_by_another_is_refused(
    apart_pair: Pair, mail: list[bytes]
) -> None:
    envelope = evidence(apart_pair, mail)
    tampered = envelope.replace(b'"sig":"', b'"sig":"AAAA', 1)
    assert refused(apart_pair, tampered) == "wrong_key"
    said = read(envelope, apart_pair.secondary.signer.public_key)
    assert refused(apart_pair, sign(said, Signer.generate())) == "wrong_key"
    assert refused(apart_pair, sign(said, apart_pair.primary.signer)) == "wrong_key"
    assert refused(apart_pair, b"{}") == "malformed"
    assert refused(apart_pair, b" " * 300_000) == "too_large"
    assert refusals(apart_pair.primary) == {"wrong_key": 3, "malformed": 1, "too_large": 1}


def test_stale_epoch_is_refused(apart_pair: Pair, mail: list[bytes]) -> None:
    envelope = evidence(apart_pair, mail)
    believed(apart_pair, changed(apart_pair, mail[0], epoch=2))
    assert refused(apart_pair, envelope) == "stale_epoch"
    assert refused(apart_pair, mail[0]) == "stale_epoch"
    assert believed(apart_pair, changed(apart_pair, envelope, epoch=2)) is Reception.ACCEPTED


def test_next_holder_signs_again_what_the_last_one_has_not_delivered(
    apart_pair: Pair, mail: list[bytes]
) -> None:
    secondary = apart_pair.secondary
    secondary.post = away
    secondary.has(State.KEPT)
    secondary.keep()
    secondary.restart()
    apart_pair.clock.pass_s(60)
    secondary.post = mail.append
    secondary.keep()
    life, envelope = (read(each, secondary.signer.public_key) for each in mail)
    assert isinstance(life, Heartbeat)
    assert isinstance(envelope, Evidence)
    assert (life.sender.epoch, envelope.sender.epoch) == (2, 2)
    assert events(secondary).count("evidence_published") == 2


def test_old_and_future_words_are_refused(apart_pair: Pair, mail: list[bytes]) -> None:
    envelope = evidence(apart_pair, mail)
    now = apart_pair.clock.now
    old, future = now - timedelta(days=14, seconds=1), now + timedelta(seconds=61)
    assert refused(apart_pair, changed(apart_pair, envelope, sent_at=old)) == "too_old"
    assert refused(apart_pair, changed(apart_pair, envelope, sent_at=future)) == "from_future"
    late = now - timedelta(seconds=61)
    assert refused(apart_pair, changed(apart_pair, mail[0], sent_at=late)) == "too_old"
    week = now - timedelta(days=14)
    assert believed(apart_pair, changed(apart_pair, envelope, sent_at=week)) is Reception.ACCEPTED


def test_sign_of_life_lasts_a_lease_and_cannot_be_replayed(
    apart_pair: Pair, mail: list[bytes]
) -> None:
    apart_pair.secondary.keep()
    believed(apart_pair, mail[0])
    (peer,) = overview(apart_pair.primary).peers
    assert peer.is_heard
    apart_pair.clock.pass_s(59)
    believed(apart_pair, mail[0])
    apart_pair.clock.pass_s(1)
    (peer,) = overview(apart_pair.primary).peers
    assert not peer.is_heard


def test_only_the_primary_listens_and_only_to_a_pinned_secondary(
    apart_pair: Pair, mail: list[bytes]
) -> None:
    envelope = evidence(apart_pair, mail)
    assert refused(apart_pair, changed(apart_pair, mail[0], role="primary")) == "wrong_role"
    with pytest.raises(EvidenceRefused) as caught:
        receive_from_afar(apart_pair.secondary.parts, envelope)
    assert caught.value.reason == "not_primary"
    apart_pair.primary.configure(peer_key=None)
    assert refused(apart_pair, envelope) == "no_key"


def test_unknown_twin_is_refused(apart_pair: Pair, mail: list[bytes]) -> None:
    envelope = evidence(apart_pair, mail)
    with apart_pair.primary.store.transaction() as conn:
        conn.execute("UPDATE honed.target SET options = '{}'")
    assert refused(apart_pair, envelope) == "unknown_twin"


def away(_envelope: bytes) -> None:
    """Be a server that does not answer."""
    raise PeerUnavailable


def test_what_cannot_be_delivered_waits_in_order(apart_pair: Pair, mail: list[bytes]) -> None:
    secondary = apart_pair.secondary
    secondary.post = away
    first, second = secondary.has(State.KEPT), secondary.has(State.ROLLED_BACK)
    secondary.keep()
    # A change that was rolled back was never said to be kept: it went there from watching.
    assert overview(secondary).outbox.waiting == 2
    secondary.post = mail.append
    apart_pair.clock.pass_s(1)
    secondary.keep()
    said = [read(each, secondary.signer.public_key) for each in mail[1:]]
    subjects = [each.claim.subject for each in said if isinstance(each, Evidence)]
    assert subjects == [first.subject, second.subject]
    assert overview(secondary).outbox.delivered == 2
    secondary.keep()
    assert len(mail) == 4


def test_what_is_refused_for_good_does_not_hold_up_the_rest(apart_pair: Pair) -> None:
    secondary = apart_pair.secondary
    taken: list[bytes] = []

    def choosy(envelope: bytes) -> None:
        said = read(envelope, secondary.signer.public_key)
        if isinstance(said, Evidence) and said.claim.subject == "part.1":
            msg = "no"
            raise EvidenceRefused(msg, reason="too_old")
        taken.append(envelope)

    secondary.post = choosy
    secondary.has(State.KEPT)
    secondary.has(State.KEPT)
    secondary.keep()
    found = overview(secondary).outbox
    assert (found.delivered, found.refused, found.waiting) == (1, 1, 0)
    assert found.error == "too_old: no"


def test_twin_that_the_primary_does_not_know_holds_up_itself_alone(
    apart_pair: Pair, mail: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    secondary = apart_pair.secondary
    # Enough of it to fill a round.
    monkeypatch.setattr("honed.loop.two_servers.publish.ROUND", 2)
    options = {"twin": "other", "role": "secondary"}
    record = TargetRecord("other", "postgresql:///other", options=options)
    other_id = add_target(secondary.store, record).target_id
    others = replace(secondary.improvements(), target_id=other_id)
    for _ in range(3):
        others.create(State.KEPT)
    mine = secondary.has(State.KEPT)
    tried: list[str] = []

    def choosy(envelope: bytes) -> None:
        said = read(envelope, secondary.signer.public_key)
        if isinstance(said, Evidence) and said.twin == "other":
            tried.append(said.claim.subject)
            msg = "the primary has no target with the twin other"
            raise EvidenceRefused(msg, reason="unknown_twin")
        mail.append(envelope)

    secondary.post = choosy
    # Four are signed in two rounds.
    secondary.keep()
    secondary.keep()
    said = read(mail[-1], secondary.signer.public_key)
    assert isinstance(said, Evidence)
    assert said.claim.subject == mine.subject
    found = overview(secondary).outbox
    assert (found.delivered, found.waiting, found.refused) == (1, 3, 0)
    # Its own order is kept: nothing later is tried before the first is taken.
    assert len(set(tried)) == 1


def test_slow_answers_leave_time_to_renew_the_role(apart_pair: Pair) -> None:
    secondary = apart_pair.secondary
    seconds = [0.0]
    taken: list[bytes] = []

    def slow(envelope: bytes) -> None:
        taken.append(envelope)
        seconds[0] += secondary.settings.lease_s / 7

    for _ in range(5):
        secondary.has(State.KEPT)
    member = Member(secondary.parts, post=slow, clock=lambda: seconds[0])
    member.keep()
    # The sign of life, and evidence until a third of the lease is over.
    assert len(taken) == 3
    while overview(secondary).outbox.waiting and len(taken) < 20:
        member.keep()
    assert overview(secondary).outbox.delivered == 5


def test_slow_target_leaves_time_to_renew_the_role(apart_pair: Pair) -> None:
    secondary = apart_pair.secondary
    secondary.has(State.KEPT)
    seconds = [0.0]

    def slow(_envelope: bytes) -> None:
        seconds[0] += secondary.settings.lease_s

    Member(secondary.parts, post=slow, clock=lambda: seconds[0]).keep()
    assert "evidence_published" not in events(secondary)
    assert overview(secondary).outbox.waiting == 1


def test_what_is_too_large_to_say_is_said_in_short(
    apart_pair: Pair, mail: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(evidence(apart_pair, mail))
    monkeypatch.setattr("honed.ledger.statement.MAX_ENVELOPE_BYTES", size - 100)
    evidence(apart_pair, mail)
    said = read(mail[-1], apart_pair.secondary.signer.public_key)
    assert isinstance(said, Evidence)
    assert said.claim.steps == ()
    assert said.environment == {"left_out": "too large"}


def test_what_cannot_be_said_does_not_hold_up_the_rest(apart_pair: Pair, mail: list[bytes]) -> None:
    secondary = apart_pair.secondary
    odd, plain = secondary.has(State.KEPT), secondary.has(State.KEPT)
    with secondary.store.transaction() as conn:
        conn.execute(
            "UPDATE honed.improvement SET subject = repeat('x', 5000) WHERE improvement_id = %s",
            (odd.improvement_id,),
        )
    secondary.keep()
    said = read(mail[-1], secondary.signer.public_key)
    assert isinstance(said, Evidence)
    assert said.claim.subject == plain.subject
    found = overview(secondary).outbox
    assert (found.delivered, found.refused) == (1, 1)
    assert found.error.startswith("it cannot be said")


def test_only_the_secondary_speaks_of_its_targets(shared_pair: Pair) -> None:
    shared_pair.primary.has(State.KEPT)
    shared_pair.keep()
    assert overview(shared_pair.primary).evidence == ()
    assert overview(shared_pair.primary).outbox.waiting == 0


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State.KEPT, ["kept"]),
        (State.ROLLED_BACK, ["rolled_back"]),
        (State.REFUTED, ["refuted"]),
        (State.INCONCLUSIVE, ["inconclusive"]),
        (State.FAILED, ["failed"]),
        (State.AWAITING_APPROVAL, []),
        (State.DRY_RUN, []),
        (State.REJECTED, []),
        (State.WATCHING, []),
    ],
)
def test_what_became_of_a_claim_arrives_within_a_shared_store(
    shared_pair: Pair, state: State, said: list[str]
) -> None:
    shared_pair.secondary.has(state)
    shared_pair.keep()
    assert [each.state for each in overview(shared_pair.primary).evidence] == said


def test_an_epoch_that_is_lost_signs_nothing(shared_pair: Pair) -> None:
    secondary = shared_pair.secondary
    secondary.keep()
    secondary.has(State.KEPT)
    holder = secondary.member().holder
    rival = replace(holder, instance="another")
    shared_pair.clock.pass_s(60)
    member = secondary.member()
    member.holder = rival
    assert member.keep() is not None
    secondary.restart()
    assert secondary.keep() is None
    (arrived,) = overview(shared_pair.primary).evidence
    assert arrived.epoch == 2


def test_daemon_may_do_all_of_it_and_a_viewer_may_look(shared_pair: Pair) -> None:
    shared_pair.secondary.has(State.KEPT)
    shared_pair.keep()
    viewer = replace(shared_pair.primary.store, role="honed_viewer")
    with viewer.transaction() as conn:
        assert len(read_pair_overview(conn).evidence) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE honed.evidence SET state = 'kept'",
        "UPDATE honed.evidence SET log_ratio = -1",
        "UPDATE honed.evidence SET counts_until = 'infinity'",
        "UPDATE honed.outbox SET state = 'kept'",
        "UPDATE honed.outbox SET production_log_ratio = -1",
        "DELETE FROM honed.evidence",
    ],
)
def test_daemon_changes_nothing_that_was_said(shared_pair: Pair, change: str) -> None:
    daemon = replace(shared_pair.primary.store, role="honed_daemon")
    with pytest.raises(NotAllowed), daemon.transaction() as conn:
        conn.execute(change.encode())


def test_daemon_may_say_and_hear(apart_pair: Pair) -> None:
    hearing, speaking = (
        replace(server.parts, store=replace(server.store, role="honed_daemon"))
        for server in (apart_pair.primary, apart_pair.secondary)
    )

    def hand_over(envelope: bytes) -> None:
        receive_from_afar(hearing, envelope)

    with pytest.raises(EvidenceRefused):
        hand_over(b"{}")
    apart_pair.secondary.has(State.KEPT)
    first, second = Member(speaking, post=away), Member(speaking, post=hand_over)
    second.holder = first.holder
    first.keep()
    second.keep()
    sent = overview(apart_pair.secondary).outbox
    assert (sent.delivered, sent.waiting, sent.refused) == (1, 0, 0)


def test_local_reception_takes_the_stores_own_key(shared_pair: Pair) -> None:
    parts = shared_pair.secondary.parts
    shared_pair.keep()
    with pytest.raises(EvidenceRefused):
        receive(parts, b"{}", parts.signer.public_key)

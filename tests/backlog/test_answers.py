"""What a person answers is kept as it is meant, and without anybody's data."""

import pytest

from honed.backlog import decide
from honed.backlog.store import answers
from honed.core.answer import Answer
from honed.core.privacy import Scrubber
from honed.errors import ConfigurationError, UnknownTicket
from honed.storage.db import Database

SCRUBBER = Scrubber(b"key")
AUTHOR = decide.Author(SCRUBBER, "ada")
ADDRESS = "ada.byron@example.org"


def test_texts_are_scrubbed_as_the_variables_of_the_exception_were(store: Database) -> None:
    token = SCRUBBER.text(ADDRESS)
    assert token != ADDRESS
    with store.transaction() as conn:
        ticket_id = decide.add(conn, decide.Words(title="a wish"), AUTHOR)
        said = Answer(f"shop.mail.of(line='to {ADDRESS}', n=1)", f"[{ADDRESS!r}, 0.5, None]")
        kept = decide.answer(conn, ticket_id, said, AUTHOR)
        assert kept == Answer(f"shop.mail.of(line='to {token}', n=1)", f"[{token!r}, 0.5, None]")
        assert decide.answer(conn, ticket_id, kept, AUTHOR) == kept
        decide.answer(conn, ticket_id, Answer("shop.mail.of()", raises="KeyError"), AUTHOR)
        found = answers(conn, ticket_id)
    assert [each.answer for each in found] == [
        kept,
        kept,
        Answer("shop.mail.of()", raises="KeyError"),
    ]
    assert found[0].acting_for == "ada"


@pytest.mark.parametrize(
    "returns", ["4111111111111111", "{'password': 'a8Fk2_xQ9z'}", "{'a': 5500005555555559}"]
)
def test_what_cannot_be_scrubbed_without_changing_it_is_not_kept(
    store: Database, returns: str
) -> None:
    with store.transaction() as conn:
        ticket_id = decide.add(conn, decide.Words(title="a wish"), AUTHOR)
        with pytest.raises(ConfigurationError) as refused:
            decide.answer(conn, ticket_id, Answer("shop.cards.of()", returns), AUTHOR)
        assert "write a test" in refused.value.hint
        assert answers(conn, ticket_id) == []
        with pytest.raises(UnknownTicket):
            decide.answer(conn, 77, Answer("shop.cards.of()", "1"), AUTHOR)

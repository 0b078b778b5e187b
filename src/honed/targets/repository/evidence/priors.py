"""What templates have been worth: learned from changes that people let in, closed or took back."""

from collections.abc import Mapping
from typing import Final

from honed.storage.db import Database
from honed.storage.queries import load_queries

_QUERIES: Final = load_queries("honed.targets.repository.evidence", "priors.sql")


def template_priors(store: Database) -> Mapping[str, float]:
    """Return by how much the changes of each template are likelier than others, 0.5 to 2.

    A template of which nothing is known is left out; 1 would be as likely. The number is the mean
    of a Beta posterior over that of its prior: changes that were let in and stay count as
    successes, those that a person closed or rejected, or that were taken back, as failures. The
    prior, Beta(2, 2), adds two of each (Agresti and Coull 1998, section 2), so that one change
    shifts little. Learned over all repositories of the store; ``honed.template_prior`` has the
    counts.
    """
    with store.transaction() as conn:
        return {row["template"]: row["prior"] for row in conn.execute(_QUERIES["list_priors"])}

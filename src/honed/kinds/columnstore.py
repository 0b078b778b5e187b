"""Archives cold partitions as Parquet files that stay queryable, and later frees their space.

## What it does

It looks for partitions of range-partitioned tables that are not the newest and that nobody has
written or read for `archive_after_days`, as the server's counters say; reading by COPY, as backups
do, is no use. Such a partition is copied to Parquet files in `archive_folder`, proven to be equal,
and detached; the table itself stays. Once the archive has been looked at
again and `archive_wait_days` have passed, a second claim proposes to drop that table. What is
archived answers `honed archive query`. Values that do not survive are never approximated: a
partition with a column of arrays, ranges, intervals, enums or a type of one's own, or with an
infinite date, stays, and a finding says why; so does one that subscribers follow, or that is copied
only in part (`copy_limit_mb`). Where the server has the access method `columnar` (PostgreSQL 15 or
later with citus_columnar; of hydra, that was not run), and honed's private server has it too
(`postgres_bin`), partitions of up to 2 GB are rewritten by it instead: they stay in their table and
are read as before. Those with what columns cannot have are archived, and the claim says why:
foreign keys, triggers and rules, deferred constraints, indexes but btree and hash, storage options
of the TOAST table.

## Why it helps

Cold rows take disk, backups, vacuums and memory for years, and are asked for once a year. In
columns and compressed the same rows take a fraction of it.

## Risk and rollback

A person decides on both claims. The first deletes nothing: its undo attaches the table again,
without reading it, and removes the archive, unless that holds the only copy. The second proves
once more that table and archive are equal, in the transaction that deletes the rows. Its undo
makes the table again with its indexes, constraints and privileges, loads the rows and proves them
equal. For it the archive must be kept, and backed up: honed does not copy it elsewhere. A report
that runs more seldom than `archive_after_days`, or on a standby, finds the partition gone: ask
before approving.

Keeping a partition in columns locks it for both reads of the proof and the rewriting between them;
its undo writes the rows twice and takes the right to make temporary tables. Both prove in their
transaction that no row changed. Rows can still be inserted; UPDATE, DELETE and locks of rows that
reach the partition fail, also where they would find no row there. One row by its key costs the
reading of thousands beside it. Every standby, and every server that a backup is restored to, needs
the extension.

## How it is measured

In the trial: bytes of a row, in the table with its indexes against Parquet, on a copy, where the
steps are carried out and equality is proven: number of rows, a checksum over every row in
canonical form, and nulls, least and greatest value of each column, computed by the server and by
DuckDB. Of the access method, its own bytes, and CPU time of reading all columns, one column and one
row before and after. Statements that read other parts of the table are
replayed with and without the partition: none may become more than 10 % slower. What the database
itself is spared comes with the second claim alone. In production: milliseconds per call of the
same statements.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from honed.core.canonical import Json
from honed.core.finding import Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Danger, Risk
from honed.core.step import Step, steps_from_json
from honed.core.trial import Trial
from honed.errors import ArchiveDamaged
from honed.targets.postgres.archives.files import (
    Archive,
    list_archives,
    list_unreadable,
)
from honed.targets.postgres.archives.record import missing_archives
from honed.targets.postgres.columnstore.partitions import (
    Partition,
    PlainTable,
    plain_tables,
    read_moment,
    read_partitions,
    sparing_examples,
)
from honed.targets.postgres.columnstore.providers import (
    Choice,
    ColumnarMethod,
    choose_provider,
    find_providers,
    untried_method,
)
from honed.targets.postgres.columnstore.steps import drop_steps, read_definition
from honed.targets.postgres.columnstore.trial import archive_trial
from honed.targets.postgres.columnstore.use import note_use
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.workload import Workload

COLD_PARTITION = FindingType("cold_partition")
ARCHIVED_PARTITION = FindingType("archived_partition")
#: Only told, to whoever reads findings.
COLD_PARTITION_STAYS = FindingType("cold_partition_stays")
DAMAGED_ARCHIVE = FindingType("damaged_archive")
UNTRIED_METHOD = FindingType("untried_access_method")

#: Claims of one cycle: a person decides on each.
_MOST_CLAIMS = 3
#: What Parquet is taken to save until the trial has measured it: log(0.3).
_PREDICTED = -1.2
#: An archive whose files were looked at so lately counts as verified.
_VERIFIED_FOR = timedelta(days=1)
#: What a call takes at least.
_LEAST_S = 1e-5
#: Of dropping: what it does is undone from the archive alone.
_RISK_OF_DROPPING = 7


class ColumnStore(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "columnstore"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=5, danger=Danger.DELETION)
    wants: ClassVar[frozenset[FindingType]] = frozenset({COLD_PARTITION, ARCHIVED_PARTITION})
    #: What is archived was asked for by nobody, so that no statement becomes faster without it.
    costs_to_keep: ClassVar[bool] = False

    def look(self, target: PostgresTarget) -> Iterator[Finding]:
        """Yield cold partitions, those that must stay, and archived tables that may go."""
        yield from _cold(target)
        yield from _archived(target)

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each of the largest partitions: to archive it, or to drop it."""
        largest = sorted(findings, key=_size_bytes, reverse=True)
        archived = {each.subject for each in findings if each.type == ARCHIVED_PARTITION}
        for finding in [each for each in largest if each.subject in archived][:_MOST_CLAIMS]:
            yield _drop_claim(finding, target)
        cold = {
            each.subject: each
            for each in [each for each in largest if each.subject not in archived][:_MOST_CLAIMS]
        }
        if cold:
            yield from _archive_claims(cold, target)

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the steps, which were fixed when the claim was made."""
        del target
        return steps_from_json(_parameters(hypothesis)["steps"])

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the trial: bytes of a row, and the statements that guard."""
        parameters = _parameters(hypothesis)
        return archive_trial(
            target,
            (parameters["schema"], parameters["table"]),
            guards=parameters["guards"],
            archived_bytes=parameters["archived_bytes"],
            stays_readable=parameters["provider"] == ColumnarMethod.name,
        )

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call by statement id, of those that read the table's rest."""
        costs = target.statement_costs()
        guards = _parameters(hypothesis)["guards"]
        return {each: costs[each].exec_ms_per_call for each in guards if each in costs}


def _cold(target: PostgresTarget) -> Iterator[Finding]:
    settings = target.settings
    large = [
        each
        for each in read_partitions(target)
        if each.size_bytes >= settings.archive_min_mb * 1_000_000 and each.method == "heap"
    ]
    if not large:
        return
    use = note_use(target, [each.qualified_name for each in large])
    moment = read_moment(target)
    providers = find_providers(target, moment)
    if reason := untried_method(target, moment):
        title = f"the server's access method columnar is not used: {reason}"
        yield Finding(UNTRIED_METHOD, "columnar", title)
    for partition in large:
        if partition.qualified_name in use and use[partition.qualified_name].is_cold(
            settings.archive_after_days
        ):
            choice = choose_provider(providers, partition)
            yield _finding(partition, settings.archive_after_days, choice)


def _finding(partition: Partition, days: float, choice: Choice) -> Finding:
    obstacle = choice.obstacle
    size = f"{partition.size_bytes / 1e6:.1f} MB"
    name = partition.qualified_name
    title = f"nobody has written or read {name} ({size}) for {days:.0f} days"
    if obstacle:
        title = f"{name} ({size}) is cold, but stays: {obstacle}"
    return Finding(
        type=COLD_PARTITION_STAYS if obstacle else COLD_PARTITION,
        subject=name,
        title=title,
        evidence={
            "size_bytes": partition.size_bytes,
            "rows": partition.row_count,
            "bound": partition.bound,
            "obstacle": obstacle,
            "left_out": dict(choice.left_out),
        },
    )


def _archived(target: PostgresTarget) -> Iterator[Finding]:
    """Yield the detached tables that wait to be dropped, once their archive is verified again."""
    root = target.settings.archives
    for folder, trouble in list_unreadable(root / target.name).items():
        yield Finding(DAMAGED_ARCHIVE, folder.name, trouble)
    with target.store.transaction() as store:
        missing = missing_archives(store, root, target.name)
    for name, trouble in missing.items():
        yield Finding(DAMAGED_ARCHIVE, name, trouble)
    archives = _archives(target)
    wait = timedelta(days=target.settings.archive_wait_days)
    sampled = target.lab.shares() if archives else {}
    for key, table in plain_tables(target, archives).items():
        archive, name = archives[key], table.qualified_name
        is_replaced = str(archive.folder.relative_to(root)) in missing
        if is_replaced or datetime.now(UTC) - archive.manifest.archived_at < wait:
            continue
        try:
            _verify(archive)
        except ArchiveDamaged as error:
            yield Finding(DAMAGED_ARCHIVE, name, f"the archive of {name}: {error}")
            continue
        if reason := _why_it_stays(table, sampled):
            title = f"{name} is archived and detached, but stays: {reason}"
            yield Finding(COLD_PARTITION_STAYS, name, title, {"obstacle": reason})
            continue
        yield Finding(
            type=ARCHIVED_PARTITION,
            subject=name,
            title=f"{name} ({table.size_bytes / 1e6:.1f} MB) is archived and detached, and still"
            " there",
            evidence={
                "schema": table.schema,
                "table": table.name,
                "size_bytes": table.size_bytes,
                "archive_sha256": archive.sha256,
            },
        )


def _why_it_stays(table: PlainTable, sampled: Mapping[str, float]) -> str:
    if table.is_published:
        return "it is published, and subscribers would lose its rows, too"
    if table.qualified_name in sampled:
        return "only a sample of it is copied (copy_limit_mb), so that dropping cannot be tried"
    return ""


def _archives(target: PostgresTarget) -> dict[tuple[str, str], Archive]:
    """Return the archives of ``target`` by schema and name of their tables."""
    archives = list_archives(target.settings.archives / target.name)
    return {(each.manifest.schema, each.manifest.table): each for each in archives}


def _verify(archive: Archive) -> None:
    verified_at = archive.verified_at()
    if verified_at is None or datetime.now(UTC) - verified_at > _VERIFIED_FOR:
        archive.verify()


def _archive_claims(cold: Mapping[str, Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
    providers = find_providers(target, read_moment(target))
    workload = target.workload()
    for partition in read_partitions(target):
        finding = cold.get(partition.qualified_name)
        if finding is None:
            continue
        choice = choose_provider(providers, partition)
        if choice.provider is None:
            continue
        yield Hypothesis(
            kind=ColumnStore.name,
            subject=partition.qualified_name,
            claim=choice.provider.claim(partition),
            priority=2,
            risk=ColumnStore.risk.level,
            predicted_log_ratio=_PREDICTED,
            parameters={
                "schema": partition.schema,
                "table": partition.name,
                "provider": choice.provider.name,
                "left_out": dict(choice.left_out),
                "steps": [step.to_json() for step in choice.provider.steps(partition)],
                "guards": _guards(target, workload, partition),
                "archived_bytes": 0,
            },
            finding_ids=(finding.finding_id,),
        )


def _guards(target: PostgresTarget, workload: Workload, partition: Partition) -> dict[str, Json]:
    """Return seconds per call of the statements that read the rest of its table, by id."""
    spared = sparing_examples(target, workload, (partition.schema, partition.name))
    return {
        each.statement_id: max(each.mean_ms / 1000, _LEAST_S)
        for each in workload.replayable
        if each.statement_id in spared
    }


def _drop_claim(finding: Finding, target: PostgresTarget) -> Hypothesis:
    evidence: Mapping[str, Any] = finding.evidence
    archive = _archives(target)[evidence["schema"], evidence["table"]]
    manifest = archive.manifest
    definition = read_definition(target, manifest.schema, manifest.table)
    return Hypothesis(
        kind=ColumnStore.name,
        subject=f"drop of {finding.subject}",
        claim=f"dropping {finding.subject} frees {_size_bytes(finding) / 1e6:.1f} MB, and its"
        f" {manifest.proof.rows} rows stay in the archive ({manifest.size_bytes / 1e6:.1f} MB)",
        priority=2,
        risk=_RISK_OF_DROPPING,
        predicted_log_ratio=_PREDICTED,
        parameters={
            "schema": manifest.schema,
            "table": manifest.table,
            "provider": "parquet",
            "steps": [step.to_json() for step in drop_steps(archive, definition)],
            "guards": {},
            "archived_bytes": manifest.size_bytes,
        },
        finding_ids=(finding.finding_id,),
    )


def _size_bytes(finding: Finding) -> int:
    evidence: Mapping[str, Any] = finding.evidence
    return int(evidence["size_bytes"])


def _parameters(hypothesis: Hypothesis) -> Mapping[str, Any]:
    return hypothesis.parameters

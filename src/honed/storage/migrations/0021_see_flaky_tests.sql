-- Shows which tests are flaky, and of each result what that needs.
--
-- Why: a test that passes and fails on one commit says nothing of the code, and costs everybody who
-- waits for it; one that fails on the newest commit only may be right (Luo, Hariri, Eloussi and
-- Marinov, "An empirical analysis of flaky tests", FSE 2014).
-- Locks: access exclusive on the view honed.test_result, for the moment of its replacement.
-- Rows rewritten: none.

create or replace view honed.test_result as
select
  s.signal_id,
  s.at,
  p.name as project,
  s.service,
  s.subject as test,
  s.body ->> 'outcome' as outcome,
  s.value as duration_ms,
  s.body ->> 'commit' as commit,
  s.body ->> 'branch' as branch,
  s.body ->> 'run' as run,
  s.body ->> 'message' as message,
  s.source,
  s.received_at,
  s.environment,
  s.body ->> 'committed_at' as committed_at,
  s.body -> 'dirty' = 'true' as dirty,
  honed.number_in(s.body, 'attempt') as attempt,
  s.body ->> 'worker' as worker,
  s.body ->> 'file' as file,
  s.body ->> 'version' as version,
  s.fingerprint
from honed.signal as s
join honed.project as p on p.project_id = s.project_id
where s.type = 'test_result';

create view honed.flaky_test as
with result as (
  select r.project, r.test, r.environment, r.commit, coalesce(r.branch, '') as branch,
         coalesce(r.version, '') as version, coalesce(r.committed_at, '') as committed_at,
         r.outcome <> 'passed' as is_failure, r.at, r.run, r.file, r.message, r.signal_id
    from honed.test_result as r
   -- What is not committed may be other code each time; what ran elsewhere may rightly fail there.
   where r.commit <> '' and r.dirty is not true and r.outcome in ('passed', 'failed', 'error')
     -- Most tests never fail: their results are not read. A failure has the group of its fault.
     and r.test = any (array(
       select distinct s.subject from honed.signal as s
        where s.type = 'test_result' and s.fingerprint <> ''
     ))
),
of_commit as (
  select r.project, r.test, r.environment, r.commit, r.branch, r.version,
         max(r.committed_at) as committed_at,
         min(r.at) as first_at,
         max(r.at) filter (where r.is_failure) as failed_at,
         count(*) filter (where r.is_failure) as failures,
         count(*) filter (where not r.is_failure) as passes
    from result as r
   group by r.project, r.test, r.environment, r.commit, r.branch, r.version
),
mixed as (
  select c.project, c.test, c.environment, c.commit,
         sum(c.failures) as failures, sum(c.passes) as passes, max(c.failed_at) as failed_at
    from of_commit as c
   group by c.project, c.test, c.environment, c.commit
  having sum(c.failures) > 0 and sum(c.passes) > 0
),
proven as (
  select m.project, m.test, count(distinct m.commit) as commits, sum(m.failures) as failures,
         sum(m.passes) as passes, min(m.failed_at) as first_at, max(m.failed_at) as last_at
    from mixed as m
   group by m.project, m.test
),
-- The same test on one commit after another: of commits without a time, as they were run first.
-- ISO 8601 in UTC is in the order of its letters.
turn as (
  select c.project, c.test, c.failed_at, c.failures > 0 as is_failure,
         lag(c.failures > 0) over line as was_failure
    from of_commit as c
   where c.version <> '' and (c.failures = 0 or c.passes = 0)
  window line as (
    partition by c.project, c.test, c.environment, c.branch, c.version
    order by c.committed_at collate "C", c.first_at
  )
),
suspected as (
  select t.project, t.test, count(*) as flips, min(t.failed_at) as first_at,
         max(t.failed_at) as last_at
    from turn as t
   where t.is_failure <> t.was_failure
   group by t.project, t.test
  having count(*) >= 2
),
every as (
  select r.project, r.test, count(*) as results, count(*) filter (where r.is_failure) as failures,
         count(distinct r.run) as runs, array_agg(distinct r.environment) as environments,
         (array_agg(r.file order by r.signal_id desc) filter (where r.file <> ''))[1] as file,
         (array_agg(r.message order by r.signal_id desc) filter (where r.is_failure))[1] as message
    from result as r
   group by r.project, r.test
)
select
  e.project,
  e.test,
  p.test is not null as is_proven,
  coalesce(p.commits, 0) as commits,
  coalesce(p.failures, 0)::bigint as commit_failures,
  coalesce(p.passes, 0)::bigint as commit_passes,
  coalesce(s.flips, 0) as flips,
  e.results,
  e.failures,
  e.failures::double precision / e.results as failure_share,
  e.runs,
  e.environments,
  coalesce(p.first_at, s.first_at) as first_seen_at,
  coalesce(greatest(p.last_at, s.last_at), p.last_at, s.last_at) as last_seen_at,
  e.file,
  e.message
from every as e
left join proven as p on p.project = e.project and p.test = e.test
left join suspected as s on s.project = e.project and s.test = e.test
where p.test is not null or s.test is not null
order by is_proven desc, last_seen_at desc, e.project, e.test;

grant select on honed.flaky_test to honed_viewer, honed_daemon;

comment on view honed.test_result is
  'Results of tests over time: outcome is passed, failed, error, skipped or xfailed (it failed, as'
  ' was expected).';
comment on column honed.test_result.dirty is
  'Whether files differed from the commit; null: it is not known.';
comment on column honed.test_result.environment is 'What it ran on, such as CPython 3.11 linux.';
comment on column honed.test_result.version is
  'A digest of what the test does; null: it is not known.';
comment on column honed.test_result.fingerprint is
  'The group of the fault that it failed of; empty: it did not fail.';
comment on view honed.flaky_test is
  'Tests that passed and failed on one commit in one environment (is_proven), or else whose outcome'
  ' changed from commit to commit and back although the test did not change.';
comment on column honed.flaky_test.commits is 'Commits with both outcomes.';
comment on column honed.flaky_test.commit_failures is 'How often it failed on those.';
comment on column honed.flaky_test.commit_passes is 'How often it passed on those.';
comment on column honed.flaky_test.flips is
  'How often its outcome changed between two commits that follow each other on one branch, in one'
  ' environment; 0 where that was once, which a mistake and no correction shows too.';
comment on column honed.flaky_test.last_seen_at is 'When it last failed so.';
comment on column honed.flaky_test.message is 'What it said when it failed last.';

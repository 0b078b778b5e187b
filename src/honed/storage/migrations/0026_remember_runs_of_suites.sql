-- Remembers how the tests of a commit ended.
--
-- Why: a cycle begins every hour, and a branch rarely moves as often; the tests of a commit that
-- were run once are not run again. What is remembered says nothing of another command or Python.
-- Locks: none but on the new table.  Rows rewritten: none.
--
-- suite_run  one row each repository, commit and command

create table honed.suite_run (
  target_id bigint not null references honed.target (target_id),
  commit text not null check (commit ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'),
  -- SHA-256 of the Python and of what names the tests.
  command text not null check (command ~ '^[0-9a-f]{64}$'),
  -- Tests that failed in both runs: by id, what each said.
  failing jsonb not null check (jsonb_typeof(failing) = 'object'),
  -- Ids of tests that did not end the same way twice.
  flaky jsonb not null check (jsonb_typeof(flaky) = 'array'),
  passed integer not null check (passed >= 0),
  -- CPU seconds of one run.
  cpu_s double precision not null check (cpu_s >= 0),
  ran_at timestamptz not null default honed.now(),
  primary key (target_id, commit, command)
);

grant select, insert on honed.suite_run to honed_daemon;

-- Keeps with each comparison of production what tells the change from the weather.
--
-- Why: statements that a change does not touch show how much everything drifted meanwhile; pages
-- per call are nearly free of noise; the calls before fix the mix that totals are made of. And what
-- the trial foretold stands beside what production then said.
-- Locks: honed.watch_pair, for an instant.  Rows rewritten: none, the defaults are constants.

alter table honed.watch_pair
  -- Calls before the change, by unit.
  add column mix jsonb not null default '{}' check (jsonb_typeof(mix) = 'object'),
  -- Pages of 8 kB that one call touched and wrote, by unit.
  add column pages_before jsonb not null default '{}' check (jsonb_typeof(pages_before) = 'object'),
  add column pages_after jsonb not null default '{}' check (jsonb_typeof(pages_after) = 'object'),
  -- Logarithm of after / before of what the change does not touch; null: too little to tell.
  add column drift double precision,
  -- How many statements tell it.
  add column controls integer not null default 0 check (controls >= 0),
  -- Units that gave other numbers of rows than before: other things were asked of them.
  add column left_out text[] not null default '{}';

-- For each change that production has judged: the gain that the trial foretold for the statements
-- that production exercised, and the gain that production then showed, in percent of the cost. Only
-- where time decided: trials foretell time, and a point in its noise shows nothing of them.
create view honed.prediction_quality as
select
  i.improvement_id,
  t.name as target,
  i.kind as hypothesis_type,
  i.hypothesis ->> 'claim' as claim,
  e.to_state as state,
  e.detail ->> 'decided_by' as decided_by,
  said.foretold_delta,
  said.production_delta,
  said.foretold_delta / nullif(said.production_delta, 0) as foretold_by_shown,
  coalesce(abs(said.foretold_delta / nullif(said.production_delta, 0) - 1) <= 0.2, false)
    as is_within_fifth,
  e.happened_at as judged_at
from honed.improvement_event as e
join honed.improvement as i on i.improvement_id = e.improvement_id
join honed.target as t on t.target_id = i.target_id
cross join lateral (
  select
    100 * (1 - exp((e.detail ->> 'foretold_log_ratio')::double precision)) as foretold_delta,
    100 * (1 - exp((e.detail ->> 'production_log_ratio')::double precision)) as production_delta
) as said
where e.to_state in ('kept', 'rolled_back')
  and e.from_state = 'watching'
  and e.detail ->> 'decided_by' in ('time', 'pages and time', 'time and pages')
  and e.detail ->> 'foretold_log_ratio' is not null
  and e.detail ->> 'production_log_ratio' is not null;

comment on view honed.prediction_quality is
  'What trials foretold of the statements that production exercised, beside what production showed.';
grant select on honed.prediction_quality to honed_viewer;

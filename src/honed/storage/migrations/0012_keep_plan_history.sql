-- Keeps when each plan of a statement was in force and what the planner knew then, and shows the pins.
--
-- Why: a plan that became bad can only be brought back where it is known which plan was good, what
-- its calls cost while it was in force, and what the planner knew then. From the planner's knowledge
-- only numbers are kept (rows, distinct values, order on the disk), never a value of a row.
-- Locks: none but on the new objects.  Rows rewritten: none.

-- One row for each stretch of looks that saw the same plan; stretches of one statement follow each
-- other. What was between two of them is not known.
create table honed.plan_run (
  plan_run_id bigint generated always as identity primary key,
  target_id bigint not null,
  statement_id text not null,
  plan_hash text not null,
  first_seen_at timestamptz not null default honed.now(),
  last_seen_at timestamptz not null default honed.now(),
  foreign key (target_id, statement_id, plan_hash)
    references honed.statement_plan (target_id, statement_id, plan_hash) on delete cascade
);
create index plan_run_statement_idx on honed.plan_run (target_id, statement_id, plan_run_id);

-- What the planner knew of a table in numbers, one row for each stretch of looks that saw the same.
create table honed.planner_numbers (
  planner_numbers_id bigint generated always as identity primary key,
  target_id bigint not null references honed.target (target_id) on delete cascade,
  table_name text not null,
  -- By column: null_frac, avg_width, n_distinct, correlation.
  numbers jsonb not null check (jsonb_typeof(numbers) = 'object'),
  first_seen_at timestamptz not null default honed.now(),
  last_seen_at timestamptz not null default honed.now()
);
create index planner_numbers_table_idx
  on honed.planner_numbers (target_id, table_name, planner_numbers_id);

grant select, insert, update, delete on honed.plan_run, honed.planner_numbers to honed_daemon;

-- One row for each statement whose plan was pinned. A pin ends when it is rolled back, or when a
-- later improvement of the same kind took it back; each trial of that which failed confirms the pin.
create view honed.plan_pins as
select
  i.improvement_id,
  t.name as target,
  p.pin ->> 'statement_id' as statement_id,
  s.text as statement,
  p.pin ->> 'good_plan_hash' as good_plan_hash,
  p.pin ->> 'bad_plan_hash' as bad_plan_hash,
  p.pin -> 'evidence' as evidence,
  p.pin ->> 'mechanism' as mechanism,
  p.pin ->> 'scope' as scope,
  p.pin -> 'undo' as undo,
  case
    when i.state = 'rolled_back' then 'rolled back'
    when u.taken_back then 'taken back'
    when i.state in ('applying', 'failed') then i.state
    when p.pin -> 'undo' = '[]' then 'nothing to take back'
    -- To give back the numbers of the bad time would be no way back.
    when p.pin ->> 'mechanism' = 'saved_statistics' then 'until the next ANALYZE'
    when honed.now() >= c.expires_at then 'expired'
    when i.state = 'watching' then 'watching'
    else 'active'
  end as status,
  i.applied_at as pinned_at,
  u.checked_at,
  c.expires_at
from honed.improvement as i
join honed.target as t on t.target_id = i.target_id
cross join lateral jsonb_array_elements(i.hypothesis -> 'parameters' -> 'pins') as p (pin)
left join honed.statement as s
  on s.target_id = i.target_id and s.statement_id = p.pin ->> 'statement_id'
cross join lateral (
  select max(o.tried_at) filter (where o.state in ('refuted', 'rolled_back')) as checked_at
       , coalesce(bool_or(o.state in ('applying', 'watching', 'kept')), false) as taken_back
    from honed.improvement as o
   where o.target_id = i.target_id
     and o.kind = i.kind
     and o.hypothesis -> 'parameters' -> 'takes_back' = to_jsonb(i.improvement_id)
) as u
cross join lateral (
  select coalesce(u.checked_at, i.applied_at)
         + make_interval(secs => 86400 * (p.pin ->> 'days')::double precision) as expires_at
) as c
where i.applied_at is not null
  and i.kind = 'query_regression'
  and jsonb_typeof(i.hypothesis -> 'parameters' -> 'pins') = 'array'
order by i.improvement_id desc, statement_id;

grant select on honed.plan_pins to honed_viewer, honed_daemon;

comment on view honed.plan_pins is
  'Every statement whose plan was pinned: the good plan and the bad one, why, how, for whom, what'
  ' takes it back, when the pin was last tried without, and when it expires.';

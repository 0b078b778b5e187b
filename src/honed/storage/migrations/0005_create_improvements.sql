-- Creates the rows that the loop lives on: cycles, findings, improvements, approvals, effects.
--
-- Why: an improvement is the row that history, approvals, outcome and provenance hang on; each
-- change of its state is one transaction (row + event + ledger entry + next message).
-- Locks: none but on the new tables.  Rows rewritten: none.

-- What a policy may approve by itself. One row a version; only the owner writes it, from Settings,
-- so that the daemon cannot widen what it may do. A row never changes.
create table honed.policy (
  policy_version bigint generated always as identity primary key,
  autonomy text not null check (autonomy in ('observe', 'supervised', 'limited', 'full')),
  require_human_approval boolean not null,
  target_area text not null,
  auto_approve_threshold integer not null check (auto_approve_threshold between 1 and 5),
  max_changes_per_run integer not null check (max_changes_per_run >= 0),
  approval_ttl interval not null check (approval_ttl > interval '0'),
  written_by text not null default session_user,
  written_at timestamptz not null default honed.now()
);

-- The kill switch: one row, read before each step.
create table honed.switch (
  switch_id smallint primary key default 1 check (switch_id = 1),
  stopped boolean not null,
  reason text not null,
  changed_by text not null default session_user,
  changed_at timestamptz not null default honed.now()
);
insert into honed.switch (stopped, reason) values (false, 'never stopped');

-- One turn of the loop on one target.
create table honed.cycle (
  cycle_id bigint generated always as identity primary key,
  target_id bigint not null references honed.target (target_id) on delete cascade,
  phase text not null default 'waiting' check (phase in (
    'waiting', 'analyzing', 'hypothesizing', 'acting', 'learning',
    'finished', 'failed', 'superseded'
  )),
  dry_run boolean not null default true,
  max_changes integer not null default 1 check (max_changes >= 0),
  require_approval boolean not null default true,
  -- Empty: every area.
  target_area text not null default '',
  lookback interval not null default interval '24 hours' check (lookback > interval '0'),
  requested_by text not null default session_user,
  requested_at timestamptz not null default honed.now(),
  started_at timestamptz,
  finished_at timestamptz,
  -- Pause before the next cycle that this one's outcome asks for (pacing).
  next_delay_s double precision check (next_delay_s >= 0),
  cost_s double precision not null default 0 check (cost_s >= 0),
  error text not null default ''
);
create index cycle_target_idx on honed.cycle (target_id, cycle_id);

-- The record of one look at a target (the analysis of seed 001, phase 1).
create table honed.analysis (
  analysis_id bigint generated always as identity primary key,
  cycle_id bigint references honed.cycle (cycle_id) on delete cascade,
  target_id bigint not null references honed.target (target_id) on delete cascade,
  record jsonb not null check (jsonb_typeof(record) = 'object'),
  analyzed_at timestamptz not null default honed.now()
);
create index analysis_target_idx on honed.analysis (target_id, analysis_id);
create index analysis_cycle_idx on honed.analysis (cycle_id);

-- One observed fact; the same fact seen again is the same row as long as it is open.
create table honed.finding (
  finding_id bigint generated always as identity primary key,
  target_id bigint not null references honed.target (target_id) on delete cascade,
  type text not null,
  subject text not null,
  title text not null,
  evidence jsonb not null default '{}' check (jsonb_typeof(evidence) = 'object'),
  weight double precision not null default 0 check (weight between 0 and 1),
  times_seen integer not null default 1 check (times_seen > 0),
  analysis_id bigint references honed.analysis (analysis_id) on delete set null,
  first_seen_at timestamptz not null default honed.now(),
  last_seen_at timestamptz not null default honed.now(),
  -- Set when a later look no longer finds it.
  closed_at timestamptz
);
create unique index finding_one_open_idx
  on honed.finding (target_id, type, md5(subject)) where closed_at is null;

create table honed.improvement (
  improvement_id bigint generated always as identity primary key,
  cycle_id bigint references honed.cycle (cycle_id) on delete set null,
  target_id bigint not null references honed.target (target_id) on delete cascade,
  kind text not null,
  subject text not null,
  state text not null default 'proposed' check (state in (
    'proposed', 'on_trial', 'proven', 'refuted', 'inconclusive', 'dry_run',
    'awaiting_approval', 'approved', 'rejected', 'expired',
    'applying', 'watching', 'kept', 'rolled_back', 'failed'
  )),
  hypothesis jsonb not null check (jsonb_typeof(hypothesis) = 'object'),
  -- Empty until the kind has said what would be done.
  steps jsonb not null default '[]' check (jsonb_typeof(steps) = 'array'),
  -- What the trial and the findings say; bound into the digest.
  evidence jsonb not null default '{}' check (jsonb_typeof(evidence) = 'object'),
  priority integer not null check (priority between 1 and 5),
  risk integer not null check (risk between 1 and 10),
  danger text not null default 'none' check (danger in (
    'none', 'weights', 'schema', 'deletion', 'external'
  )),
  area text not null default 'performance' check (area in ('performance', 'quality', 'features')),
  digest text check (digest ~ '^[0-9a-f]{64}$'),
  target_fingerprint text not null default '',
  policy_version bigint references honed.policy (policy_version),
  -- Probability with which the loop chose this claim; 1 when the choice was deterministic.
  propensity double precision not null default 1 check (propensity > 0 and propensity <= 1),
  -- Natural logarithms of cost after / cost before: negative is better.
  predicted_log_ratio double precision,
  measured_log_ratio double precision,
  production_log_ratio double precision,
  verdict text check (verdict in ('improved', 'worse', 'equivalent', 'inconclusive', 'error')),
  outcome text check (outcome in ('high_success', 'success', 'regressed', 'failed')),
  error text not null default '',
  proposed_at timestamptz not null default honed.now(),
  trial_started_at timestamptz,
  -- When the trial gave its verdict.
  tried_at timestamptz,
  awaiting_since timestamptz,
  approved_at timestamptz,
  applying_at timestamptz,
  -- When the last step was done.
  applied_at timestamptz,
  rolled_back_at timestamptz,
  -- When it came to rest; null while something still happens.
  completed_at timestamptz,
  updated_at timestamptz not null default honed.now(),
  -- Seconds that its trial and its steps took.
  cost_s double precision not null default 0 check (cost_s >= 0)
);
-- One open improvement for a claim: two workers that propose the same cannot both go on.
create unique index improvement_one_open_idx
  on honed.improvement (target_id, kind, md5(subject))
  where state in (
    'proposed', 'on_trial', 'proven', 'awaiting_approval', 'approved', 'applying', 'watching'
  );
create index improvement_target_idx on honed.improvement (target_id, kind, md5(subject));
create index improvement_cycle_idx on honed.improvement (cycle_id);
create index improvement_state_idx on honed.improvement (state);

create table honed.improvement_finding (
  improvement_id bigint not null references honed.improvement (improvement_id) on delete cascade,
  finding_id bigint not null references honed.finding (finding_id) on delete cascade,
  primary key (improvement_id, finding_id)
);
create index improvement_finding_finding_idx on honed.improvement_finding (finding_id);

-- Every change of state, with the ledger entry that was appended in the same transaction.
create table honed.improvement_event (
  event_id bigint generated always as identity primary key,
  improvement_id bigint not null references honed.improvement (improvement_id) on delete cascade,
  -- Null for the first.
  from_state text,
  to_state text not null,
  detail jsonb not null default '{}' check (jsonb_typeof(detail) = 'object'),
  ledger_index bigint,
  leaf_hash text,
  -- The job under whose fence it was committed; null outside the queue.
  job_id bigint,
  happened_at timestamptz not null default honed.now()
);
create index improvement_event_improvement_idx
  on honed.improvement_event (improvement_id, event_id);

-- What a person or a policy decided. The daemon may read it and nothing else: rows come from the
-- functions honed.approve, reject, rollback and approve_by_policy alone.
create table honed.approval (
  approval_id bigint generated always as identity primary key,
  improvement_id bigint not null references honed.improvement (improvement_id) on delete cascade,
  decision text not null check (decision in ('approved', 'rejected', 'roll_back')),
  -- 'person', or 'policy' for approve_by_policy.
  authority text not null check (authority in ('person', 'policy')),
  -- The digest that was approved; of a rejection or a rollback, the one that was current.
  digest text check (digest ~ '^[0-9a-f]{64}$'),
  policy_version bigint references honed.policy (policy_version),
  reason text not null default '',
  -- The login, which the server knows, and the person that the interface says it acted for.
  decided_by text not null,
  acting_for text not null default '',
  decided_at timestamptz not null default honed.now(),
  -- Only of an approval: it counts until then.
  expires_at timestamptz,
  check (decision <> 'approved' or (digest is not null and expires_at is not null))
);
create unique index approval_one_decision_idx
  on honed.approval (improvement_id, decision) where decision in ('approved', 'rejected');
create index approval_improvement_idx on honed.approval (improvement_id, approval_id);

-- The intent to carry out one step, written before the act, with its outcome, written after. An
-- intent without an outcome means: inspect the target before doing anything.
create table honed.effect (
  effect_id bigint generated always as identity primary key,
  improvement_id bigint not null references honed.improvement (improvement_id) on delete cascade,
  direction text not null check (direction in ('do', 'undo')),
  -- Position of the step, from 0.
  ordinal integer not null check (ordinal >= 0),
  step jsonb not null check (jsonb_typeof(step) = 'object'),
  intended_at timestamptz not null default honed.now(),
  ended_at timestamptz,
  outcome text check (outcome in ('done', 'failed', 'found_done', 'cleaned_up', 'not_needed')),
  error text not null default '',
  duration_s double precision check (duration_s >= 0),
  detail jsonb not null default '{}' check (jsonb_typeof(detail) = 'object'),
  check ((outcome is null) = (ended_at is null))
);
create unique index effect_one_open_idx on honed.effect (improvement_id) where outcome is null;
create index effect_improvement_idx on honed.effect (improvement_id, effect_id);

-- Production before and after an applied change, one pair of intervals a row.
create table honed.watch_pair (
  watch_pair_id bigint generated always as identity primary key,
  improvement_id bigint not null references honed.improvement (improvement_id) on delete cascade,
  ordinal integer not null check (ordinal >= 0),
  before_start timestamptz not null,
  before_end timestamptz not null,
  after_start timestamptz not null,
  after_end timestamptz not null,
  before jsonb not null check (jsonb_typeof(before) = 'object'),
  after jsonb not null check (jsonb_typeof(after) = 'object'),
  -- True for a pair of the A/A control: both sides from before the change.
  control boolean not null default false,
  recorded_at timestamptz not null default honed.now(),
  unique (improvement_id, control, ordinal)
);

-- What went wrong with a message that is still being tried; exceptions and crashes apart.
create table honed.job_trouble (
  job_id bigint primary key references honed.procrastinate_jobs (id) on delete cascade,
  exceptions integer not null default 0 check (exceptions >= 0),
  crashes integer not null default 0 check (crashes >= 0),
  error text not null default '',
  updated_at timestamptz not null default honed.now()
);

-- Messages that are no longer tried. A row stays when it is replayed or discarded: nothing is lost.
create table honed.dead_letter (
  dead_letter_id bigint generated always as identity primary key,
  job_id bigint not null,
  queue text not null,
  task text not null,
  -- As it was found, whatever it is.
  message jsonb,
  priority integer not null default 0,
  lock text,
  queueing_lock text,
  cause text not null check (cause in ('contract', 'exceptions', 'crashes')),
  error text not null,
  exceptions integer not null default 0,
  crashes integer not null default 0,
  buried_at timestamptz not null default honed.now(),
  resolution text check (resolution in ('replayed', 'discarded')),
  resolved_by text,
  resolved_at timestamptz,
  replay_job_id bigint,
  check ((resolution is null) = (resolved_at is null))
);
create index dead_letter_open_idx on honed.dead_letter (dead_letter_id) where resolution is null;

-- Puts one message into a queue; the job's id, or null where the queueing lock is already held.
-- Delays are real time and not honed.now(), because the queue compares them with its own clock.
create function honed.defer_message(
  p_queue text,
  p_task text,
  p_message jsonb,
  p_priority integer default 0,
  p_lock text default null,
  p_queueing_lock text default null,
  p_delay_s double precision default 0
) returns bigint
language plpgsql
set search_path = honed, pg_temp
as $$
declare
  v_ids bigint[];
begin
  v_ids := procrastinate_defer_jobs_v1(array[row(
    p_queue, p_task, p_priority, p_lock, p_queueing_lock, p_message,
    case when p_delay_s > 0
      then clock_timestamp() + make_interval(secs => p_delay_s) end
  )::procrastinate_job_to_defer_v1]);
  return v_ids[1];
exception
  when unique_violation then
    return null;
end;
$$;

-- The daemon reads everything and writes what the loop finds; never a policy nor an approval.
grant select on
  honed.policy, honed.switch, honed.approval
  to honed_daemon;
grant select, insert, update, delete on
  honed.cycle, honed.analysis, honed.finding, honed.improvement, honed.improvement_finding,
  honed.effect, honed.watch_pair, honed.job_trouble, honed.dead_letter
  to honed_daemon;
-- History is only ever added to.
grant select, insert on honed.improvement_event to honed_daemon;
revoke all on function honed.defer_message from public;
grant execute on function honed.defer_message to honed_daemon;

-- Creates what people use from psql: functions that ask and decide, views that show.
--
-- Why: everything that the command line does, a DBA can do with SQL, under the same rules.
-- Functions that write run with their owner's rights and a fixed search_path; who may call them is
-- granted by role: viewers read, operators run and stop, approvers approve.
-- Errors: HN404 no such thing, HN409 a stale approval, HN410 a wrong state; each has a hint.
-- Locks: none but on the new objects.  Rows rewritten: none.

-- The clock for decisions. Sessions may set honed.now(); approvals must not last longer for it, so
-- of such a session only the owner's is believed.
create function honed.decision_time() returns timestamptz
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  select case
    when pg_has_role(session_user, current_user, 'MEMBER') then honed.now()
    else clock_timestamp()
  end
$$;

create function honed.run_cycle(
  target text,
  dry_run boolean default true,
  max_changes integer default 1,
  require_approval boolean default true,
  target_area text default null,
  lookback interval default interval '24 hours'
) returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_target_id bigint;
  v_cycle_id bigint;
  v_waiting record;
begin
  if run_cycle.max_changes is null or run_cycle.max_changes < 0
     or run_cycle.dry_run is null or run_cycle.require_approval is null
     or run_cycle.lookback is null or run_cycle.lookback <= interval '0'
     or coalesce(run_cycle.target_area, '') not in ('', 'performance', 'quality', 'features')
  then
    raise exception 'a value of this cycle makes no sense'
      using errcode = 'invalid_parameter_value',
            hint = 'max_changes is 0 or more, lookback is positive, target_area is performance,'
                   ' quality, features or null for all; the others are true or false';
  end if;

  select t.target_id into v_target_id
    from honed.target as t where t.name = run_cycle.target and t.removed_at is null;
  if not found then
    raise exception 'there is no target %', quote_nullable(run_cycle.target)
      using errcode = 'HN404', hint = 'select name from honed.target where removed_at is null';
  end if;

  -- One cycle waits for a target. One that waits for its time gives way to one for now.
  select job.id, job.args, job.scheduled_at > clock_timestamp() as is_timer into v_waiting
    from honed.procrastinate_jobs as job
   where job.queueing_lock = 'analyze:' || v_target_id and job.status = 'todo'
     for update;
  if found and v_waiting.is_timer is not true then
    raise exception 'a cycle of target % waits to begin already', run_cycle.target
      using errcode = 'HN410', hint = 'select * from honed.cycle order by cycle_id desc';
  end if;
  if found then
    perform honed.procrastinate_cancel_job_v1(v_waiting.id, false, false);
    update honed.cycle as c
       set phase = 'superseded', finished_at = honed.now()
     where jsonb_typeof(v_waiting.args -> 'cycle_id') = 'number'
       and c.cycle_id = (v_waiting.args ->> 'cycle_id')::numeric
       and c.phase not in ('finished', 'failed', 'superseded');
  end if;

  insert into honed.cycle (
    target_id, dry_run, max_changes, require_approval, target_area, lookback, requested_by
  )
  values (
    v_target_id, run_cycle.dry_run, run_cycle.max_changes, run_cycle.require_approval,
    coalesce(run_cycle.target_area, ''), run_cycle.lookback, session_user
  )
  returning cycle_id into v_cycle_id;

  if honed.defer_message(
       'analyze', 'analyze',
       jsonb_build_object('version', 1, 'target_id', v_target_id, 'cycle_id', v_cycle_id),
       p_queueing_lock => 'analyze:' || v_target_id
     ) is null
  then
    raise exception 'a cycle of target % waits to begin already', run_cycle.target
      using errcode = 'HN410', hint = 'select * from honed.cycle order by cycle_id desc';
  end if;

  if not run_cycle.dry_run and exists (
       select from honed.policy as p
        where p.policy_version = (select max(newest.policy_version) from honed.policy as newest)
          and p.autonomy = 'observe'
     )
  then
    raise notice 'the autonomy is observe, so this will be a dry run'
      using hint = 'set HONED_AUTONOMY to supervised, limited or full, and start honed again';
  end if;
  return v_cycle_id;
end;
$$;

-- Locks an improvement for a decision; its row, or HN404.
create function honed.improvement_to_decide(p_improvement_id bigint) returns honed.improvement
language plpgsql
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_improvement honed.improvement;
begin
  select * into v_improvement
    from honed.improvement where improvement_id = p_improvement_id for update;
  if not found then
    raise exception 'there is no improvement %', p_improvement_id
      using errcode = 'HN404', hint = 'select improvement_id, claim from honed.improvement_history';
  end if;
  return v_improvement;
end;
$$;

-- Tells the worker that there is something to do for an improvement.
create function honed.defer_act(
  p_improvement honed.improvement,
  p_roll_back boolean default false,
  p_reason text default ''
) returns void
language plpgsql
set search_path = honed, pg_catalog, pg_temp
as $$
begin
  perform honed.defer_message(
    'act', 'act',
    jsonb_build_object(
      'version', 1,
      'target_id', p_improvement.target_id,
      'improvement_id', p_improvement.improvement_id,
      'roll_back', p_roll_back,
      'reason', left(p_reason, 1000)
    ),
    p_lock => 'target:' || p_improvement.target_id
  );
end;
$$;

create function honed.approve(improvement_id bigint, digest text, acting_for text default '')
returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_improvement honed.improvement := honed.improvement_to_decide(approve.improvement_id);
  v_policy honed.policy;
  v_approval_id bigint;
begin
  if v_improvement.state <> 'awaiting_approval'
     or exists (select from honed.approval as a where a.improvement_id = approve.improvement_id)
  then
    raise exception 'improvement % does not wait for an approval', approve.improvement_id
      using errcode = 'HN410',
            detail = format('It is %s.', v_improvement.state),
            hint = format('select state, decision from honed.improvement_history'
                          ' where improvement_id = %s', approve.improvement_id);
  end if;

  select * into v_policy from honed.policy order by policy_version desc limit 1;
  if v_improvement.digest is distinct from lower(approve.digest)
     or v_improvement.policy_version is distinct from v_policy.policy_version
  then
    raise exception 'improvement % is not what this digest names', approve.improvement_id
      using errcode = 'HN409',
            detail = format('Its digest is %s.', coalesce(v_improvement.digest, 'not made yet')),
            hint = 'read the improvement again; if it is still right, approve its present digest';
  end if;
  if v_improvement.awaiting_since + v_policy.approval_ttl <= honed.decision_time() then
    raise exception 'improvement % has waited too long', approve.improvement_id
      using errcode = 'HN409',
            detail = format('An approval is possible for %s.', v_policy.approval_ttl),
            hint = 'a later cycle measures it again and asks again';
  end if;

  insert into honed.approval (
    improvement_id, decision, authority, digest, policy_version, decided_by, acting_for,
    decided_at, expires_at
  )
  values (
    approve.improvement_id, 'approved', 'person', v_improvement.digest, v_policy.policy_version,
    session_user, approve.acting_for, honed.decision_time(),
    honed.decision_time() + v_policy.approval_ttl
  )
  returning approval_id into v_approval_id;
  perform honed.defer_act(v_improvement);
  return v_approval_id;
end;
$$;

create function honed.reject(improvement_id bigint, reason text, acting_for text default '')
returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_improvement honed.improvement := honed.improvement_to_decide(reject.improvement_id);
  v_approval_id bigint;
begin
  if v_improvement.state not in ('awaiting_approval', 'approved')
     or exists (
       select from honed.approval as a
        where a.improvement_id = reject.improvement_id and a.decision = 'rejected'
     )
  then
    raise exception 'improvement % cannot be rejected now', reject.improvement_id
      using errcode = 'HN410',
            detail = format('It is %s.', v_improvement.state),
            hint = 'what is applied already is taken back by honed.rollback(improvement_id, reason)';
  end if;
  insert into honed.approval (
    improvement_id, decision, authority, digest, policy_version, reason, decided_by, acting_for,
    decided_at
  )
  values (
    reject.improvement_id, 'rejected', 'person', v_improvement.digest,
    v_improvement.policy_version, reject.reason, session_user, reject.acting_for,
    honed.decision_time()
  )
  returning approval_id into v_approval_id;
  perform honed.defer_act(v_improvement);
  return v_approval_id;
end;
$$;

create function honed.rollback(improvement_id bigint, reason text, acting_for text default '')
returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_improvement honed.improvement := honed.improvement_to_decide(rollback.improvement_id);
  v_approval_id bigint;
begin
  if v_improvement.state not in ('applying', 'watching', 'kept') then
    raise exception 'nothing of improvement % is applied', rollback.improvement_id
      using errcode = 'HN410',
            detail = format('It is %s.', v_improvement.state),
            hint = 'select improvement_id from honed.improvement_history'
                   ' where was_deployed and not was_rolled_back';
  end if;
  insert into honed.approval (
    improvement_id, decision, authority, digest, policy_version, reason, decided_by, acting_for,
    decided_at
  )
  values (
    rollback.improvement_id, 'roll_back', 'person', v_improvement.digest,
    v_improvement.policy_version, rollback.reason, session_user, rollback.acting_for,
    honed.decision_time()
  )
  returning approval_id into v_approval_id;
  perform honed.defer_act(v_improvement, true, rollback.reason);
  return v_approval_id;
end;
$$;

-- What the policy says to a proven improvement; if it says yes, the approval is written. The rules
-- stand here and not in the daemon, whose role can write neither a policy nor an approval.
create function honed.approve_by_policy(improvement_id bigint)
returns table (answer text, reason text)
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_improvement honed.improvement := honed.improvement_to_decide(approve_by_policy.improvement_id);
  v_policy honed.policy;
  v_cycle honed.cycle;
  v_objection text;
begin
  select * into v_policy from honed.policy order by policy_version desc limit 1;
  if v_improvement.state <> 'proven' or v_improvement.verdict is distinct from 'improved' then
    raise exception 'improvement % is not proven', v_improvement.improvement_id
      using errcode = 'HN410',
            detail = format('It is %s.', v_improvement.state),
            hint = 'only what a trial has shown to be better is ever applied';
  end if;
  if v_improvement.digest is null
     or v_improvement.policy_version is distinct from v_policy.policy_version
  then
    raise exception 'the digest of improvement % is not of this policy', v_improvement.improvement_id
      using errcode = 'HN409', hint = 'submit the improvement again';
  end if;
  -- Locked, so that two approvals cannot both be the last that the cycle allows.
  select * into v_cycle from honed.cycle where cycle_id = v_improvement.cycle_id for update;

  if v_policy.autonomy = 'observe' or v_cycle.dry_run then
    return query select 'dry_run', case
      when v_cycle.dry_run then 'the cycle is a dry run' else 'the autonomy is observe'
    end;
    return;
  end if;

  v_objection := case
    when v_cycle.cycle_id is null then 'its cycle is gone'
    when (select stopped from honed.switch) then 'honed was told to stop'
    when v_improvement.danger <> 'none'
      then format('only a person approves what has the danger %s', v_improvement.danger)
    when v_improvement.risk > 7
      then format('its risk %s is above 7', v_improvement.risk)
    when v_policy.autonomy = 'supervised' then 'the autonomy is supervised'
    when v_policy.require_human_approval then 'the configuration wants a person'
    when v_cycle.require_approval then 'the cycle wants a person'
    when v_policy.autonomy = 'limited' and v_policy.target_area = ''
      then 'the autonomy is limited, and no target area is set'
    when v_policy.target_area not in ('', v_improvement.area)
      then format('the configuration is for the area %s', v_policy.target_area)
    when v_cycle.target_area not in ('', v_improvement.area)
      then format('the cycle is for the area %s', v_cycle.target_area)
    when v_improvement.priority < v_policy.auto_approve_threshold
      then format('its priority %s is below %s',
                  v_improvement.priority, v_policy.auto_approve_threshold)
    when (
           select count(*)
             from honed.approval as a
             join honed.improvement as i on i.improvement_id = a.improvement_id
            where i.cycle_id = v_cycle.cycle_id
              and a.decision = 'approved'
              and i.state not in ('rejected', 'expired')
         ) >= least(v_policy.max_changes_per_run, v_cycle.max_changes)
      then format('the cycle may change no more than %s',
                  least(v_policy.max_changes_per_run, v_cycle.max_changes))
  end;
  if v_objection is not null then
    return query select 'needs_person', v_objection;
    return;
  end if;

  insert into honed.approval (
    improvement_id, decision, authority, digest, policy_version, decided_by, decided_at, expires_at
  )
  values (
    v_improvement.improvement_id, 'approved', 'policy', v_improvement.digest,
    v_policy.policy_version, session_user, honed.decision_time(),
    honed.decision_time() + v_policy.approval_ttl
  );
  return query select 'approved', format('policy %s allows it', v_policy.policy_version);
end;
$$;

create function honed.stop(reason text) returns void
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  update honed.switch
     set stopped = true, reason = stop.reason, changed_by = session_user, changed_at = honed.now()
$$;

create function honed.start() returns void
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  update honed.switch
     set stopped = false, reason = 'started', changed_by = session_user, changed_at = honed.now()
   where stopped
$$;

create function honed.replay_dead_letter(dead_letter_id bigint) returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_letter honed.dead_letter := honed.open_dead_letter(replay_dead_letter.dead_letter_id);
  v_job_id bigint;
begin
  v_job_id := honed.defer_message(
    v_letter.queue, v_letter.task, v_letter.message, v_letter.priority, v_letter.lock,
    v_letter.queueing_lock
  );
  if v_job_id is null then
    raise exception 'a message like dead letter % waits already', v_letter.dead_letter_id
      using errcode = 'HN410', hint = 'let that one be handled, or discard this one';
  end if;
  update honed.dead_letter as d
     set resolution = 'replayed', resolved_by = session_user, resolved_at = honed.now(),
         replay_job_id = v_job_id
   where d.dead_letter_id = v_letter.dead_letter_id;
  return v_job_id;
end;
$$;

create function honed.discard_dead_letter(dead_letter_id bigint) returns void
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_letter honed.dead_letter := honed.open_dead_letter(discard_dead_letter.dead_letter_id);
begin
  update honed.dead_letter as d
     set resolution = 'discarded', resolved_by = session_user, resolved_at = honed.now()
   where d.dead_letter_id = v_letter.dead_letter_id;
end;
$$;

-- Locks a dead letter of which nothing was decided yet; its row, HN404 or HN410.
create function honed.open_dead_letter(p_dead_letter_id bigint) returns honed.dead_letter
language plpgsql
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_letter honed.dead_letter;
begin
  select * into v_letter
    from honed.dead_letter where dead_letter_id = p_dead_letter_id for update;
  if not found then
    raise exception 'there is no dead letter %', p_dead_letter_id
      using errcode = 'HN404', hint = 'select dead_letter_id, error from honed.dead_letters';
  end if;
  if v_letter.resolution is not null then
    raise exception 'dead letter % was % before', p_dead_letter_id, v_letter.resolution
      using errcode = 'HN410', hint = 'select dead_letter_id, error from honed.dead_letters';
  end if;
  return v_letter;
end;
$$;

-- Seed 000's AutonomousImprovementHistory. Effects are in percent of the cost: positive is better.
create view honed.improvement_history as
select
  i.improvement_id,
  t.name as target,
  i.kind as hypothesis_type,
  case i.area
    when 'performance' then 'optimization' when 'quality' then 'bugfix' else 'feature'
  end as change_type,
  i.subject,
  i.hypothesis ->> 'claim' as claim,
  i.state,
  i.priority,
  i.risk,
  case when i.risk <= 3 then 'low' when i.risk <= 7 then 'medium' else 'high' end as risk_level,
  (
    select string_agg(statement.text || ';', e'\n' order by step.ordinality, statement.ordinality)
      from jsonb_array_elements(i.steps) with ordinality as step (value, ordinality),
           jsonb_array_elements_text(step.value -> 'do') with ordinality as statement (text)
  ) as generated_code,
  (
    select a.record from honed.analysis as a
     where a.cycle_id = i.cycle_id order by a.analysis_id desc limit 1
  ) as analysis_results,
  i.verdict,
  100 * (1 - exp(i.predicted_log_ratio)) as predicted_delta,
  100 * (1 - exp(i.measured_log_ratio)) as trial_delta,
  100 * (1 - exp(i.production_log_ratio)) as performance_delta,
  i.outcome,
  i.digest,
  d.decision,
  d.decided_by,
  i.applied_at is not null as was_deployed,
  i.rolled_back_at is not null as was_rolled_back,
  i.proposed_at as started_at,
  i.approved_at,
  i.applied_at,
  i.completed_at,
  i.rolled_back_at,
  i.cost_s,
  i.error
from honed.improvement as i
join honed.target as t on t.target_id = i.target_id
left join lateral (
  select a.decision, a.decided_by
    from honed.approval as a
   where a.improvement_id = i.improvement_id
   order by a.approval_id desc
   limit 1
) as d on true;

-- Each queue: what is due, since when the longest waits, what is being done, what has failed.
create view honed.queue_health as
select
  q.queue,
  coalesce(j.depth, 0) as depth,
  coalesce(j.delayed, 0) as delayed,
  j.oldest,
  coalesce(j.doing, 0) as doing,
  coalesce(f.failed, 0) as failed
from (
  values ('analyze'), ('hypothesize'), ('act'), ('learn')
  union
  select queue_name from honed.procrastinate_jobs
  union
  select queue from honed.dead_letter where resolution is null
) as q (queue)
left join (
  select
    job.queue_name,
    count(*) filter (where due.is_due) as depth,
    count(*) filter (where job.status = 'todo' and not due.is_due) as delayed,
    max(clock_timestamp() - due.since) filter (where due.is_due) as oldest,
    count(*) filter (where job.status = 'doing') as doing
  from honed.procrastinate_jobs as job
  cross join lateral (
    select
      job.status = 'todo' and coalesce(job.scheduled_at <= clock_timestamp(), true) as is_due,
      greatest(max(event.at), job.scheduled_at) as since
    from honed.procrastinate_events as event
    where event.job_id = job.id and event.type in ('deferred', 'deferred_for_retry', 'retried')
  ) as due
  where job.status in ('todo', 'doing')
  group by job.queue_name
) as j on j.queue_name = q.queue
left join (
  select queue, count(*) as failed
    from honed.dead_letter where resolution is null group by queue
) as f on f.queue = q.queue
order by q.queue;

-- Facts that the last looks have found and that no later look has seen gone.
create view honed.current_findings as
select
  f.finding_id, t.name as target, f.type, f.subject, f.title, f.evidence, f.weight, f.times_seen,
  f.first_seen_at, f.last_seen_at
from honed.finding as f
join honed.target as t on t.target_id = f.target_id
where f.closed_at is null and t.removed_at is null
order by f.weight desc, f.finding_id;

-- Messages that wait for a person: replay them once the cause is gone, or discard them.
create view honed.dead_letters as
select
  dead_letter_id, queue, task, message, cause, error, exceptions, crashes, buried_at, job_id
from honed.dead_letter
where resolution is null
order by dead_letter_id;

revoke all on function
  honed.decision_time, honed.run_cycle, honed.improvement_to_decide, honed.defer_act,
  honed.approve, honed.reject, honed.rollback, honed.approve_by_policy, honed.stop, honed.start,
  honed.replay_dead_letter, honed.discard_dead_letter, honed.open_dead_letter
  from public;
grant execute on function
  honed.run_cycle, honed.reject, honed.rollback, honed.stop, honed.start,
  honed.replay_dead_letter, honed.discard_dead_letter
  to honed_operator;
grant execute on function honed.approve to honed_approver;
grant execute on function honed.approve_by_policy to honed_daemon;
grant select on
  honed.improvement_history, honed.queue_health, honed.current_findings, honed.dead_letters
  to honed_viewer, honed_daemon;

comment on function honed.run_cycle is
  'Asks for a cycle on a target now and returns its id; a worker carries it out. Dry unless told'
  ' otherwise. HN404: no such target; HN410: one waits already.';
comment on function honed.approve is
  'Approves exactly the bytes that the digest names, and returns the approval''s id; a worker'
  ' carries it out. HN404: no such improvement; HN409: the digest is stale; HN410: it does not wait.';
comment on function honed.reject is
  'Says no to an improvement that waits or is not begun, and returns the decision''s id.'
  ' HN404: no such improvement; HN410: too late, or too early.';
comment on function honed.rollback is
  'Asks for an applied change to be taken back, and returns the decision''s id; a worker carries it'
  ' out. HN404: no such improvement; HN410: nothing of it is applied.';
comment on function honed.approve_by_policy is
  'Says what the policy says to a proven improvement, and why; if it says yes, the approval is'
  ' written. For the daemon alone.';
comment on function honed.stop is
  'Lets nothing more be changed, from the next step on, until honed.start().';
comment on function honed.start is
  'Allows changes again after honed.stop(), and wakes what has waited.';
comment on function honed.replay_dead_letter is
  'Puts a message that was given up back into its queue, and returns the id of its job.'
  ' HN404: no such dead letter; HN410: it was settled before, or an equal one waits.';
comment on function honed.discard_dead_letter is
  'Settles that a message will not be handled; its row stays. HN404: no such dead letter;'
  ' HN410: it was settled before.';
comment on view honed.improvement_history is
  'Every improvement with its claim, SQL, verdict, decision and outcome; effects in percent of the'
  ' cost, where positive is better.';
comment on view honed.queue_health is
  'Each queue: what is due, since when the longest waits, what is being done, what was given up.';
comment on view honed.current_findings is
  'What the last looks have found and no later look has seen gone, the heaviest first.';
comment on view honed.dead_letters is
  'Messages that wait for a person: replay them once the cause is gone, or discard them.';

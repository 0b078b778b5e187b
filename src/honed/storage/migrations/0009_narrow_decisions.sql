-- Narrows who may redirect or allow a change, and lets honed.start() wake what has waited.
--
-- Why: an approval is for one target at one place, so nobody but the store's owner moves a target:
-- an operator adds and removes targets, and the daemon adds none. Under the autonomy observe
-- nothing changes, so nothing is approved either. A change that was parked while honed was stopped
-- goes on at once when it is started.
-- Locks: none that a reader or a writer waits for.  Rows rewritten: none.

revoke insert, update on honed.target from honed_daemon;
revoke update on honed.target from honed_operator;
-- The daemon locks the row of a target while it stores a reading; that takes the right to update
-- one of its columns.
grant update (removed_at) on honed.target to honed_operator, honed_daemon;

create or replace function honed.approve(improvement_id bigint, digest text, acting_for text default '')
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
  if v_policy.autonomy = 'observe' then
    raise exception 'the autonomy is observe, so no change is approved'
      using errcode = 'HN410',
            detail = format('Policy %s is in force.', v_policy.policy_version),
            hint = 'set the autonomy to supervised, limited or full and start honed run again;'
                   ' then approve the digest that the improvement has under that policy';
  end if;
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

create or replace function honed.start() returns void
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  with started as (
    update honed.switch
       set stopped = false, reason = 'started', changed_by = session_user, changed_at = honed.now()
     where stopped
    returning switch_id
  )
  -- Changes alone: of a cycle, one that was parked cannot be told from one whose time will come.
  update honed.procrastinate_jobs as job
     set scheduled_at = null
   where exists (select from started)
     and job.queue_name = 'act' and job.status = 'todo' and job.scheduled_at > clock_timestamp()
$$;

comment on function honed.approve is
  'Approves exactly the bytes that the digest names, and returns the approval''s id; a worker'
  ' carries it out. HN404: no such improvement; HN409: the digest is stale; HN410: it does not wait,'
  ' or the autonomy is observe.';
comment on function honed.start is
  'Allows changes again after honed.stop(), and lets those that have waited go on at once.';

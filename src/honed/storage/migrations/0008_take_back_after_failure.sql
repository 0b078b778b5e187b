-- Lets what a failed improvement left on its target be taken back.
--
-- Why: an improvement fails when its steps cannot be undone, for instance because something hangs
-- on what they made. Its change is then still on the target, and a person must be able to ask for
-- it to be taken back once the cause is gone.
-- Locks: none that a reader or a writer waits for.  Rows rewritten: none.

create function honed.is_on_target(improvement_id bigint) returns boolean
language sql stable
set search_path = honed, pg_catalog, pg_temp
as $$
  select exists (
    select
      from honed.improvement as i
     where i.improvement_id = is_on_target.improvement_id
       and (
         i.state in ('applying', 'watching', 'kept')
         -- Once it was taken back, its state says so.
         or i.state = 'failed' and exists (
           select
             from honed.effect as e
            where e.improvement_id = i.improvement_id
              and e.direction = 'do'
              -- Without an outcome nobody knows, so it may be there.
              and (coalesce(e.outcome, 'done') in ('done', 'found_done')
                   or e.detail @> '{"left_behind": true}')
         )
       )
  )
$$;

create or replace function honed.rollback(
  improvement_id bigint, reason text, acting_for text default ''
)
returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_improvement honed.improvement := honed.improvement_to_decide(rollback.improvement_id);
  v_approval_id bigint;
begin
  if not honed.is_on_target(rollback.improvement_id) then
    raise exception 'nothing of improvement % is applied', rollback.improvement_id
      using errcode = 'HN410',
            detail = format('It is %s.', v_improvement.state),
            hint = 'select improvement_id from honed.improvement_history'
                   ' where honed.is_on_target(improvement_id)';
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

revoke all on function honed.is_on_target from public;
grant execute on function honed.is_on_target to honed_viewer;

comment on function honed.is_on_target is
  'Whether something of an improvement is on its target, or may be: it is being applied, watched or'
  ' kept, or it failed and was not taken back.';

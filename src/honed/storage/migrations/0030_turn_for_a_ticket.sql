-- Lets whoever asks for a cycle say which ticket it is to settle.
--
-- Why: a person who wants one trouble settled does not want a turn that answers all of them. A cycle
-- without a ticket answers everything, as before.
-- Locks: honed.cycle, for a moment.  Rows rewritten: none.

alter table honed.cycle add column ticket_id bigint references honed.ticket (ticket_id);

drop function honed.run_cycle(
  text, boolean, integer, boolean, text, interval, integer, double precision
);

create function honed.run_cycle(
  target text,
  dry_run boolean default true,
  max_changes integer default 1,
  require_approval boolean default true,
  target_area text default null,
  lookback interval default interval '24 hours',
  storage_budget_mb integer default null,
  write_budget double precision default null,
  ticket_id bigint default null
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
     or run_cycle.storage_budget_mb < 1 or run_cycle.write_budget <= 1
     or run_cycle.write_budget >= 'infinity'
  then
    raise exception 'a value of this cycle makes no sense'
      using errcode = 'invalid_parameter_value',
            hint = 'max_changes is 0 or more, lookback is positive, target_area is performance,'
                   ' quality, features or null for all, storage_budget_mb is 1 or more,'
                   ' write_budget more than 1; the others are true or false';
  end if;

  select t.target_id into v_target_id
    from honed.target as t where t.name = run_cycle.target and t.removed_at is null;
  if not found then
    raise exception 'there is no target %', quote_nullable(run_cycle.target)
      using errcode = 'HN404', hint = 'select name from honed.target where removed_at is null';
  end if;

  if run_cycle.ticket_id is not null and not exists (
       select from honed.ticket as t where t.ticket_id = run_cycle.ticket_id
     )
  then
    raise exception 'there is no ticket %', run_cycle.ticket_id
      using errcode = 'HN404', hint = 'select ticket_id, title from honed.backlog';
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
    target_id, dry_run, max_changes, require_approval, target_area, lookback,
    storage_budget_mb, write_budget, ticket_id, requested_by
  )
  values (
    v_target_id, run_cycle.dry_run, run_cycle.max_changes, run_cycle.require_approval,
    coalesce(run_cycle.target_area, ''), run_cycle.lookback,
    run_cycle.storage_budget_mb, run_cycle.write_budget, run_cycle.ticket_id, session_user
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

revoke all on function honed.run_cycle from public;
grant execute on function honed.run_cycle to honed_operator;
comment on function honed.run_cycle is
  'Asks for a cycle on a target now and returns its id; a worker carries it out. Dry unless told'
  ' otherwise; with a ticket it answers that alone. HN404: no such target or ticket; HN410: one waits'
  ' already.';

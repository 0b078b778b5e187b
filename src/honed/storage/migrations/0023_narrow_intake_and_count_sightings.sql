-- Lets the intake make partitions of signals, and only the daemon drop them; counts a trouble only
-- when there is news of it, and takes no id for one that is known.
--
-- Why: whoever takes signals in could say how long they are kept, and so drop them all: by the
-- argument of the function that kept the partitions, or by the setting honed.fake_now. Now its role
-- adds days by the server's clock, whatever that setting is, and takes none away. A ticket that was
-- found again was told as counted again although nothing was new, its metadata stayed as it was
-- first, and each such sighting used up an id.
-- Locks: none but on the functions that are replaced.
-- Rows rewritten: none.

drop function honed.keep_signal_partitions(integer);

-- Senders wait while this waits for a lock: rather it is done the next time.
create function honed.make_signal_partitions() returns integer
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  -- Days without end would come of honed.fake_now, so it holds only for whoever may drop them, too.
  v_now timestamptz := case
    when pg_has_role(session_user, 'honed_daemon', 'member') then honed.now()
    else clock_timestamp()
  end;
  v_today date := (v_now at time zone 'UTC')::date;
  v_day date;
  v_name text;
  v_made integer := 0;
begin
  -- One at a time; whoever comes second leaves it to the first.
  if not pg_try_advisory_xact_lock(7450126840319) then
    return 0;
  end if;
  for v_day in select generate_series(v_today - 1, v_today + 3, interval '1 day')::date loop
    v_name := 'signal_' || to_char(v_day, 'YYYYMMDD');
    continue when to_regclass('honed.' || v_name) is not null;
    begin
      -- Made alone and attached: that locks out no sender and no reader, as creating it in its
      -- place would.
      execute format(
        'create table honed.%I (like honed.signal including defaults including constraints)',
        v_name
      );
      execute format(
        'alter table honed.signal attach partition honed.%I for values from (%L) to (%L)',
        v_name,
        (v_day::timestamp at time zone 'UTC'), ((v_day + 1)::timestamp at time zone 'UTC')
      );
      v_made := v_made + 1;
    exception when lock_not_available then
      exit;
    end;
  end loop;
  return v_made;
end;
$$;

create function honed.drop_signal_partitions(retention_days integer) returns integer
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  v_first date := (honed.now() at time zone 'UTC')::date - drop_signal_partitions.retention_days;
  v_name text;
  v_dropped integer := 0;
begin
  if coalesce(drop_signal_partitions.retention_days, 0) < 1 then
    raise exception 'signals cannot be kept for % days', drop_signal_partitions.retention_days
      using errcode = 'invalid_parameter_value', hint = 'keep them for 1 day or more';
  end if;
  if not pg_try_advisory_xact_lock(7450126840319) then
    return 0;
  end if;
  for v_name in
    select c.relname
      from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
     where i.inhparent = 'honed.signal'::regclass
       and c.relname ~ '^signal_[0-9]{8}$'
       and to_date(substr(c.relname, 8), 'YYYYMMDD') < v_first
     order by c.relname
  loop
    begin
      execute format('drop table honed.%I', v_name);
      v_dropped := v_dropped + 1;
    exception when lock_not_available then
      exit;
    end;
  end loop;
  delete from honed.intake_count where day < v_first;
  return v_dropped;
end;
$$;

revoke all on function honed.make_signal_partitions, honed.drop_signal_partitions from public;
grant execute on function honed.make_signal_partitions to honed_intake;
grant execute on function honed.drop_signal_partitions to honed_daemon;

comment on function honed.make_signal_partitions is
  'Makes the partitions of signals from yesterday to three days ahead; returns how many are new.';
comment on function honed.drop_signal_partitions is
  'Drops the partitions of signals, and the counts of the intake, that are older than so many days;'
  ' returns how many partitions are gone. For the daemon, which knows signal_retention_days.';

create or replace function honed.add_ticket(
  title text,
  description text default '',
  category text default 'bug_fix',
  priority text default 'medium',
  risk_level integer default 5,
  estimated_effort integer default 5,
  proposed_solution text default '',
  test_plan text default '',
  files_to_modify text[] default '{}',
  target text default null,
  project text default '',
  reason text default '',
  acting_for text default ''
) returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_target_id bigint;
  v_ticket_id bigint;
  v_known honed.ticket;
begin
  if add_ticket.target is not null then
    select t.target_id into v_target_id
      from honed.target as t where t.name = add_ticket.target and t.removed_at is null;
    if not found then
      raise exception 'there is no target %', quote_literal(add_ticket.target)
        using errcode = 'HN404', hint = 'select name from honed.target where removed_at is null';
    end if;
  end if;
  perform pg_advisory_xact_lock(7450126840321);
  -- Before anything is inserted, so that no id is used up.
  select * into v_known
    from honed.ticket as k
   where k.source = 'manual' and coalesce(k.target_id, 0) = coalesce(v_target_id, 0)
     and k.project = add_ticket.project and md5(k.subject) = md5(btrim(add_ticket.title));
  if found then
    raise exception 'ticket % has this title already', v_known.ticket_id
      using errcode = 'HN411',
            detail = format('It is %s.', v_known.state),
            hint = format('select * from honed.ticket where ticket_id = %s', v_known.ticket_id);
  end if;
  insert into honed.ticket (
    source, target_id, project, subject, title, description, category, priority, risk_level,
    estimated_effort, terms, set_by_person, proposed_solution, test_plan, files_to_modify
  )
  values (
    'manual', v_target_id, add_ticket.project, btrim(add_ticket.title), btrim(add_ticket.title),
    add_ticket.description, add_ticket.category, add_ticket.priority, add_ticket.risk_level,
    add_ticket.estimated_effort,
    jsonb_build_object(
      'category', honed.person_terms(add_ticket.category),
      'priority', honed.person_terms(add_ticket.priority),
      'risk_level', honed.person_terms(add_ticket.risk_level::text),
      'estimated_effort', honed.person_terms(add_ticket.estimated_effort::text)
    ),
    array['title', 'description', 'category', 'priority', 'risk_level', 'estimated_effort',
          'proposed_solution', 'test_plan', 'files_to_modify'],
    add_ticket.proposed_solution, add_ticket.test_plan, add_ticket.files_to_modify
  )
  returning ticket.ticket_id into v_ticket_id;
  insert into honed.ticket_event (ticket_id, event, to_state, reason, acting_for)
  values (v_ticket_id, 'created', 'open', add_ticket.reason, add_ticket.acting_for);
  return v_ticket_id;
end;
$$;

-- Takes in what a source says: a new ticket, or the one that there is, counted again if the source
-- has news of it. One that was applied and is seen since then is open again; one that a person
-- rejected is only counted.
create or replace function honed.take_in_ticket(draft jsonb, found_by text)
returns table (ticket_id bigint, became text)
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_draft honed.ticket := jsonb_populate_record(null::honed.ticket, take_in_ticket.draft);
  v_ticket honed.ticket;
  v_more bigint;
  v_ticket_id bigint;
  v_is_back boolean;
begin
  -- One at a time, and before anything is inserted, so that no id is used up.
  perform pg_advisory_xact_lock(7450126840321);
  select * into v_ticket
    from honed.ticket as k
   where k.source = v_draft.source and coalesce(k.target_id, 0) = coalesce(v_draft.target_id, 0)
     and k.project = v_draft.project and md5(k.subject) = md5(v_draft.subject)
     for update;
  if not found then
    insert into honed.ticket (
      source, target_id, project, subject, title, description, category, priority, risk_level,
      estimated_effort, terms, evidence, proposed_solution, test_plan, files_to_modify, metadata,
      times_seen, source_count, first_seen_at, last_seen_at
    )
    values (
      v_draft.source, v_draft.target_id, v_draft.project, v_draft.subject, v_draft.title,
      v_draft.description, v_draft.category, v_draft.priority, v_draft.risk_level,
      v_draft.estimated_effort, v_draft.terms, v_draft.evidence, v_draft.proposed_solution,
      v_draft.test_plan, v_draft.files_to_modify, v_draft.metadata,
      coalesce(v_draft.source_count, 1), v_draft.source_count, v_draft.first_seen_at,
      v_draft.last_seen_at
    )
    returning ticket.ticket_id into v_ticket_id;
    insert into honed.ticket_event (ticket_id, event, to_state, reason)
    values (v_ticket_id, 'created', 'open', format('found by %s', take_in_ticket.found_by));
    return query select v_ticket_id, 'created';
    return;
  end if;
  -- A counter that is lower than it was has begun again; a source without one counts each scan.
  v_more := case
    when v_draft.source_count is null
      then case when v_draft.last_seen_at > v_ticket.last_seen_at then 1 else 0 end
    when v_draft.source_count < coalesce(v_ticket.source_count, 0) then v_draft.source_count
    else v_draft.source_count - coalesce(v_ticket.source_count, 0)
  end;
  v_is_back := v_ticket.state = 'applied' and v_more > 0
    and v_draft.last_seen_at > v_ticket.applied_at;
  update honed.ticket as k
     set times_seen = k.times_seen + v_more,
         source_count = coalesce(v_draft.source_count, k.source_count),
         last_seen_at = greatest(k.last_seen_at, v_draft.last_seen_at),
         metadata = v_draft.metadata
   where k.ticket_id = v_ticket.ticket_id;
  if v_is_back then
    perform honed.set_ticket_state(
      v_ticket, 'open', false, 'regressed',
      format('found by %s after it was applied', take_in_ticket.found_by)
    );
    v_ticket.state := 'open';
  end if;
  if v_ticket.state not in ('applied', 'rejected') then
    update honed.ticket as k
       set terms = v_draft.terms || coalesce((
             select jsonb_object_agg(kept.key, kept.value) from jsonb_each(k.terms) as kept
              where kept.key = any (k.set_by_person)
           ), '{}')
     where k.ticket_id = v_ticket.ticket_id;
    perform honed.write_ticket(
      v_ticket,
      (
        select jsonb_object_agg(said.key, said.value) from jsonb_each(take_in_ticket.draft) as said
         where said.key in ('title', 'description', 'category', 'priority', 'risk_level',
                            'estimated_effort', 'evidence', 'proposed_solution', 'test_plan',
                            'files_to_modify')
           and said.key <> all (v_ticket.set_by_person)
      ),
      'triaged', format('found again by %s', take_in_ticket.found_by)
    );
  end if;
  return query select
    v_ticket.ticket_id,
    case when v_is_back then 'reopened' when v_more > 0 then 'counted' else 'known' end;
end;
$$;

comment on function honed.add_ticket is
  'Adds a ticket by hand and returns its id; `honed ticket add` scrubs its texts first, this keeps'
  ' them as they are. HN404: no such target; HN411: another ticket has this title.';
comment on function honed.edit_ticket is
  'Writes what is not null, and returns whether anything is new; no scan writes it again. Texts are'
  ' kept as they are: `honed ticket edit` scrubs them first. HN404: no such ticket.';
comment on function honed.take_in_ticket is
  'Takes in what a source found: a new ticket, or the one that there is, counted again, open again,'
  ' or known already where there is no news of it. Returns its id and which of the four.';

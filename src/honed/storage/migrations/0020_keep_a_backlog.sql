-- Keeps a backlog: troubles that wait, what was tried on each, and who decided what.
--
-- Why: a finding that nobody answers, an exception that comes again, a wish of a person are worth
-- keeping until they are settled, in the order in which they pay (seed 003, "Improvement Backlog").
-- Every change goes through a function here, which checks the lifecycle and writes its event in the
-- same transaction. The daemon moves tickets but never rejects one, nor takes a rejection back.
-- Errors: HN404 no such ticket or target, HN411 the ticket's state does not allow it.
-- Locks: none but on the new tables.  Rows rewritten: none.
--
-- ticket          one trouble each: seen again, it is the same row
-- ticket_event    what changed, who changed it and why; only ever added to
-- ticket_attempt  every try to solve one, kept for ever
-- scan            when each source was read last, and what came of it

create table honed.ticket (
  ticket_id bigint generated always as identity primary key,
  source text not null check (source in (
    'exception', 'performance', 'test', 'feedback', 'cost', 'code', 'forecast', 'manual'
  )),
  -- Where the trouble is: a target, or a project of the intake or a repository by its name.
  target_id bigint references honed.target (target_id),
  project text not null default '',
  -- What it is about, stable from scan to scan.
  subject text not null check (btrim(subject) <> ''),
  title text not null check (btrim(title) <> ''),
  description text not null default '',
  category text not null check (category in (
    'bug_fix', 'performance', 'feature', 'refactor', 'test', 'cost'
  )),
  priority text not null check (priority in ('low', 'medium', 'high', 'critical')),
  risk_level integer not null check (risk_level between 1 and 10),
  estimated_effort integer not null check (estimated_effort between 1 and 10),
  -- Why this category, priority, risk and effort: by field, a list of name, value, contribution.
  terms jsonb not null default '{}' check (jsonb_typeof(terms) = 'object'),
  -- Columns that a person wrote: no scan writes them again.
  set_by_person text[] not null default '{}',
  state text not null default 'open' check (state in (
    'open', 'in_progress', 'testing', 'ready', 'applied', 'failed', 'rejected'
  )),
  evidence jsonb not null default '{}' check (jsonb_typeof(evidence) = 'object'),
  proposed_solution text not null default '',
  test_plan text not null default '',
  files_to_modify text[] not null default '{}',
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  times_seen bigint not null default 1 check (times_seen > 0),
  -- The source's own counter when it was seen last; null: the source keeps none.
  source_count bigint check (source_count > 0),
  first_seen_at timestamptz not null default honed.now(),
  last_seen_at timestamptz not null default honed.now(),
  reopened_count integer not null default 0 check (reopened_count >= 0),
  -- When it became applied; null: it is not.
  applied_at timestamptz,
  created_at timestamptz not null default honed.now(),
  updated_at timestamptz not null default honed.now(),
  check ((state = 'applied') = (applied_at is not null))
);
-- The same trouble is the same ticket, whatever became of it.
create unique index ticket_trouble_idx
  on honed.ticket (source, coalesce(target_id, 0), project, md5(subject));
create index ticket_state_idx on honed.ticket (state);

create table honed.ticket_event (
  event_id bigint generated always as identity primary key,
  ticket_id bigint not null references honed.ticket (ticket_id),
  event text not null check (event in (
    'created', 'edited', 'triaged', 'moved', 'regressed', 'reopened', 'rejected', 'resolved'
  )),
  -- Null for the first.
  from_state text,
  to_state text not null,
  -- Of an edit or a new triage: by column, what was and what is.
  detail jsonb not null default '{}' check (jsonb_typeof(detail) = 'object'),
  reason text not null default '',
  -- The login, which the server knows, and the person that the interface says it acted for.
  done_by text not null default session_user,
  acting_for text not null default '',
  happened_at timestamptz not null default honed.now()
);
create index ticket_event_ticket_idx on honed.ticket_event (ticket_id, event_id);
create index ticket_event_time_idx on honed.ticket_event (happened_at);

create table honed.ticket_attempt (
  attempt_id bigint generated always as identity primary key,
  ticket_id bigint not null references honed.ticket (ticket_id),
  attempt_number integer not null check (attempt_number > 0),
  branch_name text not null default '',
  changes_summary text not null default '',
  test_results jsonb not null default '{}' check (jsonb_typeof(test_results) = 'object'),
  -- Null while it goes on.
  success boolean,
  error_message text not null default '',
  attempted_at timestamptz not null default honed.now(),
  finished_at timestamptz,
  unique (ticket_id, attempt_number),
  check ((success is null) = (finished_at is null))
);
create unique index ticket_attempt_one_open_idx
  on honed.ticket_attempt (ticket_id) where finished_at is null;
create index ticket_attempt_time_idx on honed.ticket_attempt (finished_at);

-- One reading of one source. What was left out for want of room comes again: the next scan looks
-- back as far as the last one that left nothing out.
create table honed.scan (
  scan_id bigint generated always as identity primary key,
  source text not null check (source <> ''),
  started_at timestamptz not null,
  finished_at timestamptz not null default honed.now(),
  found integer not null default 0 check (found >= 0),
  created integer not null default 0 check (created >= 0),
  counted integer not null default 0 check (counted >= 0),
  reopened integer not null default 0 check (reopened >= 0),
  left_out integer not null default 0 check (left_out >= 0),
  -- Empty: it could be read.
  error text not null default ''
);
create index scan_source_idx on honed.scan (source, scan_id);

-- The triggers stop accidents and every role but an owner who disables them first.
create function honed.refuse_backlog_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_table_name = 'ticket_attempt' and tg_op = 'UPDATE' then
    if old.finished_at is null then
      return new;
    end if;
    raise exception 'attempt % has ended: it stays as it is', old.attempt_id
      using errcode = 'insufficient_privilege';
  end if;
  raise exception 'the history of tickets is kept: % on %.% is refused',
    tg_op, tg_table_schema, tg_table_name
    using errcode = 'insufficient_privilege';
end;
$$;
create trigger ticket_event_is_append_only
  before update or delete or truncate on honed.ticket_event
  for each statement execute function honed.refuse_backlog_change();
create trigger ticket_attempt_is_kept
  before delete or truncate on honed.ticket_attempt
  for each statement execute function honed.refuse_backlog_change();
create trigger ticket_attempt_ends_once
  before update on honed.ticket_attempt
  for each row execute function honed.refuse_backlog_change();

create function honed.priority_value(priority text) returns integer
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case priority_value.priority
    when 'low' then 1 when 'medium' then 4 when 'high' then 7 when 'critical' then 10
  end
$$;

create function honed.ticket_score(priority text, risk_level integer, estimated_effort integer)
returns double precision
language sql immutable parallel safe
set search_path = honed, pg_catalog, pg_temp
as $$
  select (10 - honed.priority_value(ticket_score.priority))
         + ticket_score.risk_level / 2.0::double precision
         + ticket_score.estimated_effort / 2.0::double precision
$$;

-- The lifecycle: what the daemon may do by itself, and what only a person decides.
create function honed.may_move_ticket(from_state text, to_state text, by_person boolean)
returns boolean
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select (from_state, to_state, by_person) in (
    ('open', 'in_progress', false),
    ('in_progress', 'testing', false), ('in_progress', 'failed', false),
    ('in_progress', 'open', false),
    ('testing', 'ready', false), ('testing', 'failed', false), ('testing', 'open', false),
    ('ready', 'applied', false), ('ready', 'failed', false), ('ready', 'open', false),
    ('failed', 'open', false),
    ('applied', 'open', false),
    ('open', 'applied', true), ('open', 'rejected', true),
    ('in_progress', 'open', true), ('in_progress', 'applied', true),
    ('in_progress', 'rejected', true),
    ('testing', 'open', true), ('testing', 'applied', true), ('testing', 'rejected', true),
    ('ready', 'open', true), ('ready', 'applied', true), ('ready', 'rejected', true),
    ('failed', 'open', true), ('failed', 'applied', true), ('failed', 'rejected', true),
    ('applied', 'open', true),
    ('rejected', 'open', true)
  )
$$;

-- Locks a ticket for a change; its row, or HN404. Lock order: ticket, attempt.
create function honed.ticket_to_change(p_ticket_id bigint) returns honed.ticket
language plpgsql
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_ticket honed.ticket;
begin
  select * into v_ticket from honed.ticket where ticket_id = p_ticket_id for update;
  if not found then
    raise exception 'there is no ticket %', p_ticket_id
      using errcode = 'HN404', hint = 'select ticket_id, title from honed.backlog';
  end if;
  return v_ticket;
end;
$$;

-- Brings a ticket that is locked into another state, with its event; HN411 where it may not go.
create function honed.set_ticket_state(
  p_ticket honed.ticket, p_to text, p_by_person boolean, p_event text, p_reason text,
  p_acting_for text default ''
) returns void
language plpgsql
set search_path = honed, pg_catalog, pg_temp
as $$
begin
  if honed.may_move_ticket(p_ticket.state, p_to, p_by_person) is not true then
    raise exception 'ticket % cannot become %', p_ticket.ticket_id, coalesce(p_to, 'null')
      using errcode = 'HN411',
            detail = format('It is %s.', p_ticket.state),
            hint = format('select * from honed.ticket_event where ticket_id = %s',
                          p_ticket.ticket_id);
  end if;
  update honed.ticket
     set state = p_to,
         applied_at = case when p_to = 'applied' then honed.now() end,
         reopened_count
           = reopened_count + case when p_event in ('reopened', 'regressed') then 1 else 0 end,
         updated_at = honed.now()
   where ticket_id = p_ticket.ticket_id;
  insert into honed.ticket_event (ticket_id, event, from_state, to_state, reason, acting_for)
  values (p_ticket.ticket_id, p_event, p_ticket.state, p_to, p_reason, p_acting_for);
end;
$$;

-- A decision of a person, who has to say why.
create function honed.decide_ticket(
  p_ticket_id bigint, p_to text, p_event text, p_reason text, p_acting_for text
) returns void
language plpgsql
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_ticket honed.ticket := honed.ticket_to_change(p_ticket_id);
begin
  if coalesce(btrim(p_reason), '') = '' then
    raise exception 'a decision about ticket % needs a reason', p_ticket_id
      using errcode = 'invalid_parameter_value', hint = 'say in words why; the history keeps it';
  end if;
  perform honed.set_ticket_state(v_ticket, p_to, true, p_event, p_reason, p_acting_for);
end;
$$;

create function honed.reject_ticket(ticket_id bigint, reason text, acting_for text default '')
returns void
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  select honed.decide_ticket(
    reject_ticket.ticket_id, 'rejected', 'rejected', reject_ticket.reason, reject_ticket.acting_for
  )
$$;

create function honed.reopen_ticket(ticket_id bigint, reason text, acting_for text default '')
returns void
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  select honed.decide_ticket(
    reopen_ticket.ticket_id, 'open', 'reopened', reopen_ticket.reason, reopen_ticket.acting_for
  )
$$;

create function honed.resolve_ticket(ticket_id bigint, reason text, acting_for text default '')
returns void
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  select honed.decide_ticket(
    resolve_ticket.ticket_id, 'applied', 'resolved', resolve_ticket.reason,
    resolve_ticket.acting_for
  )
$$;

create function honed.move_ticket(ticket_id bigint, to_state text, reason text default '')
returns void
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  select honed.set_ticket_state(
    honed.ticket_to_change(move_ticket.ticket_id), move_ticket.to_state, false, 'moved',
    move_ticket.reason
  )
$$;

create function honed.add_ticket(
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
  on conflict do nothing
  returning ticket.ticket_id into v_ticket_id;
  if v_ticket_id is null then
    select * into strict v_known
      from honed.ticket as k
     where k.source = 'manual' and coalesce(k.target_id, 0) = coalesce(v_target_id, 0)
       and k.project = add_ticket.project and md5(k.subject) = md5(btrim(add_ticket.title));
    raise exception 'ticket % has this title already', v_known.ticket_id
      using errcode = 'HN411',
            detail = format('It is %s.', v_known.state),
            hint = format('select * from honed.ticket where ticket_id = %s', v_known.ticket_id);
  end if;
  insert into honed.ticket_event (ticket_id, event, to_state, reason, acting_for)
  values (v_ticket_id, 'created', 'open', add_ticket.reason, add_ticket.acting_for);
  return v_ticket_id;
end;
$$;

-- The terms of a value that a person chose.
create function honed.person_terms(p_value text) returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_array(
    jsonb_build_object('name', 'a person', 'value', session_user, 'contribution', p_value)
  )
$$;

-- Whatever is null stays as it is; what is written here, no scan writes again.
create function honed.edit_ticket(
  ticket_id bigint,
  title text default null,
  description text default null,
  category text default null,
  priority text default null,
  risk_level integer default null,
  estimated_effort integer default null,
  proposed_solution text default null,
  test_plan text default null,
  files_to_modify text[] default null,
  reason text default '',
  acting_for text default ''
) returns boolean
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_ticket honed.ticket := honed.ticket_to_change(edit_ticket.ticket_id);
  v_asked jsonb := jsonb_strip_nulls(jsonb_build_object(
    'title', btrim(edit_ticket.title),
    'description', edit_ticket.description,
    'category', edit_ticket.category,
    'priority', edit_ticket.priority,
    'risk_level', edit_ticket.risk_level,
    'estimated_effort', edit_ticket.estimated_effort,
    'proposed_solution', edit_ticket.proposed_solution,
    'test_plan', edit_ticket.test_plan,
    'files_to_modify', to_jsonb(edit_ticket.files_to_modify)
  ));
begin
  update honed.ticket as k
     set set_by_person = array(
           select distinct asked.name
             from unnest(k.set_by_person || array(select jsonb_object_keys(v_asked))) as asked (name)
            order by 1
         ),
         terms = k.terms || coalesce((
           select jsonb_object_agg(asked.key, honed.person_terms(asked.value))
             from jsonb_each_text(v_asked) as asked
            where asked.key in ('category', 'priority', 'risk_level', 'estimated_effort')
         ), '{}')
   where k.ticket_id = edit_ticket.ticket_id;
  if honed.write_ticket(
       v_ticket, v_asked, 'edited', edit_ticket.reason, edit_ticket.acting_for
     )
  then
    return true;
  end if;
  -- It was like that, but now a person says so.
  if not exists (
       select from jsonb_object_keys(v_asked) as asked (name)
        where asked.name <> all (v_ticket.set_by_person)
     )
  then
    return false;
  end if;
  insert into honed.ticket_event (ticket_id, event, from_state, to_state, reason, acting_for)
  values (
    v_ticket.ticket_id, 'edited', v_ticket.state, v_ticket.state, edit_ticket.reason,
    edit_ticket.acting_for
  );
  return true;
end;
$$;

-- Writes columns of a ticket that is locked, with one event of what changed; whether any did.
create function honed.write_ticket(
  p_ticket honed.ticket, p_asked jsonb, p_event text, p_reason text, p_acting_for text default ''
) returns boolean
language plpgsql
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_new honed.ticket := jsonb_populate_record(p_ticket, p_asked);
  v_changed jsonb;
begin
  select jsonb_object_agg(asked.key, jsonb_build_array(was.value, asked.value)) into v_changed
    from jsonb_each(p_asked) as asked
    join jsonb_each(to_jsonb(p_ticket)) as was on was.key = asked.key
   where asked.value <> was.value;
  if v_changed is null then
    return false;
  end if;
  update honed.ticket
     set title = v_new.title,
         description = v_new.description,
         category = v_new.category,
         priority = v_new.priority,
         risk_level = v_new.risk_level,
         estimated_effort = v_new.estimated_effort,
         evidence = v_new.evidence,
         proposed_solution = v_new.proposed_solution,
         test_plan = v_new.test_plan,
         files_to_modify = v_new.files_to_modify,
         updated_at = honed.now()
   where ticket_id = p_ticket.ticket_id;
  -- New evidence for what is known already is no change worth an entry; a new judgement is.
  v_changed := case
    when p_event <> 'triaged' then v_changed
    else (
      select jsonb_object_agg(key, value) from jsonb_each(v_changed)
       where key in ('category', 'priority', 'risk_level', 'estimated_effort')
    )
  end;
  if v_changed is not null then
    insert into honed.ticket_event (
      ticket_id, event, from_state, to_state, detail, reason, acting_for
    )
    values (
      p_ticket.ticket_id, p_event, p_ticket.state, p_ticket.state, v_changed, p_reason, p_acting_for
    );
  end if;
  return true;
end;
$$;

-- Takes in what a source says: a new ticket, or the one that there is, counted again. One that was
-- applied and is seen since then is open again; one that a person rejected is only counted.
create function honed.take_in_ticket(draft jsonb, found_by text)
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
  on conflict do nothing
  returning ticket.ticket_id into v_ticket_id;
  if v_ticket_id is not null then
    insert into honed.ticket_event (ticket_id, event, to_state, reason)
    values (v_ticket_id, 'created', 'open', format('found by %s', take_in_ticket.found_by));
    return query select v_ticket_id, 'created';
    return;
  end if;

  select * into strict v_ticket
    from honed.ticket as k
   where k.source = v_draft.source and coalesce(k.target_id, 0) = coalesce(v_draft.target_id, 0)
     and k.project = v_draft.project and md5(k.subject) = md5(v_draft.subject)
     for update;
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
         last_seen_at = greatest(k.last_seen_at, v_draft.last_seen_at)
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
  return query select v_ticket.ticket_id, case when v_is_back then 'reopened' else 'counted' end;
end;
$$;

create function honed.begin_attempt(ticket_id bigint, branch_name text default '') returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_ticket honed.ticket := honed.ticket_to_change(begin_attempt.ticket_id);
  v_attempt_id bigint;
begin
  perform honed.set_ticket_state(v_ticket, 'in_progress', false, 'moved', 'an attempt begins');
  update honed.ticket_attempt as a
     set success = false, finished_at = honed.now(), error_message = 'it never told how it ended'
   where a.ticket_id = v_ticket.ticket_id and a.finished_at is null;
  insert into honed.ticket_attempt (ticket_id, attempt_number, branch_name)
  select v_ticket.ticket_id, coalesce(max(a.attempt_number), 0) + 1, begin_attempt.branch_name
    from honed.ticket_attempt as a
   where a.ticket_id = v_ticket.ticket_id
  returning attempt_id into v_attempt_id;
  return v_attempt_id;
end;
$$;

-- Says how an attempt ended. A ticket that it is still about becomes ready or failed with it; one
-- that somebody else has settled or taken back meanwhile stays as it is.
create function honed.end_attempt(
  attempt_id bigint,
  success boolean,
  changes_summary text default '',
  test_results jsonb default '{}',
  error_message text default ''
) returns void
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_attempt honed.ticket_attempt;
  v_ticket honed.ticket;
begin
  select * into v_attempt from honed.ticket_attempt as a where a.attempt_id = end_attempt.attempt_id;
  if not found then
    raise exception 'there is no attempt %', end_attempt.attempt_id
      using errcode = 'HN404', hint = 'select attempt_id, ticket_id from honed.ticket_attempt';
  end if;
  v_ticket := honed.ticket_to_change(v_attempt.ticket_id);
  update honed.ticket_attempt as a
     set success = end_attempt.success,
         changes_summary = end_attempt.changes_summary,
         test_results = end_attempt.test_results,
         error_message = end_attempt.error_message,
         finished_at = honed.now()
   where a.attempt_id = end_attempt.attempt_id and a.finished_at is null;
  if not found then
    raise exception 'attempt % of ticket % has ended already',
                    v_attempt.attempt_number, v_attempt.ticket_id
      using errcode = 'HN411',
            hint = format('select * from honed.ticket_attempt where ticket_id = %s',
                          v_attempt.ticket_id);
  end if;
  if v_ticket.state in ('in_progress', 'testing') then
    perform honed.set_ticket_state(
      v_ticket, case when end_attempt.success then 'ready' else 'failed' end, false, 'moved',
      case
        when end_attempt.success then format('attempt %s succeeded', v_attempt.attempt_number)
        else format('attempt %s failed: %s', v_attempt.attempt_number, end_attempt.error_message)
      end
    );
  end if;
end;
$$;

-- What is not settled, in the order in which it pays.
create view honed.backlog as
select
  k.ticket_id,
  honed.ticket_score(k.priority, k.risk_level, k.estimated_effort) as score,
  k.state, k.priority, k.category, k.risk_level, k.estimated_effort, k.source,
  t.name as target, k.project, k.subject, k.title, k.times_seen, k.reopened_count,
  k.first_seen_at, k.last_seen_at
from honed.ticket as k
left join honed.target as t on t.target_id = k.target_id
where k.state not in ('applied', 'rejected')
order by score, k.first_seen_at, k.ticket_id;

-- One row a window: what came, what was settled, what was tried.
create view honed.ticket_rates as
select
  w.name as time_window,
  w.hours,
  e.created,
  e.resolved,
  a.attempts,
  a.succeeded,
  e.created / w.hours as created_per_hour,
  24 * e.created / w.hours as created_per_day,
  e.resolved / w.hours as resolved_per_hour,
  24 * e.resolved / w.hours as resolved_per_day,
  a.succeeded::double precision / nullif(a.attempts, 0) as success_rate
from (
  values ('hour', 1::double precision), ('day', 24), ('week', 168), ('30 days', 720)
) as w (name, hours)
cross join lateral (
  select
    count(*) filter (where v.event = 'created') as created,
    count(*) filter (where v.to_state = 'applied' and v.from_state <> 'applied') as resolved
  from honed.ticket_event as v
  where v.happened_at > honed.now() - make_interval(hours => w.hours::integer)
) as e
cross join lateral (
  select count(*) as attempts, count(*) filter (where t.success) as succeeded
    from honed.ticket_attempt as t
   where t.finished_at > honed.now() - make_interval(hours => w.hours::integer)
) as a
order by w.hours;

-- How the tickets are spread; one row a value that occurs.
create view honed.ticket_distribution as
select
  d.dimension,
  d.value,
  count(*) as tickets,
  count(*) filter (where k.state not in ('applied', 'rejected')) as unsettled,
  count(*)::double precision / sum(count(*)) over (partition by d.dimension) as share
from honed.ticket as k
cross join lateral (
  values
    ('category', k.category), ('priority', k.priority), ('risk', lpad(k.risk_level::text, 2)),
    ('source', k.source), ('state', k.state)
) as d (dimension, value)
group by d.dimension, d.value
order by d.dimension, d.value;

-- One row: how the backlog is.
create view honed.backlog_metrics as
with load as (
  select
    count(*) as total_tickets,
    count(*) filter (where state = 'open') as open,
    count(*) filter (where state in ('in_progress', 'testing')) as in_progress,
    count(*) filter (where state = 'ready') as ready_for_review,
    count(*) filter (where state = 'applied') as applied,
    count(*) filter (where state = 'failed') as failed,
    count(*) filter (where state = 'rejected') as rejected,
    coalesce(sum(honed.priority_value(priority))
             filter (where state not in ('applied', 'rejected')), 0)::double precision as weight,
    coalesce(sum(risk_level * honed.priority_value(priority) / 10.0)
             filter (where state not in ('applied', 'rejected')), 0)::double precision as exposure
  from honed.ticket
),
flow as (
  select
    count(*) filter (where event = 'created') as created,
    count(*) filter (where to_state = 'applied') as resolved
  from honed.ticket_event
  where happened_at > honed.now() - interval '30 days'
),
done as (
  select coalesce(sum(k.estimated_effort), 0)::double precision as effort
    from honed.ticket_event as e
    join honed.ticket as k on k.ticket_id = e.ticket_id
   where e.to_state = 'applied' and e.from_state <> 'applied'
     and e.happened_at > honed.now() - interval '28 days'
),
quality as (
  select
    p.is_now,
    (a.succeeded + 1.0::double precision) / (a.attempts + r.regressed + 1) as value,
    (a.succeeded + 1.0::double precision) / (a.attempts + 1) as success
  from (
    values
      (true, honed.now() - interval '14 days', honed.now()),
      (false, honed.now() - interval '28 days', honed.now() - interval '14 days')
  ) as p (is_now, since, until)
  cross join lateral (
    select count(*) as attempts, count(*) filter (where success) as succeeded
      from honed.ticket_attempt
     where finished_at > p.since and finished_at <= p.until
  ) as a
  cross join lateral (
    select count(*) as regressed
      from honed.ticket_event
     where event = 'regressed' and happened_at > p.since and happened_at <= p.until
  ) as r
)
select
  100 * (0.5 * (30 / (30 + load.weight))
         + 0.25 * least(1, (flow.resolved + 1.0::double precision) / (flow.created + 1))
         + 0.25 * this.success) as health_score,
  done.effort / 4 as improvement_velocity,
  load.exposure as risk_exposure,
  this.value - before.value as quality_trend,
  load.total_tickets, load.open, load.in_progress, load.ready_for_review, load.applied,
  load.failed, load.rejected
from load, flow, done,
     (select * from quality where is_now) as this,
     (select * from quality where not is_now) as before;

grant select on
  honed.ticket, honed.ticket_event, honed.ticket_attempt, honed.scan,
  honed.backlog, honed.ticket_rates, honed.ticket_distribution, honed.backlog_metrics
  to honed_daemon;
grant select on
  honed.backlog, honed.ticket_rates, honed.ticket_distribution, honed.backlog_metrics
  to honed_viewer;
-- A scan is read and written by whoever may run one.
grant insert on honed.scan to honed_daemon, honed_operator;

revoke all on function
  honed.ticket_to_change, honed.set_ticket_state, honed.decide_ticket, honed.reject_ticket,
  honed.reopen_ticket, honed.resolve_ticket, honed.move_ticket, honed.add_ticket,
  honed.person_terms, honed.edit_ticket, honed.write_ticket, honed.take_in_ticket,
  honed.begin_attempt, honed.end_attempt, honed.refuse_backlog_change
  from public;
grant execute on function
  honed.add_ticket, honed.edit_ticket, honed.reject_ticket, honed.reopen_ticket,
  honed.resolve_ticket
  to honed_operator;
grant execute on function
  honed.move_ticket, honed.begin_attempt, honed.end_attempt
  to honed_daemon;
grant execute on function honed.take_in_ticket to honed_daemon, honed_operator;

comment on function honed.add_ticket is
  'Adds a ticket by hand and returns its id. HN404: no such target; HN411: another ticket has this'
  ' title.';
comment on function honed.edit_ticket is
  'Writes what is not null, and returns whether anything is new; no scan writes it again.'
  ' HN404: no such ticket.';
comment on function honed.reject_ticket is
  'Says that a trouble is none, or not worth it: seen again, it is only counted. HN404: no such'
  ' ticket; HN411: it is settled already.';
comment on function honed.reopen_ticket is
  'Takes back that a ticket was applied, failed, rejected or is being worked on. HN404: no such'
  ' ticket; HN411: it is open already.';
comment on function honed.resolve_ticket is
  'Says that a person has settled the trouble: seen after this, it is open again. HN404: no such'
  ' ticket; HN411: it is settled already.';
comment on function honed.move_ticket is
  'Brings a ticket into its next state. For the daemon, which cannot reject. HN404: no such ticket;'
  ' HN411: it may not go there.';
comment on function honed.take_in_ticket is
  'Takes in what a source found: a new ticket, or the one that there is, counted again or open'
  ' again. Returns its id and which of the three.';
comment on function honed.begin_attempt is
  'Begins an attempt at an open ticket, which is in progress from then on, and returns the'
  ' attempt''s id. For the daemon. HN404: no such ticket; HN411: it is not open.';
comment on function honed.end_attempt is
  'Says how an attempt ended; its ticket becomes ready or failed. For the daemon. HN404: no such'
  ' attempt; HN411: it has ended already, or its tests did not run.';
comment on function honed.priority_value is
  'The number of a priority: low 1, medium 4, high 7, critical 10.';
comment on function honed.ticket_score is
  '(10 - priority) + risk / 2 + effort / 2, with the priority''s number: the lowest is taken first.';
comment on function honed.may_move_ticket is
  'Whether a ticket may go from one state to another: by a person, or by the daemon.';

comment on view honed.backlog is
  'Tickets that are not settled, in the order in which they pay: the lowest score first.';
comment on view honed.ticket_rates is
  'What came, was settled and was tried in the last hour, day, week and 30 days. created: events'
  ' created; resolved: changes of state to applied; rates: those / hours of the window, a day is 24;'
  ' success_rate: attempts that succeeded / attempts that ended, null without any.';
comment on view honed.ticket_distribution is
  'How many tickets have each category, priority, risk, source and state; share: of all tickets.';
comment on view honed.backlog_metrics is
  'How the backlog is, in one row; the comment of each column has its formula.';
comment on column honed.backlog_metrics.health_score is
  '0 to 100: 100 x (1/2 x 30 / (30 + sum of the priorities'' numbers of unsettled tickets)'
  ' + 1/4 x min(1, (resolved + 1) / (created + 1)) of the last 30 days'
  ' + 1/4 x (attempts that succeeded + 1) / (attempts + 1) of the last 14 days); 100 if all is empty.';
comment on column honed.backlog_metrics.improvement_velocity is
  'Estimated effort of what became applied in the last 28 days / 4: points of effort a week.';
comment on column honed.backlog_metrics.risk_exposure is
  'Sum over unsettled tickets of risk_level x priority''s number / 10 (Boehm, 1991: what is at stake'
  ' x how much it matters); 0 if there are none.';
comment on column honed.backlog_metrics.quality_trend is
  'Quality of the last 14 days - quality of the 14 days before; quality: (attempts that succeeded'
  ' + 1) / (attempts + tickets that regressed + 1). -1 to 1, 0 if nothing happened, positive is'
  ' better.';
comment on column honed.backlog_metrics.total_tickets is 'All tickets, settled ones too.';
comment on column honed.backlog_metrics.open is 'Tickets that wait: open.';
comment on column honed.backlog_metrics.in_progress is
  'Tickets that are worked on: in_progress or testing.';
comment on column honed.backlog_metrics.ready_for_review is 'Tickets whose change waits: ready.';
comment on column honed.backlog_metrics.applied is 'Tickets whose trouble is settled: applied.';
comment on column honed.backlog_metrics.failed is 'Tickets whose last attempt failed: failed.';
comment on column honed.backlog_metrics.rejected is 'Tickets that a person rejected: rejected.';

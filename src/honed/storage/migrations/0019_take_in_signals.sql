-- Keeps what services, test runs and users tell honed: signals, their groups, and how many came.
--
-- Why: trouble is told on wires that services have already; it is kept for a while, grouped, and
-- counted, whether it was taken or not. Days are those of UTC. Signals lie in one partition a day,
-- because whole days are dropped when their time is over.
-- Locks: none but on the new objects.  Rows rewritten: none.

-- A role belongs to the whole server: another database may have created it already.
do $$
begin
  begin
    create role honed_intake nologin;
  exception when duplicate_object or unique_violation then
    null;
  end;
  if not pg_has_role(current_user, 'honed_intake', 'MEMBER') then
    execute format('grant honed_intake to %I', current_user);
  end if;
  -- The intake is a part of the daemon that may less.
  if not pg_has_role('honed_daemon', 'honed_intake', 'MEMBER') then
    grant honed_intake to honed_daemon;
  end if;
end
$$;
grant usage on schema honed to honed_intake;

create table honed.project (
  project_id bigint generated always as identity primary key,
  name text not null unique check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  -- It lets in signals and lets nobody read: it lies in every program that reports.
  public_key text not null unique check (public_key ~ '^[0-9a-f]{32}$'),
  target_id bigint references honed.target (target_id),
  created_at timestamptz not null default honed.now(),
  disabled_at timestamptz
);
grant select on honed.project to honed_daemon, honed_intake;
grant insert, update on honed.project to honed_operator;

-- No primary key: every row comes once through one sequence, nothing refers to one, and an index
-- that nobody reads would cost each of them.
create table honed.signal (
  signal_id bigint generated always as identity,
  received_at timestamptz not null default honed.now(),
  project_id bigint not null,
  source text not null,
  type text not null check (type in (
    'exception', 'log', 'span', 'metric', 'test_result', 'feedback', 'session_event', 'inference'
  )),
  at timestamptz not null,
  subject text not null,
  service text not null,
  environment text not null,
  release text not null,
  value double precision,
  fingerprint text not null,
  body jsonb not null
) partition by range (received_at);
create index signal_subject_idx on honed.signal (type, subject, at);
create index signal_fingerprint_idx on honed.signal (fingerprint, at) where fingerprint <> '';
grant select on honed.signal to honed_daemon;
grant insert on honed.signal to honed_intake;

create table honed.signal_group (
  group_id bigint generated always as identity primary key,
  project_id bigint not null references honed.project (project_id),
  fingerprint text not null,
  type text not null,
  title text not null,
  culprit text not null,
  files text[] not null,
  -- When its first signal came, by this server's clock; the other times are the senders'.
  created_at timestamptz not null default honed.now(),
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  -- The same by this server's clock: what a scan has not heard of yet is told by it.
  counted_at timestamptz not null default honed.now(),
  event_count bigint not null check (event_count > 0),
  releases text[] not null,
  environments text[] not null,
  sample jsonb not null,
  latest jsonb not null,
  resolved_at timestamptz,
  regressed_at timestamptz,
  regressed_count integer not null default 0,
  unique (project_id, fingerprint)
) with (fillfactor = 70);
create index signal_group_created_idx on honed.signal_group (project_id, created_at);
-- Who settles a group says so; all else is the intake's.
grant select, update (resolved_at) on honed.signal_group to honed_daemon, honed_operator;

create table honed.intake_count (
  day date not null,
  -- 0: no project was named, or none that there is.
  project_id bigint not null,
  source text not null,
  -- Signals are accepted, or accepted and adjusted; items are skipped; requests are refused.
  outcome text not null check (outcome in ('accepted', 'adjusted', 'skipped', 'refused')),
  reason text not null,
  count bigint not null check (count > 0),
  last_at timestamptz not null default honed.now(),
  primary key (day, source, project_id, outcome, reason)
) with (fillfactor = 50);
grant select on honed.intake_count to honed_daemon;
grant select, insert, update on honed.intake_count to honed_intake;

-- The newest of both lists, each once, no more than there is room for.
create function honed.joined(list text[], more text[], most integer) returns text[]
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when list @> more and cardinality(list) <= most then list
    else (
      select coalesce(array_agg(latest.item order by latest.place), '{}')
        from (
          select u.item, max(u.place) as place
            from unnest(list || more) with ordinality as u (item, place)
           group by u.item
           order by max(u.place) desc
           limit most
        ) as latest
    )
  end
$$;

-- A number that a body names, or null where it names none: senders may write anything.
create function honed.number_in(body jsonb, key text) returns double precision
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when jsonb_typeof(body -> key) = 'number' and abs((body ->> key)::numeric) < 1e300
      then (body ->> key)::double precision
  end
$$;

create function honed.record_groups(groups jsonb, most_a_day integer) returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_today timestamptz := date_trunc('day', honed.now() at time zone 'UTC') at time zone 'UTC';
  v_overflow bigint;
begin
  with given as (
    select g.*
      from jsonb_to_recordset(record_groups.groups) as g (
        project_id bigint, fingerprint text, type text, title text, culprit text, files text[],
        first_seen_at timestamptz, last_seen_at timestamptz, event_count bigint,
        releases text[], environments text[], sample jsonb, latest jsonb
      )
  ),
  placed as (
    select given.*,
           known.group_id is not null as is_known,
           row_number() over (
             partition by given.project_id, known.group_id is null order by given.fingerprint
           ) as place
      from given
      left join honed.signal_group as known
        on known.project_id = given.project_id and known.fingerprint = given.fingerprint
  ),
  room as (
    select fresh.project_id,
           record_groups.most_a_day - (
             select count(*) from honed.signal_group as s
              where s.project_id = fresh.project_id
                and s.created_at >= v_today and s.fingerprint <> 'overflow'
           ) as places
      from (select distinct p.project_id from placed as p where not p.is_known) as fresh
  ),
  split as (
    select placed.*, not placed.is_known and placed.place > room.places as is_over
      from placed left join room on room.project_id = placed.project_id
  ),
  taken as (
    select s.project_id, s.fingerprint, s.type, s.title, s.culprit, s.files, s.first_seen_at,
           s.last_seen_at, s.event_count, s.releases, s.environments, s.sample, s.latest
      from split as s
     where not s.is_over
    union all
    select s.project_id, 'overflow', min(s.type),
           'more groups than are kept apart in one day', '', '{}',
           min(s.first_seen_at), max(s.last_seen_at), sum(s.event_count)::bigint, '{}', '{}',
           (array_agg(s.sample order by s.fingerprint))[1],
           (array_agg(s.latest order by s.last_seen_at desc))[1]
      from split as s
     where s.is_over
     group by s.project_id
  ),
  stored as (
    insert into honed.signal_group as g (
      project_id, fingerprint, type, title, culprit, files, first_seen_at, last_seen_at,
      event_count, releases, environments, sample, latest
    )
    -- In one order, so that two servers that take in the same groups do not wait for each other
    -- in a circle.
    select t.project_id, t.fingerprint, t.type, t.title, t.culprit, t.files, t.first_seen_at,
           t.last_seen_at, t.event_count, honed.joined('{}', t.releases, 20),
           honed.joined('{}', t.environments, 20), t.sample, t.latest
      from taken as t
     order by t.project_id, t.fingerprint
    on conflict (project_id, fingerprint) do update set
      first_seen_at = least(g.first_seen_at, excluded.first_seen_at),
      last_seen_at = greatest(g.last_seen_at, excluded.last_seen_at),
      event_count = g.event_count + excluded.event_count,
      counted_at = honed.now(),
      releases = honed.joined(g.releases, excluded.releases, 20),
      environments = honed.joined(g.environments, excluded.environments, 20),
      -- A group of which much comes has its newest evidence replaced once in a while: it may be
      -- large, and each replacement leaves the old one to be cleaned up.
      latest = case
        when excluded.last_seen_at >= g.last_seen_at + interval '10 seconds' then excluded.latest
        else g.latest
      end,
      resolved_at = case when excluded.last_seen_at > g.resolved_at then null else g.resolved_at end,
      regressed_at = case
        when excluded.last_seen_at > g.resolved_at then honed.now() else g.regressed_at
      end,
      regressed_count = g.regressed_count
        + (coalesce(excluded.last_seen_at > g.resolved_at, false))::integer
    returning 1
  )
  select coalesce(sum(s.event_count) filter (where s.is_over), 0) into v_overflow
    from split as s;
  return v_overflow;
end;
$$;

-- Senders wait while this waits for a lock: rather it is done the next time.
create function honed.keep_signal_partitions(retention_days integer) returns integer
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  v_today date := (honed.now() at time zone 'UTC')::date;
  v_day date;
  v_name text;
  v_changed integer := 0;
begin
  if keep_signal_partitions.retention_days is null or keep_signal_partitions.retention_days < 1 then
    raise exception 'signals cannot be kept for % days', keep_signal_partitions.retention_days
      using errcode = 'invalid_parameter_value', hint = 'keep them for 1 day or more';
  end if;
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
      v_changed := v_changed + 1;
    exception when lock_not_available then
      exit;
    end;
  end loop;

  for v_name in
    select c.relname
      from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
     where i.inhparent = 'honed.signal'::regclass
       and c.relname ~ '^signal_[0-9]{8}$'
       and to_date(substr(c.relname, 8), 'YYYYMMDD')
           < v_today - keep_signal_partitions.retention_days
     order by c.relname
  loop
    begin
      execute format('drop table honed.%I', v_name);
      v_changed := v_changed + 1;
    exception when lock_not_available then
      exit;
    end;
  end loop;
  delete from honed.intake_count where day < v_today - keep_signal_partitions.retention_days;
  return v_changed;
end;
$$;

-- Who opens the first intake finds the partitions made.
select honed.keep_signal_partitions(1);

create view honed.inference_request as
select
  s.signal_id,
  s.at,
  p.name as project,
  s.service,
  s.environment,
  s.release,
  s.subject as model,
  s.body ->> 'provider' as provider,
  s.body ->> 'operation' as operation,
  s.value as duration_ms,
  honed.number_in(s.body, 'input_tokens') as input_tokens,
  honed.number_in(s.body, 'output_tokens') as output_tokens,
  honed.number_in(s.body, 'cost_usd') as cost_usd,
  s.body -> 'price' as price,
  s.body ->> 'error' as error,
  s.source,
  s.received_at
from honed.signal as s
join honed.project as p on p.project_id = s.project_id
where s.type = 'inference';

create view honed.test_result as
select
  s.signal_id,
  s.at,
  p.name as project,
  s.service,
  s.subject as test,
  s.body ->> 'outcome' as outcome,
  s.value as duration_ms,
  s.body ->> 'commit' as commit,
  s.body ->> 'branch' as branch,
  s.body ->> 'run' as run,
  s.body ->> 'message' as message,
  s.source,
  s.received_at
from honed.signal as s
join honed.project as p on p.project_id = s.project_id
where s.type = 'test_result';

create view honed.user_feedback as
select
  s.signal_id,
  s.at,
  p.name as project,
  s.service,
  s.environment,
  s.release,
  s.body ->> 'text' as text,
  s.value as rating,
  s.body ->> 'sentiment' as sentiment,
  s.body ->> 'user_token' as user_token,
  s.body ->> 'page' as page,
  s.source,
  s.received_at
from honed.signal as s
join honed.project as p on p.project_id = s.project_id
where s.type = 'feedback';

create view honed.session_event as
select
  s.signal_id,
  s.at,
  p.name as project,
  s.service,
  s.environment,
  s.release,
  s.subject as session,
  honed.number_in(s.body, 'position') as position,
  s.body ->> 'event' as event,
  s.body ->> 'user_token' as user_token,
  s.body ->> 'page' as page,
  s.value as duration_ms,
  s.body -> 'properties' as properties,
  s.source,
  s.received_at
from honed.signal as s
join honed.project as p on p.project_id = s.project_id
where s.type = 'session_event';

create view honed.intake_status as
select
  known.source,
  coalesce(today.accepted, 0)::bigint as accepted_today,
  coalesce(today.adjusted, '{}') as adjusted_today,
  coalesce(today.skipped, '{}') as skipped_today,
  coalesce(today.refused, '{}') as refused_today,
  known.last_accepted_at
from (
  select c.source, max(c.last_at) filter (where c.outcome = 'accepted') as last_accepted_at
    from honed.intake_count as c
   group by c.source
) as known
left join (
  select r.source,
         sum(r.count) filter (where r.outcome = 'accepted') as accepted,
         jsonb_object_agg(r.reason, r.count) filter (where r.outcome = 'adjusted') as adjusted,
         jsonb_object_agg(r.reason, r.count) filter (where r.outcome = 'skipped') as skipped,
         jsonb_object_agg(r.reason, r.count) filter (where r.outcome = 'refused') as refused
    from (
      select c.source, c.outcome, c.reason, sum(c.count)::bigint as count
        from honed.intake_count as c
       where c.day = (honed.now() at time zone 'UTC')::date
       group by c.source, c.outcome, c.reason
    ) as r
   group by r.source
) as today on today.source = known.source
order by known.source;

grant select on
  honed.inference_request, honed.test_result, honed.user_feedback, honed.session_event,
  honed.intake_status
  to honed_viewer, honed_daemon;
revoke all on function honed.record_groups, honed.keep_signal_partitions from public;
grant execute on function honed.record_groups, honed.keep_signal_partitions to honed_intake;

comment on table honed.project is
  'Whoever sends signals: a service, a repository''s test runs. Its public key lets them in and lets'
  ' nobody read.';
comment on column honed.project.target_id is 'The target that its signals tell of; null: none.';
comment on column honed.project.disabled_at is 'Since when nothing is taken from it; null: it is.';
comment on table honed.signal is
  'What was told, scrubbed: exceptions, log lines, spans, metrics, test results, feedback, events of'
  ' sessions, requests to models. One partition a day; the setting signal_retention_days drops them.';
comment on column honed.signal.source is 'The plug-in that took it: sentry, otlp, junit ...';
comment on column honed.signal.at is
  'When it happened by the sender''s clock; of one that is ahead, or older than the retention, when'
  ' it came.';
comment on column honed.signal.subject is
  'What it is about: an exception and its function, a span, a metric, a test, a session, a model.';
comment on column honed.signal.value is
  'Milliseconds of a span, test or inference; the value of a metric; a rating.';
comment on column honed.signal.fingerprint is
  'The group that it belongs to; empty: none. One beyond the limit of new groups of a day keeps its'
  ' own, and is counted in the group overflow.';
comment on table honed.signal_group is
  'Signals of one project that are about the same fault, counted once for each.';
comment on column honed.signal_group.counted_at is
  'When its last signal came, by this server''s clock.';
comment on column honed.signal_group.culprit is 'Where it happened, in words: a function, a route.';
comment on column honed.signal_group.files is 'Files of the service''s own code that it went through.';
comment on column honed.signal_group.releases is 'The newest 20 releases that it was seen in.';
comment on column honed.signal_group.sample is 'The body of the first signal.';
comment on column honed.signal_group.latest is
  'The body of a late signal: at most 10 s older than the last one.';
comment on column honed.signal_group.resolved_at is
  'When it was settled; null: it is open. A signal from after that opens it again.';
comment on column honed.signal_group.regressed_at is 'When it last came back after it was settled.';
comment on table honed.intake_count is
  'How many signals were accepted, accepted and adjusted, items skipped and requests refused, by day'
  ' and reason.';
comment on function honed.joined is
  'Both lists as one, each item once, the newest last and no more of them than there is room for.';
comment on function honed.number_in is
  'A number that a JSON object names; null where it names none.';
comment on function honed.record_groups is
  'Counts signals in their groups, and opens what was settled before they happened. Beyond a limit'
  ' of new groups of a project in one day they are counted in its group overflow; returns how many.';
comment on function honed.keep_signal_partitions is
  'Makes the partitions of signals for the next three days and drops those whose time is over;'
  ' returns how many came and went.';
comment on view honed.inference_request is
  'Requests to models: how long they took, how many tokens, and what they cost by a dated price.';
comment on view honed.test_result is
  'Results of tests over time: outcome is passed, failed, error or skipped.';
comment on view honed.user_feedback is 'What users said; they are named by tokens.';
comment on view honed.session_event is
  'Events of users'' sessions; by session and position they are in their order.';
comment on view honed.intake_status is
  'Each source: what was accepted today (UTC), adjusted, skipped and refused by reason, and when'
  ' something was last accepted.';

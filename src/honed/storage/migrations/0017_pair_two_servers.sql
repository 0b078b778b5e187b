-- Pairs two servers: one tries first, the other adopts what held up there.
--
-- Why: a risky claim is tried on the secondary; only what production kept there, by more than a fifth,
-- is tried again on the primary and goes through its policy. Who holds a role is a lease with an
-- epoch; what the secondary says travels as signed evidence through an outbox.
-- Only the store's owner says what each role may approve, and which target is the secondary's: the
-- daemon writes leases and what it heard, and can with them reach no more than the owner allows.
-- Locks: honed.policy and honed.target, for a moment.  Rows rewritten: none.

alter table honed.policy
  -- Whether targets have the thresholds of their roles.
  add column two_servers boolean not null default false,
  add column primary_threshold integer not null default 4
    check (primary_threshold between 1 and 5),
  add column secondary_threshold integer not null default 2
    check (secondary_threshold between 1 and 5);

-- Who holds a role in this store, one row a role; the epoch grows with each change of holder.
create table honed.lease (
  -- 'daemon': the one daemon of a store without the two-server mode.
  role text primary key check (role in ('daemon', 'primary', 'secondary')),
  server text not null,
  -- One process of that server.
  instance text not null,
  epoch bigint not null check (epoch > 0),
  taken_at timestamptz not null default honed.now(),
  renewed_at timestamptz not null default honed.now(),
  expires_at timestamptz not null
);

-- What was last heard of the other server, one row a role.
create table honed.peer (
  role text primary key check (role in ('primary', 'secondary')),
  server text not null,
  epoch bigint not null check (epoch > 0),
  -- By its own clock.
  sent_at timestamptz not null,
  heard_at timestamptz not null default honed.now(),
  -- After this it is cut off.
  expires_at timestamptz not null
);

-- What the secondary has to say, written with the change of state that it is about.
create table honed.outbox (
  outbox_id bigint generated always as identity primary key,
  event_id bigint not null unique references honed.improvement_event (event_id) on delete cascade,
  improvement_id bigint not null references honed.improvement (improvement_id) on delete cascade,
  -- As they were at that change; the improvement itself may go on.
  state text not null,
  verdict text,
  outcome text,
  measured_log_ratio double precision,
  production_log_ratio double precision,
  written_at timestamptz not null default honed.now(),
  -- Once it is signed.
  epoch bigint check (epoch > 0),
  envelope text,
  sha256 text check (sha256 ~ '^[0-9a-f]{64}$'),
  attempts integer not null default 0 check (attempts >= 0),
  error text not null default '',
  delivered_at timestamptz,
  -- Set when it is sent no more.
  refused_at timestamptz,
  check (num_nulls(epoch, envelope, sha256) in (0, 3)),
  check (delivered_at is null or envelope is not null)
);
create index outbox_open_idx on honed.outbox (outbox_id)
  where delivered_at is null and refused_at is null;
create index outbox_improvement_idx on honed.outbox (improvement_id);

-- What the other server said and was believed to have said; it decides nothing by itself.
create table honed.evidence (
  evidence_id bigint generated always as identity primary key,
  -- Of the signed envelope.
  sha256 text not null unique check (sha256 ~ '^[0-9a-f]{64}$'),
  key_id text not null,
  -- The entry of the sender's ledger that it tells of: said twice, it is the same.
  entry_leaf text not null,
  entry_index bigint not null,
  server text not null,
  epoch bigint not null check (epoch > 0),
  twin text not null,
  kind text not null,
  subject text not null,
  state text not null,
  outcome text,
  -- Natural logarithm of cost after / cost before, the worse of trial and production; null where
  -- production has shown nothing.
  log_ratio double precision,
  published_at timestamptz not null,
  received_at timestamptz not null default honed.now(),
  counts_until timestamptz not null,
  envelope text not null,
  -- This ledger's entry of its arrival.
  ledger_leaf text,
  unique (key_id, entry_leaf)
);
create index evidence_claim_idx on honed.evidence (twin, kind, md5(subject), published_at);

-- Which improvement rests on which evidence.
create table honed.adoption (
  improvement_id bigint primary key
    references honed.improvement (improvement_id) on delete cascade,
  evidence_id bigint not null references honed.evidence (evidence_id) on delete cascade
);
create index adoption_evidence_idx on honed.adoption (evidence_id);

-- What was refused, one row a reason: whoever sends nonsense fills no table.
create table honed.evidence_refusal (
  reason text primary key,
  times bigint not null default 1 check (times > 0),
  error text not null,
  last_at timestamptz not null default honed.now()
);

-- Writes what the secondary has to say of one of its targets, whoever changes the state.
create function honed.write_outbox() returns trigger
language plpgsql
set search_path = honed, pg_catalog, pg_temp
as $$
begin
  insert into honed.outbox (
    event_id, improvement_id, state, verdict, outcome, measured_log_ratio, production_log_ratio
  )
  select new.event_id, new.improvement_id, new.to_state, i.verdict, i.outcome,
         i.measured_log_ratio, i.production_log_ratio
    from honed.improvement as i
    join honed.target as t on t.target_id = i.target_id
   where i.improvement_id = new.improvement_id
     and t.options ->> 'role' = 'secondary'
     and t.options ->> 'twin' <> '';
  return null;
end;
$$;
create trigger improvement_event_outbox after insert on honed.improvement_event
  for each row
  when (new.from_state is distinct from new.to_state
        and new.leaf_hash is not null
        and new.to_state in ('refuted', 'inconclusive', 'kept', 'rolled_back', 'failed'))
  execute function honed.write_outbox();

-- Lets only the store's owner say that a target is the secondary's, whose threshold is the lower one.
create function honed.check_role() returns trigger
language plpgsql
set search_path = honed, pg_catalog, pg_temp
as $$
begin
  if new.options ->> 'role' = 'secondary' and not pg_has_role(
       session_user, (select relowner from pg_class where oid = 'honed.target'::regclass), 'MEMBER'
     )
  then
    raise exception 'must be owner of the store to add a target of the secondary'
      using errcode = 'insufficient_privilege';
  end if;
  return new;
end;
$$;
create trigger target_role before insert or update of options on honed.target
  for each row execute function honed.check_role();

create function honed.is_held(role text) returns boolean
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  select exists (
    select from honed.lease
     where lease.role = is_held.role and lease.expires_at > honed.decision_time()
  )
$$;

create function honed.is_heard(role text) returns boolean
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  select exists (
    select from honed.peer
     where peer.role = is_heard.role and peer.expires_at > honed.decision_time()
  )
$$;

create function honed.approval_threshold(target_id bigint)
returns table (threshold integer, whose text)
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  select case
           when not p.two_servers or r.role is null then p.auto_approve_threshold
           when not honed.is_held(r.role)
             then greatest(p.auto_approve_threshold, p.primary_threshold, p.secondary_threshold)
           when r.role = 'primary' then p.primary_threshold
           else p.secondary_threshold
         end,
         case
           when not p.two_servers or r.role is null then ''
           when not honed.is_held(r.role)
             then format(', the strictest, because nobody holds the role of the %s', r.role)
           else format(', which the %s asks for', r.role)
         end
    from (select * from honed.policy order by policy_version desc limit 1) as p,
         (select case when t.options ->> 'role' in ('primary', 'secondary')
                        and t.options ->> 'twin' <> ''
                   then t.options ->> 'role' end as role
            from honed.target as t
           where t.target_id = approval_threshold.target_id) as r
$$;

create function honed.adoption_obstacle(improvement_id bigint) returns text
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  select case
    when not exists (
           select from honed.adoption as a
            where a.improvement_id = adoption_obstacle.improvement_id
         )
      or exists (
           select from honed.approval as a
            where a.improvement_id = adoption_obstacle.improvement_id
              and a.decision = 'approved' and a.authority = 'person'
         )
      then ''
    when not honed.is_held('primary')
      then 'it rests on the other server, and nobody holds the role of the primary'
    when not honed.is_heard('secondary')
      then 'it rests on the other server, which is cut off'
    when (
           -- What the other server said last of the same claim: it may have taken it back since.
           select n.state <> 'kept' or n.counts_until <= honed.decision_time()
             from honed.adoption as a
             join honed.evidence as e on e.evidence_id = a.evidence_id
             join honed.evidence as n
               on n.twin = e.twin and n.kind = e.kind
              and md5(n.subject) = md5(e.subject) and n.subject = e.subject
            where a.improvement_id = adoption_obstacle.improvement_id
            order by n.published_at desc, n.entry_index desc
            limit 1
         )
      then 'what the other server says of it counts no longer: it is too old, or was taken back'
    else ''
  end
$$;

-- As before, and: the threshold is that of the target's role, and nothing is adopted from a server
-- that is cut off.
create or replace function honed.approve_by_policy(improvement_id bigint)
returns table (answer text, reason text)
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_improvement honed.improvement := honed.improvement_to_decide(approve_by_policy.improvement_id);
  v_policy honed.policy;
  v_cycle honed.cycle;
  v_trial honed.trial;
  v_evidence text;
  v_threshold integer;
  v_whose text;
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

  select * into v_trial
    from honed.trial as t
   where t.improvement_id = v_improvement.improvement_id and t.ended_at is not null
   order by t.trial_id desc
   limit 1;
  v_evidence := format(
    'its evidence is e = %s, and number %s among the trials of its target takes %s (e-LOND, level %s)',
    honed.in_words(v_trial.log_e), v_trial.number, honed.in_words(-ln(v_trial.level)),
    round(v_trial.level::numeric, 5)
  );

  select t.threshold, t.whose into v_threshold, v_whose
    from honed.approval_threshold(v_improvement.target_id) as t;
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
    when v_improvement.priority < v_threshold
      then format('its priority %s is below %s%s', v_improvement.priority, v_threshold, v_whose)
    when honed.adoption_obstacle(v_improvement.improvement_id) <> ''
      then honed.adoption_obstacle(v_improvement.improvement_id)
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
    when v_trial.trial_id is null then 'no trial of it is on record'
    when not v_trial.is_believed then v_evidence
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
  return query select 'approved', format('policy %s allows it: %s', v_policy.policy_version, v_evidence);
end;
$$;

grant select, insert, update on honed.lease, honed.peer, honed.evidence_refusal to honed_daemon;
-- What was said, by either server, never changes: only whether it was signed, sent and recorded.
grant select, insert on honed.outbox, honed.evidence to honed_daemon;
grant update (epoch, envelope, sha256, attempts, error, delivered_at, refused_at)
  on honed.outbox to honed_daemon;
grant update (ledger_leaf) on honed.evidence to honed_daemon;
-- What an improvement rests on never changes.
grant select, insert on honed.adoption to honed_daemon;
revoke all on function
  honed.write_outbox, honed.check_role, honed.is_held, honed.is_heard, honed.approval_threshold,
  honed.adoption_obstacle
  from public;
grant execute on function honed.write_outbox, honed.check_role to honed_daemon, honed_operator;
grant execute on function
  honed.is_held, honed.is_heard, honed.approval_threshold, honed.adoption_obstacle
  to honed_viewer, honed_daemon;

comment on function honed.is_held is
  'Whether somebody holds a role (daemon, primary, secondary) in this store at this moment.';
comment on function honed.is_heard is
  'Whether the server of a role (primary, secondary) was heard of within the lease time.';
comment on function honed.approval_threshold is
  'Least priority that the policy approves by itself on a target: of its role, if it has one and'
  ' somebody holds it, else the strictest; and whose it is, in words.';
comment on function honed.adoption_obstacle is
  'Why an improvement that rests on the other server''s evidence may not go ahead without a person'
  ' at this moment; empty: it may, or it rests on none.';

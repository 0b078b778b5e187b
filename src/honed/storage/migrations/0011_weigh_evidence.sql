-- Weighs the evidence of a trial by how many were tried before anything is changed without a person.
--
-- Why: who tries a hundred claims that bring nothing finds some that look proven. Each trial of a
-- target that ended has a number, and a level that follows from it (e-LOND); the policy believes it
-- from e = 1 / level on. Every try counts, also one that is repeated and one that failed.
-- Locks: honed.trial, for as long as its few rows take.  Rows rewritten: every trial.

alter table honed.trial
  -- Natural logarithm of the e-value for IMPROVED as a whole.
  add column log_e double precision,
  -- Position among the trials of its target that ended, from 1 on.
  add column number bigint check (number > 0),
  -- The level at which e-LOND tests it.
  add column level double precision check (level > 0 and level <= 1),
  -- Whether it is IMPROVED with e >= 1 / level: a discovery, which makes later ones easier.
  add column is_believed boolean,
  add check (num_nulls(ended_at, log_e, number, level, is_believed) in (0, 5));

create function honed.e_lond_level(number bigint, discoveries bigint, alpha double precision)
returns double precision
language sql immutable
set search_path = honed, pg_catalog, pg_temp
as $$
  -- As honed.stats.e_lond has it: the divisor is the sum of number^-1.2 over all numbers.
  select least(
    alpha * power(number::double precision, -1.2) / 5.591582441177751 * (discoveries + 1), 1.0
  )
$$;

create function honed.next_level(target_id bigint, alpha double precision)
returns table (number bigint, level double precision)
language sql stable
set search_path = honed, pg_catalog, pg_temp
as $$
  select t.ended + 1, honed.e_lond_level(t.ended + 1, t.believed, next_level.alpha)
    from (
      select count(*) as ended, count(*) filter (where trial.is_believed) as believed
        from honed.trial
        join honed.improvement using (improvement_id)
       where improvement.target_id = next_level.target_id and trial.number is not null
    ) as t
$$;

-- Gives a trial its number, its level and what follows from them when it ends, and never again:
-- whoever writes a trial's end cannot choose them.
create function honed.number_trial() returns trigger
language plpgsql
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_target_id bigint;
begin
  if tg_op = 'UPDATE' and old.ended_at is not null then
    new.log_e := old.log_e;
    new.number := old.number;
    new.level := old.level;
    new.is_believed := old.is_believed;
    return new;
  end if;
  new.number := null;
  new.level := null;
  new.is_believed := null;
  if new.ended_at is not null then
    select target_id into v_target_id
      from honed.improvement where improvement_id = new.improvement_id;
    -- Two trials of one target that end at once get two numbers.
    perform pg_advisory_xact_lock(hashtextextended('honed.trial.number', v_target_id));
    select n.number, n.level into new.number, new.level
      from honed.next_level(v_target_id, (new.design ->> 'alpha')::double precision) as n;
    new.is_believed := new.verdict = 'improved' and new.log_e >= -ln(new.level);
  end if;
  return new;
end;
$$;

-- What was tried before counts as well, in the order in which it ended.
do $$
declare
  v_trial record;
begin
  for v_trial in
    select t.trial_id, t.verdict, i.target_id,
           coalesce((t.judgement ->> 'log_e')::double precision, 0) as log_e,
           (t.design ->> 'alpha')::double precision as alpha
      from honed.trial as t
      join honed.improvement as i using (improvement_id)
     where t.ended_at is not null
     order by t.ended_at, t.trial_id
  loop
    update honed.trial as t
       set log_e = v_trial.log_e, number = n.number, level = n.level,
           is_believed = v_trial.verdict = 'improved' and v_trial.log_e >= -ln(n.level)
      from honed.next_level(v_trial.target_id, v_trial.alpha) as n
     where t.trial_id = v_trial.trial_id;
  end loop;
end;
$$;

create trigger trial_number before insert or update on honed.trial
  for each row execute function honed.number_trial();

grant update (log_e) on honed.trial to honed_daemon;

-- An e-value for a person, from its natural logarithm: as a number, or as a power of ten.
create function honed.in_words(log_e double precision) returns text
language sql immutable
set search_path = honed, pg_catalog, pg_temp
as $$
  select case
    when log_e < ln(100000) then round(exp(log_e)::numeric, 1)::text
    else format('10^%s', round((log_e / ln(10))::numeric, 1))
  end
$$;

-- As before, and: what a trial shows must suffice for the number of trials.
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

revoke all on function
  honed.e_lond_level, honed.next_level, honed.number_trial, honed.in_words
  from public;
grant execute on function honed.e_lond_level, honed.next_level to honed_viewer, honed_daemon;
grant execute on function honed.number_trial to honed_daemon;

comment on function honed.e_lond_level is
  'The level at which e-LOND tests the claim with a number, after so many discoveries.';
comment on function honed.next_level is
  'The number and the level of the next trial of a target that ends: the policy believes it from'
  ' e = 1 / level on.';

-- Lets the policy approve what gates have proven, as it approves what a trial has.
--
-- Why: a change of code is right or wrong; no trial measures it, and without one the policy said no
-- whatever its autonomy. What is approved is a request for review; who lets that in is asked apart
-- (honed.change_lane).
-- Locks: none.  Rows rewritten: none.

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
  v_gates jsonb;
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
  v_gates := v_improvement.evidence -> 'gates';
  v_evidence := case
    when v_gates is not null then format('%s gates let it pass', jsonb_array_length(v_gates))
    else format(
      'its evidence is e = %s, and number %s among the trials of its target takes %s (e-LOND, level %s)',
      honed.in_words(v_trial.log_e), v_trial.number, honed.in_words(-ln(v_trial.level)),
      round(v_trial.level::numeric, 5)
    )
  end;

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
    -- What gates prove is right or wrong, and no trial tells by how much.
    when v_gates is not null then case
      when v_gates @> '[{"gate": "allowed_paths", "passed": true}]' is not true
        then 'no gate says that it keeps to the files that need no person'
      when v_gates @> '[{"passed": false}]' then 'a gate does not let it pass'
    end
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

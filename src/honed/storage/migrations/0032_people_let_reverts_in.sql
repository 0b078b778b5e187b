-- Leaves to a person what undoes a commit, as what a language model wrote.
--
-- Why: a revert also takes back what no test asks for, so that passing checks say little about it.
-- Locks: none.  Rows rewritten: none.

-- Who lets the change of an improvement in, and why it is a person. What has risk_limit or more is a
-- person's, if a worker's settings say so.
create or replace function honed.change_lane(improvement_id bigint, risk_limit integer default null)
returns table (lane text, reason text)
language plpgsql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_improvement honed.improvement;
  v_policy honed.policy;
  v_cycle honed.cycle;
  v_threshold integer;
  v_whose text;
  v_gates jsonb;
  v_objection text;
begin
  select * into v_improvement
    from honed.improvement as i where i.improvement_id = change_lane.improvement_id;
  select * into v_policy from honed.policy order by policy_version desc limit 1;
  select * into v_cycle from honed.cycle where cycle_id = v_improvement.cycle_id;
  select t.threshold, t.whose into v_threshold, v_whose
    from honed.approval_threshold(v_improvement.target_id) as t;
  v_gates := v_improvement.evidence -> 'gates';
  v_objection := case
    when v_improvement.improvement_id is null then 'it is in no record'
    when v_improvement.state not in ('applying', 'watching', 'kept')
      then format('its improvement is %s', v_improvement.state)
    when v_cycle.cycle_id is null then 'its cycle is gone'
    when v_improvement.danger <> 'none'
      then format('only a person lets in what has the danger %s', v_improvement.danger)
    when v_improvement.risk > 7 then format('its risk %s is above 7', v_improvement.risk)
    when v_improvement.risk >= change_lane.risk_limit
      then format('its risk %s is not below %s', v_improvement.risk, change_lane.risk_limit)
    -- Nobody knows who has talked a model into what it wrote, and a revert also undoes what no test
    -- asks for.
    when v_improvement.hypothesis -> 'parameters' ->> 'proposer'
         in ('language_model', 'revert_commit')
      then format('only a person lets in what %s proposes',
                  v_improvement.hypothesis -> 'parameters' ->> 'proposer')
    when v_policy.policy_version is null then 'there is no policy'
    when v_policy.autonomy not in ('limited', 'full')
      then format('the autonomy is %s', v_policy.autonomy)
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
    -- Tests, automation, migrations and what judges are a person's, whatever the risk.
    when v_gates @> '[{"gate": "allowed_paths", "passed": true}]' is not true
      then 'no gate says that it keeps to the files that need no person'
    when v_gates @> '[{"passed": false}]' then 'a gate does not let it pass'
  end;
  return query select case when v_objection is null then 'automerge' else 'review' end,
                      coalesce(v_objection, format('policy %s allows it', v_policy.policy_version));
end;
$$;

-- lock_policy --
-- Let two processes that start at once write one version, not two.
LOCK TABLE honed.policy IN SHARE ROW EXCLUSIVE MODE;

-- write_policy --
-- Add a version of the policy, unless the newest says the same.
INSERT INTO honed.policy (
         autonomy, require_human_approval, target_area, auto_approve_threshold,
         max_changes_per_run, approval_ttl, two_servers, primary_threshold, secondary_threshold
       )
SELECT wanted.autonomy, wanted.require_human_approval, wanted.target_area,
       wanted.auto_approve_threshold, wanted.max_changes_per_run, wanted.approval_ttl,
       wanted.two_servers, wanted.primary_threshold, wanted.secondary_threshold
  FROM (VALUES (
         %(autonomy)s::text, %(require_human_approval)s::boolean, %(target_area)s::text,
         %(auto_approve_threshold)s::integer, %(max_changes_per_run)s::integer,
         %(approval_ttl)s::interval, %(two_servers)s::boolean, %(primary_threshold)s::integer,
         %(secondary_threshold)s::integer
       )) AS wanted (
         autonomy, require_human_approval, target_area, auto_approve_threshold,
         max_changes_per_run, approval_ttl, two_servers, primary_threshold, secondary_threshold
       )
 WHERE NOT EXISTS (
         SELECT FROM honed.policy
          WHERE policy.policy_version = (SELECT max(newest.policy_version) FROM honed.policy AS newest)
            AND policy.autonomy = wanted.autonomy
            AND policy.require_human_approval = wanted.require_human_approval
            AND policy.target_area = wanted.target_area
            AND policy.auto_approve_threshold = wanted.auto_approve_threshold
            AND policy.max_changes_per_run = wanted.max_changes_per_run
            AND policy.approval_ttl = wanted.approval_ttl
            AND policy.two_servers = wanted.two_servers
            AND policy.primary_threshold = wanted.primary_threshold
            AND policy.secondary_threshold = wanted.secondary_threshold
       );

-- current_policy --
-- The policy in force: the newest version.
SELECT policy_version, autonomy, require_human_approval, target_area, auto_approve_threshold,
       max_changes_per_run, approval_ttl, two_servers, primary_threshold, secondary_threshold
  FROM honed.policy
 ORDER BY policy_version DESC
 LIMIT 1;

-- ask_policy --
-- Ask whether a proven improvement may go ahead without a person.
SELECT answer, reason FROM honed.approve_by_policy(%(improvement_id)s::bigint);

-- lock_cycle --
-- Lock the cycle of one improvement. Lock order: job, cycle, improvement, ledger head.
SELECT cycle_id
  FROM honed.cycle
 WHERE cycle_id = (
         SELECT cycle_id FROM honed.improvement WHERE improvement_id = %(improvement_id)s
       )
   FOR UPDATE;

-- read_place --
-- How one target is reached.
SELECT observe_url, act_url, options FROM honed.target WHERE target_id = %(target_id)s;

-- approve --
-- Approve exact bytes as a person.
SELECT honed.approve(%(improvement_id)s::bigint, %(digest)s::text, %(acting_for)s::text) AS approval_id;

-- reject --
-- Say no as a person.
SELECT honed.reject(%(improvement_id)s::bigint, %(reason)s::text, %(acting_for)s::text) AS approval_id;

-- roll_back --
-- Ask as a person for an applied change to be taken back.
SELECT honed.rollback(%(improvement_id)s::bigint, %(reason)s::text, %(acting_for)s::text) AS approval_id;

-- list_decisions --
-- What was decided about one improvement, oldest first, and what still counts.
SELECT approval_id, improvement_id, decision, authority, coalesce(digest, '') AS digest,
       coalesce(policy_version, 0) AS policy_version, reason, decided_by, acting_for, decided_at,
       expires_at, coalesce(expires_at <= honed.now(), false) AS is_expired
  FROM honed.approval
 WHERE improvement_id = %(improvement_id)s
 ORDER BY approval_id;

-- list_overdue --
-- Improvements that waited for a person longer than the policy lets them.
SELECT improvement.improvement_id
  FROM honed.improvement
 WHERE improvement.state = 'awaiting_approval'
   AND improvement.awaiting_since + (
         SELECT approval_ttl FROM honed.policy ORDER BY policy_version DESC LIMIT 1
       ) <= honed.now()
   AND NOT EXISTS (
         SELECT FROM honed.approval WHERE approval.improvement_id = improvement.improvement_id
       )
 ORDER BY improvement.improvement_id;

-- open --
-- Opens a change, or finds the one that is open with this branch and head.
SELECT honed.open_change(
         %(draft)s::jsonb, %(open_limit)s::integer, make_interval(secs => %(cooldown_s)s::double precision)
       ) AS change_id;

-- why_withheld --
-- Why a change would not be opened now; null: it would.
SELECT honed.why_withheld(
         %(target_id)s::bigint, %(ticket_id)s::bigint, %(root_cause)s::text, %(patch_digest)s::text
       , %(lane)s::text, %(open_limit)s::integer
       , make_interval(secs => %(cooldown_s)s::double precision)
       ) AS reason;

-- asked_again --
-- Whether a person has asked for another try of a ticket since then.
SELECT honed.asked_again(%(ticket_id)s::bigint, %(since)s::timestamptz) AS is_asked;

-- find --
-- Changes of those states, newest first; what is empty does not narrow them.
SELECT c.change_id
     , c.target
     , c.ticket_id
     , c.ticket
     , c.improvement_id
     , c.title
     , c.body
     , c.state
     , c.lane
     , c.closed_by_person
     , c.end_reason
     , c.branch
     , c.base_branch
     , c.base_commit
     , c.head_commit
     , c.forge_head
     , c.forge
     , c.number
     , c.url
     , c.checks_state
     , c.checks
     , c.merge_commit
     , c.ledger_index
     , c.merge_asked_at
     , c.merge_asked_by
     , c.opened_at
     , c.updated_at
     , c.ended_at
FROM honed.change_requests AS c
WHERE (%(change_id)s::bigint IS NULL OR c.change_id = %(change_id)s::bigint)
  AND (%(target)s::text = '' OR c.target = %(target)s::text)
  AND (cardinality(%(states)s::text[]) = 0 OR c.state = ANY (%(states)s::text[]))
  AND (%(branch)s::text = '' OR c.branch = %(branch)s::text)
  AND (%(head_commit)s::text = '' OR c.head_commit = %(head_commit)s::text)
ORDER BY c.change_id DESC
LIMIT %(most)s::integer;

-- list_events --
-- Everything that became of a change, oldest first.
SELECT event, detail, reason, done_by, acting_for, happened_at
FROM honed.change_event
WHERE change_id = %(change_id)s::bigint
ORDER BY event_id;

-- record --
-- Records what a forge says; false: it said something newer before.
SELECT honed.record_change(%(change_id)s::bigint, %(seen)s::jsonb) AS is_news;

-- record_checks --
-- Records what checks say of a head; false: it is another by now.
SELECT honed.record_checks(
         %(change_id)s::bigint, %(head_commit)s::text, %(checks)s::jsonb
       , %(checks_state)s::text
       ) AS is_news;

-- renew --
-- Says that a change was proven again.
SELECT honed.renew_change(
         %(change_id)s::bigint, %(base_commit)s::text, %(head_commit)s::text
       , %(patch_digest)s::text, %(body)s::text, %(ledger_index)s::bigint
       );

-- withdraw --
-- Closes a change that honed itself no longer wants.
SELECT honed.withdraw_change(%(change_id)s::bigint, %(reason)s::text);

-- close --
-- Closes a change for a person.
SELECT honed.close_change(%(change_id)s::bigint, %(reason)s::text, %(acting_for)s::text);

-- merge --
-- Asks for a merge for a person.
SELECT honed.merge_change(%(change_id)s::bigint, %(head_commit)s::text, %(acting_for)s::text);

-- lane --
-- Who lets the change of an improvement in, and why.
SELECT lane, reason
FROM honed.change_lane(%(improvement_id)s::bigint, %(risk_limit)s::integer);

-- merge_by_policy --
-- Asks for a merge in the name of the policy.
SELECT answer, reason
FROM honed.merge_by_policy(
       %(change_id)s::bigint, %(base_head)s::text, %(risk_limit)s::integer
     );

-- unsealed --
-- Decisions about a change, and its ends, that no entry of the ledger says yet.
SELECT event_id, event, detail, done_by, patch_digest, parent
FROM honed.unsealed_events(%(change_id)s::bigint);

-- list_unsealed --
-- Changes of a repository of which the ledger does not say all yet, oldest first.
SELECT DISTINCT c.change_id
FROM honed.change_event AS e
JOIN honed.change_requests AS c USING (change_id)
WHERE c.target = %(target)s::text
  AND e.event IN ('merge_asked', 'merged', 'closed', 'reopened')
  AND NOT EXISTS (SELECT FROM honed.change_entry AS s WHERE s.event_id = e.event_id)
ORDER BY c.change_id;

-- keep_entry --
-- Keeps which entry of the ledger says an event.
INSERT INTO honed.change_entry (event_id, ledger_index, leaf_hash)
VALUES (%(event_id)s::bigint, %(ledger_index)s::bigint, %(leaf_hash)s::text);

-- list_ends --
-- What became of requests of a repository, by the entries of the ledger from one on.
SELECT e.change_id, c.title, e.event, e.reason
FROM honed.change_entry AS s
JOIN honed.change_event AS e USING (event_id)
JOIN honed.change_requests AS c USING (change_id)
WHERE c.target = %(target)s::text
  AND s.ledger_index >= %(from_index)s::bigint
  AND e.event IN ('merged', 'closed', 'reopened')
ORDER BY e.event_id;

-- note --
-- Notes that the forge of a repository has something new.
INSERT INTO honed.change_notice (target_id)
VALUES (%(target_id)s::bigint)
ON CONFLICT DO NOTHING;

-- take_notices --
-- Returns the repositories whose forges have something new, and forgets it.
DELETE FROM honed.change_notice
RETURNING target_id;

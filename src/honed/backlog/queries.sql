-- find --
-- Tickets that meet every condition given, those that pay most first, settled ones last.
SELECT ticket.ticket_id, ticket.source, ticket.target_id, coalesce(target.name, '') AS target,
       ticket.project, ticket.subject, ticket.title, ticket.description, ticket.category,
       ticket.priority, ticket.risk_level, ticket.estimated_effort, ticket.terms,
       ticket.set_by_person, ticket.state, ticket.evidence, ticket.proposed_solution,
       ticket.test_plan, ticket.files_to_modify, ticket.metadata, ticket.times_seen,
       ticket.first_seen_at, ticket.last_seen_at, ticket.reopened_count, ticket.applied_at,
       ticket.created_at, ticket.updated_at
  FROM honed.ticket
  LEFT JOIN honed.target USING (target_id)
 WHERE (%(ticket_id)s::bigint IS NULL OR ticket.ticket_id = %(ticket_id)s)
   AND (%(states)s::text[] IS NULL OR ticket.state = ANY (%(states)s))
   AND (%(priorities)s::text[] IS NULL OR ticket.priority = ANY (%(priorities)s))
   AND (%(categories)s::text[] IS NULL OR ticket.category = ANY (%(categories)s))
   AND (%(sources)s::text[] IS NULL OR ticket.source = ANY (%(sources)s))
 ORDER BY ticket.state IN ('applied', 'rejected'),
          honed.ticket_score(ticket.priority, ticket.risk_level, ticket.estimated_effort),
          ticket.first_seen_at, ticket.ticket_id
 LIMIT %(limit)s;

-- next --
-- The open ticket with the lowest score whose risk is not too high: the oldest of equal ones.
SELECT ticket_id
  FROM honed.ticket
 WHERE state = 'open' AND risk_level <= %(max_risk)s
 ORDER BY honed.ticket_score(priority, risk_level, estimated_effort), first_seen_at, ticket_id
 LIMIT 1;

-- list_known --
-- Which of these troubles have a ticket; their places and subjects come as lists of equal length.
SELECT said.ordinality - 1 AS position
  FROM unnest(
         %(sources)s::text[], %(target_ids)s::bigint[], %(projects)s::text[], %(subjects)s::text[]
       ) WITH ORDINALITY AS said (source, target_id, project, subject, ordinality)
  JOIN honed.ticket
    ON ticket.source = said.source
   AND coalesce(ticket.target_id, 0) = said.target_id
   AND ticket.project = said.project
   AND md5(ticket.subject) = md5(said.subject)
 ORDER BY 1;

-- take_in --
-- Take in what a source says.
SELECT ticket_id, became FROM honed.take_in_ticket(%(draft)s::jsonb, %(found_by)s);

-- list_events --
-- Every change of one ticket, oldest first.
SELECT event_id, event, coalesce(from_state, '') AS from_state, to_state, detail, reason, done_by,
       acting_for, happened_at
  FROM honed.ticket_event
 WHERE ticket_id = %(ticket_id)s
 ORDER BY event_id;

-- list_attempts --
-- Every attempt at one ticket, oldest first.
SELECT attempt_id, ticket_id, attempt_number, branch_name, changes_summary, test_results, success,
       error_message, attempted_at, finished_at
  FROM honed.ticket_attempt
 WHERE ticket_id = %(ticket_id)s
 ORDER BY attempt_number;

-- list_answers --
-- Every answer to what one ticket asks, oldest first.
SELECT answer_id, call, returns, raises, done_by, acting_for, answered_at
  FROM honed.ticket_answer
 WHERE ticket_id = %(ticket_id)s
 ORDER BY answer_id;

-- answer --
-- Say what a call does when it is right.
SELECT honed.answer_ticket(
         ticket_id => %(ticket_id)s, call => %(call)s, returns => %(returns)s,
         raises => %(raises)s, acting_for => %(acting_for)s
       );

-- add --
-- Add a ticket by hand.
SELECT honed.add_ticket(
         title => %(title)s, description => %(description)s, category => %(category)s,
         priority => %(priority)s, risk_level => %(risk_level)s::integer,
         estimated_effort => %(estimated_effort)s::integer,
         proposed_solution => %(proposed_solution)s, test_plan => %(test_plan)s,
         files_to_modify => %(files_to_modify)s::text[], target => %(target)s,
         project => %(project)s, acting_for => %(acting_for)s
       ) AS ticket_id;

-- is_target_there --
-- Whether a target of this name is registered.
SELECT EXISTS (
         SELECT FROM honed.target WHERE name = %(name)s AND removed_at IS NULL
       ) AS is_there;

-- edit --
-- Change what is not null.
SELECT honed.edit_ticket(
         ticket_id => %(ticket_id)s, title => %(title)s, description => %(description)s,
         category => %(category)s, priority => %(priority)s,
         risk_level => %(risk_level)s::integer, estimated_effort => %(estimated_effort)s::integer,
         proposed_solution => %(proposed_solution)s, test_plan => %(test_plan)s,
         files_to_modify => %(files_to_modify)s::text[], reason => %(reason)s,
         acting_for => %(acting_for)s
       ) AS is_changed;

-- reject --
-- Say that a trouble is none, or not worth it.
SELECT honed.reject_ticket(%(ticket_id)s, %(reason)s, %(acting_for)s);

-- reopen --
-- Take back how a ticket was settled.
SELECT honed.reopen_ticket(%(ticket_id)s, %(reason)s, %(acting_for)s);

-- resolve --
-- Say that a person has settled the trouble.
SELECT honed.resolve_ticket(%(ticket_id)s, %(reason)s, %(acting_for)s);

-- move --
-- Bring a ticket into its next state.
SELECT honed.move_ticket(%(ticket_id)s, %(to_state)s, %(reason)s);

-- begin_attempt --
-- Begin an attempt at an open ticket.
SELECT honed.begin_attempt(%(ticket_id)s, %(branch_name)s) AS attempt_id;

-- end_attempt --
-- Say how an attempt ended.
SELECT honed.end_attempt(
         %(attempt_id)s, %(success)s, %(changes_summary)s, %(test_results)s::jsonb,
         %(error_message)s
       );

-- lock_scans --
-- Wait until no other scan takes in what it found: each would wait for tickets of the other.
SELECT pg_advisory_xact_lock(7450126840320);

-- record_scan --
-- Keep when a source was read, and what came of it.
INSERT INTO honed.scan (source, started_at, found, created, counted, reopened, left_out, error)
VALUES (%(source)s, %(started_at)s, %(found)s, %(created)s, %(counted)s, %(reopened)s,
        %(left_out)s, %(error)s);

-- scan_begins --
-- The time now, and of each source the begin of its last scan that missed nothing.
SELECT honed.now() AS now,
       coalesce(
         (SELECT jsonb_object_agg(source, extract(epoch FROM started_at))
            FROM (SELECT source, max(started_at) AS started_at
                    FROM honed.scan
                   WHERE error = '' AND left_out = 0
                   GROUP BY source) AS last),
         '{}'
       ) AS last_s;

-- last_scan --
-- When a source was read last, whatever came of it; null: never.
SELECT max(started_at) AS started_at, honed.now() AS now FROM honed.scan;

-- read_metrics --
-- How the backlog is, in one row.
SELECT health_score, improvement_velocity, risk_exposure, quality_trend, total_tickets, open,
       in_progress, ready_for_review, applied, failed, rejected
  FROM honed.backlog_metrics;

-- read_meanings --
-- The comment of each of those columns: its formula.
SELECT attribute.attname::text AS name, col_description(attribute.attrelid, attnum) AS meaning
  FROM pg_attribute AS attribute
 WHERE attribute.attrelid = 'honed.backlog_metrics'::regclass AND attnum > 0
 ORDER BY attnum;

-- read_rates --
-- What came, was settled and was tried, by window.
SELECT time_window, hours, created, resolved, attempts, succeeded, created_per_hour,
       created_per_day, resolved_per_hour, resolved_per_day, success_rate
  FROM honed.ticket_rates;

-- read_distribution --
-- How the tickets are spread.
SELECT dimension, btrim(value) AS value, tickets, unsettled, share FROM honed.ticket_distribution;

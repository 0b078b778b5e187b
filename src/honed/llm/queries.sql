-- reserve --
-- Reserve what a piece of work may spend.
SELECT honed.reserve_llm_spending(
         ticket_id => %(ticket_id)s::bigint, purpose => %(purpose)s::text,
         usd => %(usd)s::numeric, tail_usd => %(tail_usd)s::numeric,
         day_limit_usd => %(day_limit_usd)s::numeric,
         ticket_limit_usd => %(ticket_limit_usd)s::numeric,
         lifetime => make_interval(secs => %(lifetime_s)s::double precision)
       ) AS spending_id;

-- begin_call --
-- Draw the most that a request can cost.
SELECT honed.begin_llm_call(
         spending_id => %(spending_id)s::bigint, is_tail => %(is_tail)s::boolean,
         provider => %(provider)s::text, model => %(model)s::text,
         request_hash => %(request_hash)s::text, price => %(price)s::jsonb,
         most_usd => %(most_usd)s::numeric
       ) AS call_id;

-- end_call --
-- Say what a request cost.
SELECT honed.end_llm_call(
         call_id => %(call_id)s::bigint, outcome => %(outcome)s::text,
         cost_usd => %(cost_usd)s::numeric, input_tokens => %(input_tokens)s::bigint,
         output_tokens => %(output_tokens)s::bigint
       );

-- settle --
-- End a reservation.
SELECT honed.settle_llm_spending(%(spending_id)s::bigint) AS spent_usd;

-- expire --
-- End reservations whose time is over.
SELECT honed.expire_llm_spending() AS expired;

-- now --
-- The store's time.
SELECT honed.now() AS now;

-- find_recording --
-- The answer that was recorded for a request.
SELECT reply FROM honed.llm_recording WHERE request_hash = %(request_hash)s;

-- record --
-- Keep an answer; the first one stays.
INSERT INTO honed.llm_recording (request_hash, provider, model, request, reply)
VALUES (%(request_hash)s, %(provider)s, %(model)s, %(request)s::jsonb, %(reply)s::jsonb)
ON CONFLICT (request_hash) DO NOTHING;

-- forget_recordings --
-- Forget answers that were recorded, and prompts from SQL that ended, so many days ago.
SELECT honed.forget_llm_recordings(%(days)s::integer) AS forgotten;

-- outlook --
-- What is spent or reserved today, what nobody may exceed, and how many answers are recorded.
SELECT b.reserved_usd + b.spent_today_usd AS taken_usd, b.limit_usd_day,
       (SELECT count(*) FROM honed.llm_recording) AS recordings
  FROM honed.llm_budget AS b;

-- claim_text --
-- Take up the oldest prompt that is due, for so long.
UPDATE honed.text_request
   SET state = 'being_answered', attempts = attempts + 1,
       due_at = honed.now() + make_interval(secs => %(lease_s)s::double precision)
 WHERE request_id = (
         SELECT request_id
           FROM honed.text_request
          WHERE state IN ('waiting', 'being_answered') AND due_at <= honed.now()
          ORDER BY request_id
          LIMIT 1
            FOR UPDATE SKIP LOCKED
       )
RETURNING request_id, prompt, max_tokens, ticket_id, attempts;

-- scrub_text --
-- Keep a prompt as it is sent.
UPDATE honed.text_request SET prompt = %(prompt)s
 WHERE request_id = %(request_id)s AND attempts = %(attempts)s AND state = 'being_answered';

-- end_text --
-- Say what became of a prompt, if nobody else has taken it up since, and tell who waits.
WITH ended AS (
  UPDATE honed.text_request
     SET state = CASE WHEN %(answer)s::text IS NULL THEN 'failed' ELSE 'answered' END,
         answer = %(answer)s::text, error = %(error)s, hint = %(hint)s, model = %(model)s,
         cost_usd = %(cost_usd)s::numeric, ended_at = honed.now()
   WHERE request_id = %(request_id)s AND attempts = %(attempts)s AND state = 'being_answered'
  RETURNING request_id
)
SELECT pg_notify('honed_generated_text', request_id::text) FROM ended;

-- postpone_text --
-- Give a prompt back until later.
UPDATE honed.text_request
   SET state = 'waiting', due_at = honed.now() + make_interval(secs => %(pause_s)s::double precision)
 WHERE request_id = %(request_id)s AND attempts = %(attempts)s AND state = 'being_answered';

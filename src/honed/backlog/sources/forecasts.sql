-- list_places --
-- Whether a project or a target has this name, and the store's time.
SELECT (SELECT project_id FROM honed.project WHERE name = %(name)s) AS project_id,
       (SELECT target_id FROM honed.target WHERE name = %(name)s AND removed_at IS NULL)
         AS target_id,
       honed.now() AS now;

-- list_gauges --
-- The values of one gauge by the hour, for each service and set of attributes that it is told of.
SELECT series.service, series.attributes, array_agg(series.hour ORDER BY series.hour) AS times,
       array_agg(series.value ORDER BY series.hour) AS values
  FROM (
         SELECT signal.service, coalesce(signal.body -> 'attributes', '{}') AS attributes,
                date_bin('1 hour', signal.at, '2000-01-01+00') AS hour,
                percentile_cont(0.5) WITHIN GROUP (ORDER BY signal.value) AS value
           FROM honed.signal
          WHERE signal.type = 'metric'
            AND signal.subject = %(subject)s
            AND signal.project_id = %(project_id)s
            AND signal.value IS NOT NULL
            -- What only ever grows crosses everything.
            AND signal.body -> 'is_monotonic' IS DISTINCT FROM 'true'
          GROUP BY signal.service, coalesce(signal.body -> 'attributes', '{}'), 3
       ) AS series
 GROUP BY series.service, series.attributes
 ORDER BY series.service, series.attributes
 LIMIT %(most)s;

-- list_statement --
-- What a call of one statement of a target took by the hour, in ms.
SELECT array_agg(series.hour ORDER BY series.hour) AS times,
       array_agg(series.value ORDER BY series.hour) AS values,
       (SELECT left(statement.text, 200) FROM honed.statement
         WHERE statement.target_id = %(target_id)s AND statement.statement_id = %(statement_id)s
       ) AS label
  FROM (
         SELECT date_bin('1 hour', reading.ended_at, '2000-01-01+00') AS hour,
                sum(ran.exec_ms) / sum(ran.calls) AS value
           FROM honed.reading
           JOIN honed.statement_interval AS ran USING (reading_id)
          WHERE reading.target_id = %(target_id)s AND NOT reading.is_first
            AND ran.statement_id = %(statement_id)s AND ran.calls > 0
          GROUP BY 1
       ) AS series
HAVING count(*) > 0;

-- list_all_statements --
-- How many seconds all statements of a target ran, by the hour.
SELECT array_agg(series.hour ORDER BY series.hour) AS times,
       array_agg(series.value ORDER BY series.hour) AS values,
       'the time of all statements' AS label
  FROM (
         SELECT date_bin('1 hour', reading.ended_at, '2000-01-01+00') AS hour,
                sum(ran.exec_ms) / 1000 AS value
           FROM honed.reading
           JOIN honed.statement_interval AS ran USING (reading_id)
          WHERE reading.target_id = %(target_id)s AND NOT reading.is_first
          GROUP BY 1
       ) AS series
HAVING count(*) > 0;

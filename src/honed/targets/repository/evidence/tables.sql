-- list_columns --
-- The columns of everything that has one of some names, and which of them tell every two rows apart.
SELECT n.nspname AS schema
     , c.relname AS "table"
     , a.attname AS name
     , format_type(a.atttypid, NULL) AS type
     -- Of a table with heirs a query sees their rows, too, which its index does not.
     , (c.relkind = 'p' OR (c.relkind = 'r' AND NOT c.relhassubclass))
       -- A text is compared byte by byte, in letters that the driver reads as a text.
       AND (a.attcollation = 0 OR (l.collisdeterministic AND d.encoding <> 0))
       AND EXISTS (
         SELECT FROM pg_index AS i
         JOIN pg_class AS ic ON ic.oid = i.indexrelid
         JOIN pg_am AS m ON m.oid = ic.relam
         JOIN pg_opclass AS o ON o.oid = i.indclass[0]
         WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
           AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
           AND m.amname = 'btree' AND o.opcdefault
       ) AS is_unique
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid
JOIN pg_database AS d ON d.datname = current_database()
LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
WHERE c.relname = ANY (%(names)s::text[])
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND a.attnum > 0
  AND NOT a.attisdropped
ORDER BY 1, 2, a.attnum /* honed */;

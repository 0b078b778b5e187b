-- now --
-- The store's time.
SELECT honed.now() AS now;

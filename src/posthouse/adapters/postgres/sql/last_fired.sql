-- The newest firing of each schedule.   locks none   missing: it never fired
SELECT n.name, extract(epoch FROM f.fire_at)::float8 AS fire_at
  FROM unnest($1::text[]) AS n (name)
 CROSS JOIN LATERAL (SELECT fire_at FROM cron_fire c WHERE c.name = n.name ORDER BY fire_at DESC LIMIT 1) f

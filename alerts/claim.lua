-- Claims a notification that is due: nobody else gets it while the lease runs.
-- KEYS: 1 due-set, 2 when each id was handed out, 3 the notification
-- ARGV: 1 id, 2 now, 3 lease in seconds
-- Returns its JSON, or nil where it is not due or is no more.
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) > tonumber(ARGV[2]) then
    return nil
end
local notification = redis.call('GET', KEYS[3])
-- The first write needs no memory: so this one, and all behind it, go through at the memory limit.
redis.call('ZREM', KEYS[1], ARGV[1])
if notification then
    redis.call('ZADD', KEYS[1], ARGV[2] + ARGV[3], ARGV[1])
else
    redis.call('ZREM', KEYS[2], ARGV[1])
end
return notification

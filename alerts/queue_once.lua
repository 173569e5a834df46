-- Queues notifications, unless the same was queued a short while ago.
-- KEYS: 1 mark of what was queued, 2 due-set, 3.. one key for each notification
-- ARGV: 1 seconds the mark stands, 2 now, 3 seconds a notification is kept, then id and JSON of each
-- Returns 1, or 0 where the mark stood.
if redis.call('EXISTS', KEYS[1]) == 1 then
    return 0
end
-- The first write needs no memory: so this one, and all behind it, go through at the memory limit.
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])
local at = 4
for key = 3, #KEYS do
    redis.call('SET', KEYS[key], ARGV[at + 1], 'EX', ARGV[3])
    redis.call('ZADD', KEYS[2], ARGV[2], ARGV[at])
    at = at + 2
end
return 1

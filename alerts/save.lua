-- Saves a round of evaluation, unless the lock has passed to someone else.
-- KEYS: 1 lock, 2 states, 3 due-set, 4.. one key for each notification
-- ARGV: 1 nonce, 2 now, 3 seconds a notification is kept, 4 number of states, 5 number of ended alerts,
--       then fingerprint and JSON of each state, fingerprint of each ended alert, id and JSON of each notification
-- Returns 1, or 0 where nothing was saved.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
-- The first write needs no memory: so this one, and all behind it, go through at the memory limit.
redis.call('HDEL', KEYS[2], '')
local at = 6
for _ = 1, tonumber(ARGV[4]) do
    redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
    at = at + 2
end
for _ = 1, tonumber(ARGV[5]) do
    redis.call('HDEL', KEYS[2], ARGV[at])
    at = at + 1
end
for key = 4, #KEYS do
    redis.call('SET', KEYS[key], ARGV[at + 1], 'EX', ARGV[3])
    redis.call('ZADD', KEYS[3], 'NX', ARGV[2], ARGV[at])
    at = at + 2
end
return 1

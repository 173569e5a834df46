-- Hands out what is due, each id at most once in a while, so that a stopped worker finds no heap of repeats.
-- KEYS: 1 due-set, 2 when each id was handed out
-- ARGV: 1 now, 2 the while in seconds, 3 how many at most
-- Returns ids.
local ids = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])) do
    local last = redis.call('ZSCORE', KEYS[2], id)
    if not last or tonumber(last) + ARGV[2] <= tonumber(ARGV[1]) then
        redis.call('ZREM', KEYS[2], id)  -- a first write that needs no memory goes through at the memory limit
        redis.call('ZADD', KEYS[2], ARGV[1], id)
        ids[#ids + 1] = id
    end
    if #ids >= tonumber(ARGV[3]) then
        break
    end
end
return ids

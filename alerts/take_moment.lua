-- Takes away a moment that has come. KEYS: 1 moment. ARGV: 1 now. Returns 1, or 0 where none has come.
local moment = redis.call('GET', KEYS[1])
if moment and tonumber(moment) <= tonumber(ARGV[1]) then
    return redis.call('DEL', KEYS[1])
end
return 0

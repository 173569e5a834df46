-- Deletes a lock that is still ours. KEYS: 1 lock. ARGV: 1 nonce. Returns 1, or 0 where it is not.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0

-- Renews a lock that is still ours. KEYS: 1 lock. ARGV: 1 nonce, 2 milliseconds. Returns 1, or 0 where it is not.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0

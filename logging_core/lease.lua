#!lua flags=allow-oom
-- Take, renew or (with 0 ms) give up the lease of a shard.  KEYS lease; ARGV value, milliseconds; reply 1: ours, 0: not.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1

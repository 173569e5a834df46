-- Take, renew or (with 0 ms) give up the lease of a shard.  KEYS lease; ARGV value, milliseconds; reply 1: ours, 0: not.
-- Each way begins with a write that needs no memory, so that it goes through at the memory limit.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if holder and ARGV[2] ~= '0' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('DEL', KEYS[1])
  if ARGV[2] ~= '0' then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
end
return 1

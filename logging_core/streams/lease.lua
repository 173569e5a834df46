-- Take or renew the lease of a shard.
--   KEYS  lease, shard (hash)
--   ARGV  lease value (nonce|place|holder), milliseconds, place, host, locked (0/1), seconds of patience with a place on
--         another host, and with one on this host
--   reply 1: ours, 0: not
-- Whoever holds the lock of a place knows that its last writer is dead, and takes the lease at once. The shard of
-- another place is taken when its writer gave no sign for so long; the version at that moment tells that place, when it
-- comes back, what it had not committed.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  local place = string.match(holder, '^[^|]*|([^|]*)|')
  if ARGV[5] ~= '1' or place ~= ARGV[3] then return 0 end
end
local now = tonumber(redis.call('TIME')[1])
local owner = redis.call('HMGET', KEYS[2], 'place', 'host', 'led', 'version')
local moves = owner[1] and owner[1] ~= '' and owner[1] ~= ARGV[3]
local patience = tonumber(owner[2] == ARGV[4] and ARGV[7] or ARGV[6])
if moves and now - tonumber(owner[3] or 0) < patience then return 0 end
-- The first write needs no memory: so this one, and all behind it, go through at the memory limit.
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if moves then redis.call('HSET', KEYS[2], 'left:' .. owner[1], owner[4] or 0) end
redis.call('HSET', KEYS[2], 'place', ARGV[3], 'host', ARGV[4], 'led', now)
return 1

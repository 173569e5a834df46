-- Commit what a writer has fsynced: acknowledge, count, group and renew the lease, in one step.
--   KEYS  lease, stream, shard (hash), then the hashes that the changes name
--   ARGV  lease value, expected version, lease in ms, group, bytes and records of the entries, changes (see changes.lua),
--         then entry ids
--   reply the new version, or a text saying why nothing was done
-- include changes
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'the lease is not ours' end
if (redis.call('HGET', KEYS[3], 'version') or '0') ~= ARGV[2] then return 'the version moved' end
-- A Redis that came back older between read and commit, unnoticed, may not have the last entries: they are not to be
-- taken off the sums of what waits.
if #ARGV >= 8 and #redis.call('XPENDING', KEYS[2], ARGV[4], ARGV[#ARGV], ARGV[#ARGV], 1) == 0 then
  return 'the entries are not there'
end

-- The first write needs no memory: so this one, and all behind it, go through at the memory limit.
redis.call('PEXPIRE', KEYS[1], ARGV[3])
for from = 8, #ARGV, 1000 do
  local to = math.min(from + 999, #ARGV)
  redis.call('XACK', KEYS[2], ARGV[4], unpack(ARGV, from, to))
  redis.call('XDEL', KEYS[2], unpack(ARGV, from, to))
end
for field, argument in pairs({bytes = 5, records = 6}) do
  if redis.call('HINCRBY', KEYS[3], field, 0 - ARGV[argument]) < 0 then redis.call('HSET', KEYS[3], field, 0) end
end
local version = redis.call('HINCRBY', KEYS[3], 'version', 1)

apply_changes(ARGV[7])
redis.call('HSET', KEYS[3], 'led', redis.call('TIME')[1])
return version

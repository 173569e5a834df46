-- Apply changes to counters, and note what they hold by now, in one step.
--   KEYS  numbers that are counted (hash), then the hashes that the changes name
--   ARGV  expected revision (empty: whatever it is), changes (see changes.lua), then pairs: series, number
--   reply 1, or 0 where another has counted meanwhile, and nothing was done
-- include changes
local revision = redis.call('HGET', KEYS[1], 'revision') or '0'
if ARGV[1] ~= '' and revision ~= ARGV[1] then return 0 end

-- The first write needs no memory: so this one, and all behind it, go through at the memory limit.
redis.call('HDEL', KEYS[1], '')
redis.call('HINCRBY', KEYS[1], 'revision', 1)
if #ARGV > 2 then redis.call('HSET', KEYS[1], unpack(ARGV, 3)) end
apply_changes(ARGV[2])
return 1

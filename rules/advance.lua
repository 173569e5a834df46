-- Move the position of a scanned file, and apply what was found on the way, in one step. Ranges it had are given up.
--   KEYS  position (hash), then the hashes that the changes name
--   ARGV  expected revision, path, offset, cut, head, tail, archived, expiry in seconds, changes (see changes.lua)
--   reply 1, or 0 where the position is not where it was expected, and nothing was done
-- include changes
local revision = redis.call('HGET', KEYS[1], 'revision') or '0'
if revision ~= ARGV[1] then return 0 end

-- The first write needs no memory: so this one, and all behind it, go through at the memory limit.
redis.call('HDEL', KEYS[1], 'head', 'ranges', 'end', 'end_tail')
redis.call('HSET', KEYS[1], 'path', ARGV[2], 'offset', ARGV[3], 'cut', ARGV[4], 'head', ARGV[5], 'tail', ARGV[6],
  'archived', ARGV[7])
redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('EXPIRE', KEYS[1], ARGV[8])

apply_changes(ARGV[9])
return 1

-- Note that a range of a scanned file was read, and apply what was found in it, in one step. With the last range the
-- position moves behind all of them.
--   KEYS  position (hash), then the hashes that the changes name
--   ARGV  expected revision, start of the range, expiry in seconds, changes (see changes.lua)
--   reply 1, or 0 where the range is no longer to be read, and nothing was done
-- include changes
local revision = redis.call('HGET', KEYS[1], 'revision')
local ranges = cjson.decode(redis.call('HGET', KEYS[1], 'ranges') or '{}')
if revision ~= ARGV[1] or not ranges[ARGV[2]] then return 0 end

ranges[ARGV[2]] = nil
redis.call('HDEL', KEYS[1], 'ranges')  -- as in advance.lua
if next(ranges) then
  redis.call('HSET', KEYS[1], 'ranges', cjson.encode(ranges))
else
  local offset, tail = unpack(redis.call('HMGET', KEYS[1], 'end', 'end_tail'))
  redis.call('HDEL', KEYS[1], 'end', 'end_tail')
  redis.call('HSET', KEYS[1], 'offset', offset, 'cut', 0, 'tail', tail)
  redis.call('HINCRBY', KEYS[1], 'revision', 1)
end
redis.call('EXPIRE', KEYS[1], ARGV[3])

apply_changes(ARGV[4])
return 1

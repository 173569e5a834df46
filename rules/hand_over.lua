-- Give a file's position, with its ranges, to the copy that was made of it; the file itself begins anew.
--   KEYS  position of the file, position of its copy (hashes)
--   ARGV  expected revision, path of the copy, first bytes of the copy as it lies there, expiry in seconds
--   reply 1, or 0 where somebody was quicker, and nothing was done
if (redis.call('HGET', KEYS[1], 'revision') or '0') ~= ARGV[1] or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end

local fields = redis.call('HGETALL', KEYS[1])
redis.call('HDEL', KEYS[1], 'tail', 'ranges', 'end', 'end_tail')  -- as in advance.lua
redis.call('HSET', KEYS[1], 'offset', 0, 'cut', 0, 'head', '', 'tail', '')
redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('HSET', KEYS[2], unpack(fields))
redis.call('HSET', KEYS[2], 'path', ARGV[2], 'head', ARGV[3], 'revision', 1)
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 1

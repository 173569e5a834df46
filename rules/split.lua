-- Cut what is unread of a scanned file into ranges, which are read in any order, in place of those it had.
--   KEYS  position (hash)
--   ARGV  expected revision, path, head, expiry in seconds, ranges (JSON: {start: end}), end of the last one, the tail there
--   reply 1, or 0 where the position is not where it was expected, and nothing was done
local revision = redis.call('HGET', KEYS[1], 'revision') or '0'
if revision ~= ARGV[1] then return 0 end

redis.call('HDEL', KEYS[1], 'head')  -- as in advance.lua
redis.call('HSETNX', KEYS[1], 'offset', 0)
redis.call('HSET', KEYS[1], 'path', ARGV[2], 'head', ARGV[3], 'ranges', ARGV[5], 'end', ARGV[6], 'end_tail', ARGV[7])
redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1

-- Fold a producer that is done into the sums. Its marks stay for thirty days, for a spool that is found late.
--   KEYS  producers (set), producer (hash), retired (hash);  ARGV  producer id, when it was last seen, then pairs: field, n
--   reply 1: done, 0: it has spoken since
if (redis.call('HGET', KEYS[2], 'seen') or '') ~= ARGV[2] then return 0 end
if redis.call('SREM', KEYS[1], ARGV[1]) == 0 then return 0 end
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] ~= '0' then
    redis.call('HINCRBY', KEYS[3], ARGV[i], ARGV[i + 1])
    redis.call('HINCRBY', KEYS[2], 'base:' .. ARGV[i], ARGV[i + 1])
  end
end
redis.call('EXPIRE', KEYS[2], 2592000)
return 1

-- Forget fields of several hashes whose number in the first one is not above a limit, in one step: none that has just
-- moved on is forgotten.
--   KEYS  the hash that holds the numbers, then further hashes with the same fields
--   ARGV  limit, then the fields
--   reply the number of fields forgotten
local forgotten = 0
for from = 2, #ARGV do
  local held = tonumber(redis.call('HGET', KEYS[1], ARGV[from]) or '')
  if held and held <= tonumber(ARGV[1]) then
    for _, key in ipairs(KEYS) do redis.call('HDEL', key, ARGV[from]) end
    forgotten = forgotten + 1
  end
end
return forgotten

-- Delete the keys that still belong to an attempt.
--   KEYS  any of the guard's
--   ARGV  attempt id
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end

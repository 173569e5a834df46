-- An attempt is over: begin the cooldown, and free the target if it is still held by this attempt.
--   KEYS  running, cooldown
--   ARGV  attempt id, cooldown in ms (0: none)
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) end
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end

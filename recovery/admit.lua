-- Admit an attempt, or say why not.
--   KEYS  running, cooldown
--   ARGV  attempt id, lease in ms
--   reply '' (admitted), or the reason of the refusal
if redis.call('EXISTS', KEYS[1]) == 1 then return 'running' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'cooldown' end

redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ''

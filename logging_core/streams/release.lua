-- Give up the lease of a shard, if it is ours.  KEYS lease; ARGV its value.
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1

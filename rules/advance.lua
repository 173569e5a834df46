-- Move the position of a scanned file, and apply what was found on the way, in one step.
--   KEYS  position (hash), file (string), then the hashes that the changes name
--   ARGV  expected revision, path, identity, offset, cut, head, expiry in seconds, changes
--   reply 1, or 0 where the position is not where it was expected, and nothing was done
-- Changes are JSON: [[op, index into KEYS, field, value, expiry in seconds], ...]
local revision = redis.call('HGET', KEYS[1], 'revision') or '0'
if revision ~= ARGV[1] then return 0 end

redis.call('HSET', KEYS[1], 'path', ARGV[2], 'offset', ARGV[4], 'cut', ARGV[5], 'head', ARGV[6])
redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[7])

-- pcall: a key of the wrong type (somebody else's) spoils its own change and nothing else.
for _, change in ipairs(cjson.decode(ARGV[8])) do
  local op, key, field, value, expiry = change[1], KEYS[change[2]], change[3], change[4], change[5]
  if op == 'add' then
    redis.pcall('HINCRBYFLOAT', key, field, value)
  elseif op == 'set' then
    redis.pcall('HSET', key, field, value)
  elseif op == 'once' then
    redis.pcall('HSETNX', key, field, value)
  else
    local old, new = tonumber(redis.pcall('HGET', key, field) or nil), tonumber(value)
    if not old or (op == 'min' and new < old) or (op == 'max' and new > old) then redis.pcall('HSET', key, field, value) end
  end
  if expiry > 0 then redis.pcall('EXPIRE', key, expiry) end
end
return 1
